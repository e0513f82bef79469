-- What goes out: the queue of deliveries, one row an event and destination.

-- name: insert_deliveries
INSERT INTO deliveries
       (number, destination, event, key_hash, position, status, due, attempt, earlier, created_at)
VALUES (:number, :destination, :event, :key_hash, :position, 'pending', :due, 0, 0, :created_at)

-- name: count
INSERT INTO tally (destination, status, amount) VALUES (:destination, :status, :amount)
ON CONFLICT (destination, status) DO UPDATE SET amount = tally.amount + excluded.amount

-- name: next_due
SELECT number, next_slot,
       (SELECT min(due) FROM deliveries
         WHERE destination = destinations.number AND status = 'pending' AND due > -9000000000000000000)
  FROM destinations
 WHERE paused = 0 AND removed_at IS NULL

-- name: look
-- Due rows, the earliest first. `blocked`: an earlier delivery of the same booking is unfinished. `due > -9...` holds for
-- all: in PostgreSQL the index of due times is only for those who say so, since without statistics it was taken for
-- finding the head of a booking too, which reads the whole queue for each row.
SELECT d.number, d.attempt,
       EXISTS (SELECT 1 FROM deliveries h
                WHERE h.destination = d.destination AND h.key_hash = d.key_hash AND h.status = 'pending'
                  AND h.position < d.position) AS blocked
  FROM deliveries d JOIN destinations t ON t.number = d.destination AND t.paused = 0 AND t.removed_at IS NULL
 WHERE d.destination = :destination AND d.status = 'pending' AND d.due > -9000000000000000000 AND d.due <= :now
 ORDER BY d.due, d.position LIMIT :limit

-- name: next_slot
SELECT next_slot FROM destinations WHERE number = :number

-- name: take_slots
UPDATE destinations SET next_slot = :next_slot WHERE number = :number

-- name: claim
UPDATE deliveries SET due = :due, attempt = attempt + 1 WHERE number IN (:numbers*)

-- name: push
-- Followers wait for their head: they are not looked at again before it is due.
UPDATE deliveries
   SET due = (SELECT h.due FROM deliveries h
               WHERE h.destination = deliveries.destination AND h.key_hash = deliveries.key_hash
                 AND h.status = 'pending'
               ORDER BY h.position LIMIT 1)
 WHERE number IN (:numbers*)

-- name: claimed
-- `sealed` is NULL when the body was erased or is too old.
SELECT d.number, d.attempt, d.earlier, e.id, e.type, e.accepted_at, b.sealed
  FROM deliveries d JOIN events e ON e.seq = d.event LEFT JOIN bodies b ON b.event = d.event
 WHERE d.number IN (:numbers*)
 ORDER BY d.position

-- name: tick
UPDATE head SET clock = :now WHERE one = 1

-- name: finish
UPDATE deliveries SET status = :status, finished_at = :now
 WHERE number IN (:numbers*) AND attempt = :attempt AND status = 'pending'
RETURNING number, destination

-- name: postpone
-- One whose body was emptied while it was being sent does not wait: there is nothing left to send.
UPDATE deliveries
   SET due = CASE WHEN EXISTS (SELECT 1 FROM bodies WHERE event = deliveries.event) THEN :due ELSE :now END
 WHERE number = :number AND attempt = :attempt AND status = 'pending'
RETURNING destination

-- name: release
UPDATE deliveries SET due = :now, attempt = attempt - 1
 WHERE number IN (:numbers*) AND attempt = :attempt AND status = 'pending'

-- name: advance
-- Finished ones make the next of their bookings due.
UPDATE deliveries SET due = :now
 WHERE due > :now AND number IN (
       SELECT (SELECT n.number FROM deliveries n
                WHERE n.destination = f.destination AND n.key_hash = f.key_hash AND n.status = 'pending'
                ORDER BY n.position LIMIT 1)
         FROM deliveries f
        WHERE f.number IN (:numbers*) AND f.key_hash IS NOT NULL)

-- name: takes
UPDATE destinations SET failing_since = NULL, failed_at = NULL WHERE number = :number AND failing_since IS NOT NULL

-- name: fails
-- Failures that lie far apart, with nothing between them, are not one long failure.
UPDATE destinations
   SET failing_since = CASE WHEN failing_since IS NULL OR failed_at < :before THEN :now ELSE failing_since END,
       failed_at = :now
 WHERE number = :number
RETURNING failing_since

-- name: insert_attempts
-- Told twice is written once: whoever saw a commit fail tells again, although it may have held.
INSERT INTO attempts (delivery, number, started_at, duration_ms, status, error)
VALUES (:delivery, :number, :started_at, :duration_ms, :status, :error)
ON CONFLICT (delivery, number) DO NOTHING

-- name: retryable
SELECT d.number, d.destination
  FROM deliveries d
  JOIN destinations t ON t.number = d.destination AND t.removed_at IS NULL
  JOIN bodies b ON b.event = d.event
 WHERE d.status = :status
   AND (CAST(:number AS INTEGER) IS NULL OR d.number = :number)
   AND (CAST(:destination AS TEXT) IS NULL OR t.id = :destination)
   AND (CAST(:since AS INTEGER) IS NULL OR d.created_at >= :since)
   AND (CAST(:until AS INTEGER) IS NULL OR d.created_at < :until)
   AND d.number > :after
 ORDER BY d.number LIMIT :limit

-- name: requeue
UPDATE deliveries SET status = 'pending', position = :position, due = :due, earlier = attempt, finished_at = NULL
 WHERE number = :number

-- name: hurry
-- A pending one is tried at once, unless it is being tried: that is a try counted without its row.
UPDATE deliveries SET due = :now
 WHERE number IN (:numbers*) AND due > :now
   AND (attempt = 0 OR EXISTS (SELECT 1 FROM attempts a
                                WHERE a.delivery = deliveries.number AND a.number = deliveries.attempt))
RETURNING number

-- name: draw_positions
UPDATE head SET delivery = delivery + :amount WHERE one = 1 RETURNING delivery

-- name: event_to_replay
SELECT e.seq, e.type, e.provider, e.connection, e.key_hash, (SELECT config_version FROM head)
  FROM events e JOIN bodies b ON b.event = e.seq
 WHERE e.seq = :seq

-- name: deliveries_of_event
SELECT number, destination, status FROM deliveries WHERE event = :event

-- name: skip
UPDATE deliveries SET status = 'skipped', finished_at = :now
 WHERE number IN (SELECT number FROM deliveries
                   WHERE destination = :destination AND status = 'pending' AND due > -9000000000000000000
                   ORDER BY due LIMIT :limit)
RETURNING number

-- name: skip_events
-- A try that is counted, but has no row of its own, is going on.
UPDATE deliveries SET status = 'skipped', finished_at = :now
 WHERE event IN (:events*) AND status = 'pending'
   AND (attempt = 0 OR EXISTS (SELECT 1 FROM attempts a
                                WHERE a.delivery = deliveries.number AND a.number = deliveries.attempt))
RETURNING number, destination

-- name: take_up
-- What a dead process had claimed is due at once: the try is counted, but nobody wrote down how it went.
UPDATE deliveries SET due = :now
 WHERE status = 'pending' AND attempt > 0 AND due > :now
   AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = deliveries.number AND a.number = deliveries.attempt)

-- name: lost
-- How many tries of each were counted, and nobody wrote down how they went; only of those whose latest is one of them.
SELECT d.number, d.attempt - d.earlier
       - (SELECT count(*) FROM attempts a WHERE a.delivery = d.number AND a.number > d.earlier) AS lost
  FROM deliveries d
 WHERE d.number IN (:numbers*)
   AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.number AND a.number = d.attempt)

-- name: set_due
UPDATE deliveries SET due = :due WHERE number = :number

-- name: last_clock
SELECT clock FROM head

-- name: set_back
UPDATE deliveries SET due = due - :jump WHERE status = 'pending' AND due > :now

-- name: list_deliveries
SELECT * FROM shown_deliveries
 WHERE number > :after AND (CAST(:destination AS TEXT) IS NULL OR destination = :destination)
 ORDER BY number LIMIT :limit

-- name: list_deliveries_in_status
SELECT * FROM shown_deliveries
 WHERE status = :status AND number > :after
   AND (CAST(:destination AS TEXT) IS NULL OR destination = :destination)
 ORDER BY number LIMIT :limit

-- name: list_deliveries_of_event
SELECT * FROM shown_deliveries
 WHERE seq = :seq AND number > :after
   AND (CAST(:status AS TEXT) IS NULL OR status = :status)
   AND (CAST(:destination AS TEXT) IS NULL OR destination = :destination)
 ORDER BY number LIMIT :limit

-- name: one_delivery
SELECT * FROM shown_deliveries WHERE number = :number

-- name: attempts_of
SELECT number, started_at, duration_ms, status, error FROM attempts WHERE delivery = :delivery ORDER BY number

-- name: tallies
SELECT t.id, c.status, c.amount FROM tally c JOIN destinations t ON t.number = c.destination
