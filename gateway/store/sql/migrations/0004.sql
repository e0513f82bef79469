-- Since when a destination takes nothing: after days of it the gateway stops trying (GATEWAY_PAUSE_AFTER_DAYS).

ALTER TABLE destinations ADD COLUMN failing_since INTEGER; -- first of the tries that failed since one was taken; NULL: none did
ALTER TABLE destinations ADD COLUMN failed_at INTEGER;     -- newest of them
