-- In PostgreSQL's own words: rows of the queue change often, so they are packed loosely and swept early.

ALTER TABLE deliveries SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE tally SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 200);
ALTER TABLE head SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 200);
-- What is sealed cannot be compressed; as a rule it is short enough to lie in the row.
ALTER TABLE bodies ALTER COLUMN sealed SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160);
ALTER TABLE inbound ALTER COLUMN sealed SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160);

-- Only for those who say `due > -9...`: see `look` in queue.sql.
DROP INDEX deliveries_due;
CREATE INDEX deliveries_due ON deliveries (destination, due, position)
 WHERE status = 'pending' AND due > -9000000000000000000;
