-- What people look at: the newest first, and sums over time.

-- name: newest_events
SELECT e.seq, e.id, e.type, e.provider, e.connection, e.key, e.timestamp, r.received_at
  FROM events e JOIN bodies b ON b.event = e.seq LEFT JOIN receipts r ON r.number = e.receipt
 WHERE e.seq < :before
   AND (:any_booking = 1 OR (e.key_hash IN (:hashes*) AND e.key IN (:keys*)))
   AND (CAST(:provider AS TEXT) IS NULL OR e.provider = :provider)
   AND (CAST(:connection AS TEXT) IS NULL OR e.connection = :connection)
   AND (:any_type = 1 OR e.type IN (:types*))
 ORDER BY e.seq DESC LIMIT :limit

-- name: outcomes
SELECT event, status, count(*) FROM deliveries WHERE event IN (:events*) GROUP BY event, status

-- name: newest_deliveries
SELECT * FROM shown_deliveries
 WHERE number < :before AND (CAST(:destination AS TEXT) IS NULL OR destination = :destination)
 ORDER BY number DESC LIMIT :limit

-- name: newest_deliveries_in_status
SELECT * FROM shown_deliveries
 WHERE status = :status AND number < :before
   AND (CAST(:destination AS TEXT) IS NULL OR destination = :destination)
 ORDER BY number DESC LIMIT :limit

-- name: trying
-- Of these, the ones whose latest try has not come to a result: they are being tried until their lease ends.
SELECT number FROM deliveries d
 WHERE number IN (:numbers*) AND status = 'pending' AND attempt > 0
   AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.number AND a.number = d.attempt)

-- name: newest_set_aside
SELECT number, digest, connection, reason, received_at, size
  FROM receipts
 WHERE status <> 'understood' AND status = :status AND number < :before
   AND (CAST(:connection AS TEXT) IS NULL OR connection = :connection)
 ORDER BY number DESC LIMIT :limit

-- name: longest_held
-- Calls that wait for their provider's answer, the longest first; 1 when an earlier one about the same booking is asked
-- about before.
SELECT r.number, r.digest, r.connection, r.received_at, r.size, min(h.due), max(h.attempt),
       max(CASE WHEN EXISTS (SELECT 1 FROM held other
                               JOIN receipts o ON o.number = other.receipt AND o.status = 'held'
                              WHERE other.key_hash = h.key_hash AND other.receipt < h.receipt) THEN 1 ELSE 0 END)
  FROM receipts r JOIN held h ON h.receipt = r.number
 WHERE r.status <> 'understood' AND r.status = 'held' AND r.number > :after
 GROUP BY r.number, r.digest, r.connection, r.received_at, r.size
 ORDER BY r.number LIMIT :limit

-- name: in_use
SELECT number, id FROM destinations WHERE removed_at IS NULL

-- name: next_try
-- Of what waits for a destination, that which is tried next, and how its latest try went.
SELECT d.due, d.attempt, d.created_at, a.status, a.error
  FROM deliveries d LEFT JOIN attempts a ON a.delivery = d.number AND a.number = d.attempt
 WHERE d.destination = :destination AND d.status = 'pending'
 ORDER BY d.due, d.position LIMIT 1

-- name: oldest_waiting
SELECT d.created_at, t.id
  FROM deliveries d JOIN destinations t ON t.number = d.destination
 WHERE d.status = 'pending' ORDER BY d.number LIMIT 1

-- name: newest_numbers
SELECT receipt, delivery FROM head

-- name: receipt_from
SELECT number, received_at FROM receipts WHERE number >= :number ORDER BY number LIMIT 1

-- name: delivery_from
SELECT number, created_at FROM deliveries WHERE number >= :number ORDER BY number LIMIT 1

-- name: receipts_over_time
SELECT (received_at - :since) / :width AS slot, status, count(*)
  FROM receipts WHERE number >= :first AND received_at >= :since GROUP BY slot, status

-- name: deliveries_over_time
SELECT (d.created_at - :since) / :width AS slot, t.id, d.status, count(*), max(d.finished_at)
  FROM deliveries d JOIN destinations t ON t.number = d.destination
 WHERE d.number >= :first AND d.created_at >= :since GROUP BY slot, t.id, d.status

-- name: waiting_since
-- Since when the oldest of what waits for a destination waits.
SELECT created_at FROM deliveries WHERE status = 'pending' AND destination = :destination ORDER BY number LIMIT 1

-- name: ages
-- How old the newest events were when they came, by the provider's own clock.
SELECT e.provider, CASE WHEN r.received_at > e.timestamp THEN r.received_at - e.timestamp ELSE 0 END
  FROM events e JOIN receipts r ON r.number = e.receipt
 WHERE e.live = 1 ORDER BY e.seq DESC LIMIT :limit
