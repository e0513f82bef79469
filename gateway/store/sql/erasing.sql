-- Erasure: requests, what is looked at for them, and how a person's traces go.

-- name: begin
INSERT INTO erasures (id, sealed, begun_at, last_receipt, last_event, receipt, event, receipts, quarantined, events,
                      deliveries)
SELECT :id, :sealed, :now, receipt, seq, 0, 0, 0, 0, 0, 0 FROM head

-- name: one
SELECT id, sealed, begun_at, finished_at, last_receipt, last_event, receipt, event, receipts, quarantined, events,
       deliveries
  FROM erasures WHERE id = :id

-- name: unfinished
SELECT id FROM erasures WHERE finished_at IS NULL ORDER BY begun_at, id

-- name: reached
SELECT receipt, seq FROM head

-- name: kept
-- Of some events those that are not empty, and the calls that they came from.
SELECT e.seq, e.receipt FROM events e JOIN bodies b ON b.event = e.seq WHERE e.seq IN (:events*)

-- name: some_bodies
SELECT e.seq, e.id, e.key, b.sealed
  FROM bodies b JOIN events e ON e.seq = b.event
 WHERE b.event > :after AND b.event <= :last
 ORDER BY b.event LIMIT :limit

-- name: events_of_booking
SELECT seq FROM events WHERE seq > :after AND seq <= :last AND key_hash = :key_hash AND key = :key

-- name: events_of_bookings
SELECT seq, key FROM events WHERE seq > :after AND seq <= :last AND key_hash IN (:hashes*)

-- name: some_inbound
SELECT r.number, r.digest, r.events, r.connection, r.status, i.sealed
  FROM inbound i JOIN receipts r ON r.number = i.receipt
 WHERE i.receipt > :after AND i.receipt <= :last
 ORDER BY i.receipt LIMIT :limit

-- name: some_set_aside
SELECT r.number, r.digest, r.connection, i.sealed
  FROM receipts r JOIN inbound i ON i.receipt = r.number
 WHERE r.status <> 'understood' AND r.number > :after AND r.number <= :last
 ORDER BY r.number LIMIT :limit

-- name: reached_by_now
SELECT seq FROM head

-- name: some_late
-- Of calls that waited when the request came and were understood since.
SELECT e.seq, e.id, e.key, b.sealed
  FROM events e JOIN bodies b ON b.event = e.seq
 WHERE e.seq > :after AND e.seq <= :last AND e.receipt <= :last_receipt
 ORDER BY e.seq LIMIT :limit

-- name: bookings_erased
-- Of which bookings events were erased since.
SELECT DISTINCT connection, key FROM events WHERE erased_at >= :since AND key IS NOT NULL

-- name: events_of_receipts
SELECT events FROM receipts WHERE number IN (:receipts*)

-- name: empty_events
UPDATE events SET erased_at = :now WHERE seq IN (:events*) AND erased_at IS NULL RETURNING receipt

-- name: drop_words
-- Of a person nothing is in there, but they stand beside what is gone.
UPDATE attempts SET error = NULL
 WHERE error IS NOT NULL AND delivery IN (SELECT number FROM deliveries WHERE event IN (:events*))

-- name: count
UPDATE erasures
   SET receipts = receipts + :receipts, quarantined = quarantined + :quarantined, events = events + :events,
       deliveries = deliveries + :deliveries
 WHERE id = :id

-- name: reach
UPDATE erasures SET receipt = :receipt, event = :event WHERE id = :id

-- name: finish
UPDATE erasures SET finished_at = :now, sealed = NULL WHERE id = :id AND finished_at IS NULL
