-- The bytes of events and calls go, and what became no event waits no more.

-- name: drop_bodies
DELETE FROM bodies WHERE event IN (:events*)

-- name: drop_inbound
DELETE FROM inbound WHERE receipt IN (:receipts*) RETURNING receipt

-- name: discard
UPDATE receipts SET status = 'discarded', reason = :reason
 WHERE number IN (:receipts*) AND status = :status
RETURNING number

-- name: hold_no_longer
DELETE FROM held WHERE receipt IN (:receipts*)
