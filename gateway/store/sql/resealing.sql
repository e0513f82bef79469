-- The change of all seals to the newest key: everything that has a column `sealed`.

-- name: begin
INSERT INTO resealing (one, key, begun_at, finished_at, last_receipt, last_event, receipt, event, resealed, broken)
SELECT 1, :key, :now, NULL, receipt, seq, 0, 0, 0, 0 FROM head WHERE one = 1
ON CONFLICT (one) DO UPDATE
   SET key = excluded.key, begun_at = excluded.begun_at, finished_at = NULL, last_receipt = excluded.last_receipt,
       last_event = excluded.last_event, receipt = 0, event = 0, resealed = 0, broken = 0

-- name: state
SELECT key, begun_at, finished_at, last_receipt, last_event, receipt, event, resealed, broken FROM resealing

-- name: reach
UPDATE resealing
   SET receipt = :receipt, event = :event, resealed = resealed + :resealed, broken = broken + :broken
 WHERE one = 1

-- name: finish
UPDATE resealing SET finished_at = :now WHERE one = 1

-- name: keys_in_use
SELECT key FROM seals

-- name: forget_other_keys
DELETE FROM seals WHERE key <> :key

-- name: some_inbound
SELECT i.receipt, r.digest, i.sealed FROM inbound i JOIN receipts r ON r.number = i.receipt
 WHERE i.receipt > :after AND i.receipt <= :last ORDER BY i.receipt LIMIT :limit

-- name: put_inbound
UPDATE inbound SET sealed = :sealed WHERE receipt = :receipt

-- name: some_bodies
SELECT b.event, e.id, b.sealed FROM bodies b JOIN events e ON e.seq = b.event
 WHERE b.event > :after AND b.event <= :last ORDER BY b.event LIMIT :limit

-- name: put_body
UPDATE bodies SET sealed = :sealed WHERE event = :event

-- name: all_connections
SELECT id, sealed FROM connections

-- name: put_connection
UPDATE connections SET sealed = :sealed WHERE id = :id

-- name: all_destinations
SELECT id, sealed FROM destinations

-- name: put_destination
UPDATE destinations SET sealed = :sealed WHERE id = :id

-- name: all_keys
SELECT id, sealed FROM keys

-- name: put_key
UPDATE keys SET sealed = :sealed WHERE id = :id

-- name: all_tokens
SELECT id, sealed FROM tokens

-- name: put_token
UPDATE tokens SET sealed = :sealed WHERE id = :id

-- name: all_erasures
SELECT id, sealed FROM erasures WHERE sealed IS NOT NULL

-- name: put_erasure
UPDATE erasures SET sealed = :sealed WHERE id = :id
