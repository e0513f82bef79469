-- What the promises to people need: erasure, retention, rotation of the encryption, the audit log, backups.

ALTER TABLE head ADD COLUMN expired INTEGER NOT NULL DEFAULT 0; -- events up to this one were older than is kept
ALTER TABLE head ADD COLUMN copied INTEGER NOT NULL DEFAULT 0;  -- 1: this file is a backup that nobody has started yet

ALTER TABLE events ADD COLUMN accepted_at INTEGER NOT NULL DEFAULT 0; -- when it was numbered: its age counts from here
ALTER TABLE events ADD COLUMN erased_at INTEGER;                -- when its body was emptied because somebody asked
UPDATE events
   SET accepted_at = coalesce((SELECT r.received_at FROM receipts r WHERE r.number = events.receipt), timestamp);

-- Requests to erase somebody, each with how far it has come: it goes on where a dead process stopped.
CREATE TABLE erasures (
    id           TEXT PRIMARY KEY,      -- ers_...
    sealed       BLOB,                  -- who or what, as JSON; NULL when it is done
    begun_at     INTEGER NOT NULL,      -- when it was asked for
    finished_at  INTEGER,               -- when nothing was left to look at
    last_receipt INTEGER NOT NULL,      -- newest receipt when it was asked for: what comes later is not meant
    last_event   INTEGER NOT NULL,      -- newest event then
    receipt      INTEGER NOT NULL,      -- receipts up to this one were looked at
    event        INTEGER NOT NULL,      -- events up to this one were looked at
    receipts     INTEGER NOT NULL,      -- how many receipts lost their bytes
    quarantined  INTEGER NOT NULL,      -- how many of these waited in quarantine, or for an answer of their provider
    events       INTEGER NOT NULL,      -- how many events were emptied
    deliveries   INTEGER NOT NULL       -- how many waiting deliveries were skipped for it
);

-- The change of all seals to the newest key, and how far it has come. One row: the running one, or the last.
CREATE TABLE resealing (
    one          INTEGER PRIMARY KEY,   -- always 1
    key          BLOB NOT NULL,         -- id of the key that everything is sealed with afterwards
    begun_at     INTEGER NOT NULL,      -- when it was asked for
    finished_at  INTEGER,               -- when the last seal was changed
    last_receipt INTEGER NOT NULL,      -- newest receipt when it began: what comes later has the newest key already
    last_event   INTEGER NOT NULL,      -- newest event then
    receipt      INTEGER NOT NULL,      -- bytes of receipts up to this one are done
    event        INTEGER NOT NULL,      -- bodies of events up to this one are done
    resealed     INTEGER NOT NULL,      -- how many seals were changed
    broken       INTEGER NOT NULL       -- how many could not be opened, and stay as they are
);

-- The keys that something here is sealed with: without one of them the database is not opened.
CREATE TABLE seals (
    key    BLOB PRIMARY KEY,            -- id of the key, as each sealed value begins with it
    sealed BLOB NOT NULL                -- a known text, sealed with it
);
INSERT INTO seals SELECT substr(sealed, 1, 4), sealed FROM head WHERE sealed IS NOT NULL;
ALTER TABLE head DROP COLUMN sealed;

-- Who did what. Only ever added to.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,         -- in order of time
    at     INTEGER NOT NULL,            -- when
    key    TEXT NOT NULL,               -- id of the API key; "gateway": by itself
    action TEXT NOT NULL,               -- a word of ours: create_key, erase, ...
    object TEXT                         -- id of what it was done to
);
