-- Calls that wait until their provider is asked, and the calls that wait behind them.

-- name: any
SELECT EXISTS (SELECT 1 FROM held)

-- name: keys
SELECT DISTINCT h.key_hash FROM held h JOIN receipts r ON r.number = h.receipt AND r.status = 'held'
 WHERE h.key_hash IN (:keys*)

-- name: hold
INSERT INTO held (receipt, key_hash, due, attempt) VALUES (:receipt, :key_hash, :due, 0)
ON CONFLICT (key_hash, receipt) DO NOTHING

-- name: let_go
DELETE FROM held WHERE receipt = :receipt

-- name: first
-- The earliest held call of each booking, and no call about several before it is the earliest of all of them.
SELECT DISTINCT r.digest, r.connection, r.received_at, h.due, h.attempt, r.number
  FROM held h JOIN receipts r ON r.number = h.receipt AND r.status = 'held'
 WHERE NOT (r.connection IN (:without*))
   AND NOT EXISTS (SELECT 1 FROM held mine
                     JOIN held other ON other.key_hash = mine.key_hash AND other.receipt < mine.receipt
                     JOIN receipts o ON o.number = other.receipt AND o.status = 'held'
                    WHERE mine.receipt = h.receipt)
 ORDER BY h.due, r.number LIMIT :limit

-- name: postpone
UPDATE held SET due = :due, attempt = attempt + 1 WHERE receipt = :receipt

-- name: hurry
UPDATE held SET due = :now WHERE due > :now

-- name: open_held
SELECT count(*), coalesce(sum(size), 0) FROM receipts WHERE status = 'held' AND token = :token

-- name: quarantine
UPDATE receipts SET status = 'quarantined', reason = :reason WHERE number = :number AND status = 'held' RETURNING number

-- name: hold_again
UPDATE receipts SET status = 'held', reason = NULL, connection = :connection
 WHERE number = :number AND status = 'quarantined'
RETURNING number

-- name: told
-- All that was told of some bookings. There is no index on their keys: one scan for a whole page.
SELECT e.seq, e.id, e.type, e.key, e.timestamp, b.sealed
  FROM events e LEFT JOIN bodies b ON b.event = e.seq
 WHERE e.key_hash IN (:keys*)

-- name: looks
SELECT connection, reason, since, page, begun_at, finished_at, seen, total, missed, waiting, unread, error, covered
  FROM looks ORDER BY connection

-- name: put_look
INSERT INTO looks
       (connection, reason, since, page, begun_at, finished_at, seen, total, missed, waiting, unread, error, covered)
VALUES (:connection, :reason, :since, :page, :begun_at, :finished_at, :seen, :total, :missed, :waiting, :unread, :error,
        :covered)
ON CONFLICT (connection) DO UPDATE
   SET reason = excluded.reason, since = excluded.since, page = excluded.page, begun_at = excluded.begun_at,
       finished_at = excluded.finished_at, seen = excluded.seen, total = excluded.total, missed = excluded.missed,
       waiting = excluded.waiting, unread = excluded.unread, error = excluded.error, covered = excluded.covered

-- name: latest_call
-- There is no index on the connection: a call is seldom looked for, and then a new one.
SELECT digest FROM receipts WHERE connection = :connection ORDER BY number DESC LIMIT 1

-- name: latest_unclaimed
SELECT digest FROM receipts
 WHERE status <> 'understood' AND status = 'quarantined' AND connection IS NULL AND token = :token
 ORDER BY number DESC LIMIT 1
