-- What is too old: bodies and bytes first, rows and digests much later.

-- name: oldest_bodies
SELECT b.event, e.accepted_at FROM bodies b JOIN events e ON e.seq = b.event ORDER BY b.event LIMIT :limit

-- name: oldest_inbound
SELECT i.receipt, r.received_at FROM inbound i JOIN receipts r ON r.number = i.receipt ORDER BY i.receipt LIMIT :limit

-- name: oldest_events
SELECT seq, accepted_at, id FROM events ORDER BY seq LIMIT :limit

-- name: oldest_receipts
SELECT number, received_at, digest FROM receipts ORDER BY number LIMIT :limit

-- name: expire
UPDATE head SET expired = CASE WHEN expired < :event THEN :event ELSE expired END WHERE one = 1

-- name: drop_attempts
DELETE FROM attempts WHERE delivery IN (SELECT number FROM deliveries WHERE event IN (:events*))

-- name: drop_deliveries
DELETE FROM deliveries WHERE event IN (:events*) AND status <> 'pending'

-- name: drop_events
DELETE FROM events WHERE seq IN (:events*)

-- name: drop_receipts
DELETE FROM receipts WHERE number IN (:receipts*)
