-- What was ever seen: digests of receipts and ids of events. See gateway/store/known.py.

-- name: find
SELECT key, number FROM known WHERE key IN (:keys*)

-- name: write
-- After a restart some of the recent ones are there already.
INSERT INTO known (key, number) VALUES (:key, :number) ON CONFLICT (key) DO NOTHING

-- name: drop
DELETE FROM known WHERE key IN (:keys*)

-- name: newest
SELECT receipt, seq FROM head

-- name: mark
UPDATE head SET known_receipt = :receipt, known_event = :event WHERE one = 1

-- name: recent_receipts
SELECT digest, number FROM receipts WHERE number > (SELECT known_receipt FROM head)

-- name: recent_events
SELECT id, seq FROM events WHERE seq > (SELECT known_event FROM head)

-- name: recent_receipt
SELECT number FROM receipts WHERE number > (SELECT known_receipt FROM head) AND digest = :key

-- name: recent_event
SELECT seq FROM events WHERE seq > (SELECT known_event FROM head) AND id = :key
