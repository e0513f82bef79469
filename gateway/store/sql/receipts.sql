-- What comes in: receipts, their events, the deliveries that follow from them.

-- name: known_receipts
SELECT digest, number, status, reason, events FROM receipts WHERE number IN (:numbers*)

-- name: known_events
SELECT id, data_digest, live, erased_at FROM events WHERE seq IN (:numbers*)

-- name: draw_numbers
-- Draw numbers and count, at once: this row is the lock under which everything is put in order.
UPDATE head
   SET seq = seq + :events, receipt = receipt + :receipts, delivery = delivery + :deliveries,
       understood = understood + :understood, quarantined = quarantined + :quarantined, held = held + :held,
       discarded = discarded + :discarded, duplicates = duplicates + :duplicates
 WHERE one = 1
RETURNING seq, receipt, delivery, config_version

-- name: insert_receipts
INSERT INTO receipts
       (number, digest, status, reason, connection, token, proof, received_at, size, sha256, events)
VALUES (:number, :digest, :status, :reason, :connection, :token, :proof, :received_at, :size, :sha256, :events)

-- name: insert_inbound
INSERT INTO inbound (receipt, sealed) VALUES (:receipt, :sealed)

-- name: insert_events
INSERT INTO events
       (seq, key_hash, id, type, provider, connection, key, timestamp, receipt, data_digest, live, accepted_at)
VALUES (:seq, :key_hash, :id, :type, :provider, :connection, :key, :timestamp, :receipt, :data_digest, :live,
        :accepted_at)

-- name: insert_bodies
INSERT INTO bodies (event, sealed) VALUES (:event, :sealed)

-- name: understand
UPDATE receipts SET status = 'understood', reason = NULL, connection = :connection, events = :events
 WHERE number = :number

-- name: hear_of_connections
UPDATE connections
   SET last_received_at = :at, status = CASE status WHEN 'waiting' THEN 'active' ELSE status END
 WHERE id = :id

-- name: open_quarantine
SELECT count(*), coalesce(sum(size), 0) FROM receipts WHERE status = 'quarantined' AND token = :token

-- name: fail_again
UPDATE receipts SET reason = :reason WHERE number = :number AND status = 'quarantined' RETURNING number

-- name: discard
UPDATE receipts SET status = 'discarded' WHERE number = :number AND status = 'quarantined' RETURNING number

-- name: drop_inbound
DELETE FROM inbound WHERE receipt = :receipt

-- name: list_understood
SELECT digest, connection, token, status, reason, proof, received_at, size, sha256, NULL
  FROM receipts
 WHERE status = 'understood' AND number > :after
   AND (CAST(:connection AS TEXT) IS NULL OR connection = :connection)
 ORDER BY number LIMIT :limit

-- name: list_set_aside
SELECT digest, connection, token, status, reason, proof, received_at, size, sha256, NULL
  FROM receipts
 WHERE status <> 'understood' AND status = :status AND number > :after
   AND (CAST(:connection AS TEXT) IS NULL OR connection = :connection)
 ORDER BY number LIMIT :limit

-- name: one_receipt
SELECT digest, connection, token, status, reason, proof, received_at, size, sha256, sealed
  FROM receipts LEFT JOIN inbound ON inbound.receipt = receipts.number
 WHERE number = :number AND digest = :digest

-- name: list_events
SELECT seq, id, type, provider, connection, key, timestamp, receipt, sealed
  FROM shown_events
 WHERE seq > :after
   AND (CAST(:key_hash AS INTEGER) IS NULL OR (key_hash = :key_hash AND key = :key))
   AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
   AND (CAST(:connection AS TEXT) IS NULL OR connection = :connection)
   AND (:all_types = 1 OR type IN (:types*))
 ORDER BY seq LIMIT :limit

-- name: list_events_back
SELECT seq, id, type, provider, connection, key, timestamp, receipt, sealed
  FROM shown_events
 WHERE seq < :before
   AND (CAST(:key_hash AS INTEGER) IS NULL OR (key_hash = :key_hash AND key = :key))
   AND (CAST(:provider AS TEXT) IS NULL OR provider = :provider)
   AND (CAST(:connection AS TEXT) IS NULL OR connection = :connection)
   AND (:all_types = 1 OR type IN (:types*))
 ORDER BY seq DESC LIMIT :limit

-- name: one_event
-- Unlike lists it shows that an event was there whose body is gone.
SELECT e.seq, e.id, e.type, e.provider, e.connection, e.key, e.timestamp, r.digest, b.sealed, e.erased_at
  FROM events e
  LEFT JOIN bodies b ON b.event = e.seq
  LEFT JOIN receipts r ON r.number = e.receipt
 WHERE e.seq = :seq AND e.id = :id

-- name: bounds
SELECT CASE seq WHEN 0 THEN 0 ELSE expired + 1 END, seq FROM head

-- name: count_receipts
SELECT understood, quarantined, held, discarded, duplicates, seq FROM head
