-- How often connections are called. Narrow rows are read back from the newest; there is no index on the connection.

-- name: rhythm
SELECT count(*), min(received_at), max(received_at), max(pause)
  FROM (SELECT received_at, received_at - lag(received_at) OVER (ORDER BY number) AS pause
          FROM receipts
         WHERE number > (SELECT receipt FROM head) - :most AND connection = :connection AND received_at >= :since) AS calls
