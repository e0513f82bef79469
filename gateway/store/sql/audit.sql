-- Who did what. The database itself refuses to change or delete a row.

-- name: add
INSERT INTO audit (at, key, action, object) VALUES (:at, :key, :action, :object)

-- name: list
SELECT number, at, key, action, object FROM audit
 WHERE number > :after
   AND (CAST(:key AS TEXT) IS NULL OR key = :key)
   AND (CAST(:action AS TEXT) IS NULL OR action = :action)
   AND (CAST(:object AS TEXT) IS NULL OR object = :object)
 ORDER BY number LIMIT :limit

-- name: newest
SELECT number, at, key, action, object FROM audit
 WHERE number < :before
   AND (CAST(:key AS TEXT) IS NULL OR key = :key)
   AND (CAST(:action AS TEXT) IS NULL OR action = :action)
   AND (CAST(:object AS TEXT) IS NULL OR object = :object)
 ORDER BY number DESC LIMIT :limit
