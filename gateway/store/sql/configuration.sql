-- What the operator set up. `sealed` holds the whole row as JSON; the columns beside it are what SQL has to know.

-- name: bump
UPDATE head SET config_version = config_version + 1 WHERE one = 1 RETURNING config_version

-- name: config_version
SELECT config_version FROM head

-- name: seals
SELECT key, sealed FROM seals

-- name: add_seal
INSERT INTO seals (key, sealed) VALUES (:key, :sealed) ON CONFLICT (key) DO NOTHING

-- name: is_copy
SELECT copied FROM head

-- name: is_no_copy
UPDATE head SET copied = 0 WHERE one = 1

-- name: connections
SELECT id, version, status, sealed FROM connections ORDER BY id

-- name: activity
SELECT id, last_received_at FROM connections WHERE last_received_at IS NOT NULL

-- name: add_connection
INSERT INTO connections (id, version, status, sealed) VALUES (:id, 1, :status, :sealed)
ON CONFLICT (id) DO NOTHING
RETURNING version

-- name: change_connection
UPDATE connections SET version = version + 1, status = :status, sealed = :sealed
 WHERE id = :id AND version = :version
RETURNING version

-- name: remove_connection
DELETE FROM connections WHERE id = :id RETURNING id

-- name: destinations
SELECT id, number, version, paused, failing_since, sealed FROM destinations WHERE removed_at IS NULL ORDER BY number

-- name: add_destination
INSERT INTO destinations (number, id, version, paused, sealed)
VALUES ((SELECT coalesce(max(number), 0) + 1 FROM destinations), :id, 1, :paused, :sealed)
ON CONFLICT (id) DO NOTHING
RETURNING number, version

-- name: change_destination
-- What failed before was about the destination as it was, and so was its pace.
UPDATE destinations
   SET version = version + 1, paused = :paused, failing_since = NULL, failed_at = NULL, next_slot = 0, sealed = :sealed
 WHERE id = :id AND version = :version AND removed_at IS NULL
RETURNING number, version

-- name: remove_destination
UPDATE destinations SET removed_at = :now WHERE id = :id AND removed_at IS NULL RETURNING number

-- name: removed_destinations
SELECT number FROM destinations WHERE removed_at IS NOT NULL

-- name: keys
SELECT id, sealed FROM keys ORDER BY id

-- name: put_key
INSERT INTO keys (id, sealed) VALUES (:id, :sealed) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed

-- name: remove_key
DELETE FROM keys WHERE id = :id RETURNING id

-- name: tokens
SELECT id, sealed FROM tokens ORDER BY id DESC

-- name: put_token
INSERT INTO tokens (id, sealed) VALUES (:id, :sealed) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed

-- name: remove_token
DELETE FROM tokens WHERE id = :id RETURNING id
