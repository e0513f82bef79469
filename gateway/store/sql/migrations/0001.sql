-- What the gateway keeps. Times are epoch milliseconds (UTC), digests and ids short BLOBs. Text of people and secrets
-- lies only in columns called `sealed`: AES-256-GCM, bound to its table and row.

-- Numbers are drawn here, in the transaction that uses them, so that they are in the order of commits.
CREATE TABLE head (
    one            INTEGER PRIMARY KEY, -- always 1: there is one row
    seq            INTEGER NOT NULL,    -- newest event; also how many were ever accepted
    receipt        INTEGER NOT NULL,    -- newest receipt
    delivery       INTEGER NOT NULL,    -- newest delivery or position in the queue: they share one row of numbers
    config_version INTEGER NOT NULL,    -- grows with every change of connections, destinations, keys, tokens
    known_receipt  INTEGER NOT NULL,    -- digests of receipts up to this one are all in `known`
    known_event    INTEGER NOT NULL,    -- ids of events up to this one are all in `known`
    clock          INTEGER NOT NULL,    -- when a due time was last set: shows after a start that the clock went back
    understood     INTEGER NOT NULL,    -- receipts by status; their sum is all receipts
    quarantined    INTEGER NOT NULL,    -- kept until a person or a better plugin deals with it
    held           INTEGER NOT NULL,    -- the provider is asked first
    discarded      INTEGER NOT NULL,    -- somebody decided that it is nothing
    duplicates     INTEGER NOT NULL,    -- calls answered "duplicate"
    sealed         BLOB                 -- a known text: shows that the keys are the ones all else is sealed with
);
INSERT INTO head VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL);

-- One call of a provider's. Narrow, and kept much longer than its bytes: it is how the same bytes are known again.
CREATE TABLE receipts (
    number      INTEGER PRIMARY KEY,    -- in order of acceptance
    digest      BLOB NOT NULL,          -- 16 bytes over connection (or URL token) and body; its hex is the public id
    status      TEXT NOT NULL,          -- understood, quarantined, held, discarded
    reason      TEXT,                   -- why it was not understood: never a value from the body
    connection  TEXT,                   -- whose call it is; NULL while that is not known
    token       TEXT NOT NULL,          -- public id of the URL token it came to
    proof       TEXT NOT NULL,          -- signature, token
    received_at INTEGER NOT NULL,       -- when the call was complete
    size        INTEGER NOT NULL,       -- bytes of the body
    sha256      BLOB NOT NULL,          -- of the body
    events      BLOB                    -- ids of its events, 20 bytes each, new or known before
);
-- Few, and all that anybody lists.
CREATE INDEX receipts_set_aside ON receipts (number) WHERE status <> 'understood';
-- Measures a flood without touching rows.
CREATE INDEX receipts_quarantined ON receipts (token, size) WHERE status = 'quarantined';

-- The bytes of a receipt, apart from it so that whole pages come free when they expire.
CREATE TABLE inbound (
    receipt INTEGER PRIMARY KEY,        -- receipts.number
    sealed  BLOB NOT NULL               -- headers and body as they came
);

-- The log. A row is never rewritten.
-- There is no index on `key`: a random one costs each accept a fifth more, and narrow rows are scanned by the million
-- a second.
CREATE TABLE events (
    seq         INTEGER PRIMARY KEY,    -- the cursor
    key_hash    INTEGER,                -- 8 bytes of the booking key's hash: what the queue orders by
    id          BLOB NOT NULL,          -- 20 bytes, from the provider's own keys
    type        TEXT NOT NULL,          -- booking.scheduled, ...
    provider    TEXT NOT NULL,          -- the plugin's name
    connection  TEXT NOT NULL,          -- con_...
    key         TEXT,                   -- provider:connection:id of the booking; NULL when it is about no booking
    timestamp   INTEGER NOT NULL,       -- when it happened
    receipt     INTEGER,                -- receipts.number it came from
    data_digest BLOB NOT NULL,          -- SHA-256 of {type, data}: tells two facts with one id apart
    live        INTEGER NOT NULL        -- 1: came by a call of the provider's; 0: by asking
);

-- The unique index of receipts' digests and events' ids. Written in lanes of the key space, behind the rows it is about:
-- see gateway/store/known.py.
CREATE TABLE known (
    key    BLOB PRIMARY KEY,            -- 16 bytes: receipts.digest; 20 bytes: events.id
    number INTEGER NOT NULL             -- receipts.number; events.seq
) WITHOUT ROWID;

-- The envelope of an event, the bytes that are delivered; apart from it for the same reason as `inbound`.
CREATE TABLE bodies (
    event  INTEGER PRIMARY KEY,         -- events.seq
    sealed BLOB NOT NULL                -- JSON
);

-- The queue: one row an event and destination.
CREATE TABLE deliveries (
    number      INTEGER PRIMARY KEY,    -- its hex is the public id
    destination INTEGER NOT NULL,       -- destinations.number
    event       INTEGER NOT NULL,       -- events.seq
    key_hash    INTEGER,                -- events of one booking go one after the other; NULL: no order
    position    INTEGER NOT NULL,       -- place in its booking's queue; a new one when retried or replayed
    status      TEXT NOT NULL,          -- pending, delivered, dead, skipped
    due         INTEGER NOT NULL,       -- when it may be claimed; while it is being tried, when its lease ends
    attempt     INTEGER NOT NULL,       -- tries so far, counted before they are made: the fence
    earlier     INTEGER NOT NULL,       -- of these, how many came before the latest retry or replay
    created_at  INTEGER NOT NULL,       -- when it was planned
    finished_at INTEGER                 -- when it became delivered, dead or skipped
);
-- Claiming reads the first of these; the next due time of a destination is its first entry.
CREATE INDEX deliveries_due ON deliveries (destination, due, position) WHERE status = 'pending';
-- The head of a booking's queue is its first entry.
CREATE INDEX deliveries_order ON deliveries (destination, key_hash, position) WHERE status = 'pending';
CREATE INDEX deliveries_status ON deliveries (status, number);
CREATE INDEX deliveries_event ON deliveries (event, destination);

-- One try. A claimed delivery without its row here was being tried when the process died.
CREATE TABLE attempts (
    delivery    INTEGER NOT NULL,       -- deliveries.number
    number      INTEGER NOT NULL,       -- deliveries.attempt at the time
    started_at  INTEGER NOT NULL,       -- before the address was looked up
    duration_ms INTEGER NOT NULL,       -- until the answer was read
    status      INTEGER,                -- HTTP status; NULL: no answer
    error       TEXT,                   -- what went wrong, in words
    PRIMARY KEY (delivery, number)
);

-- How many deliveries each destination has in each status: counting a million rows for every look is not an option.
CREATE TABLE tally (
    destination INTEGER NOT NULL,       -- destinations.number
    status      TEXT NOT NULL,          -- as in deliveries
    amount      INTEGER NOT NULL,       -- changes in the transaction that changes a status
    PRIMARY KEY (destination, status)
);

CREATE TABLE connections (
    id               TEXT PRIMARY KEY,  -- con_...
    version          INTEGER NOT NULL,  -- grows with each change: two writers cannot overwrite each other unseen
    status           TEXT NOT NULL,     -- registering, waiting, active, needs_repair, broken, removing
    last_received_at INTEGER,           -- newest authentic call
    sealed           BLOB NOT NULL      -- all the rest, as JSON
);

CREATE TABLE destinations (
    number     INTEGER PRIMARY KEY,     -- its short key in the queue
    id         TEXT NOT NULL UNIQUE,    -- dst_...
    version    INTEGER NOT NULL,        -- as in connections
    paused     INTEGER NOT NULL,        -- 1: nothing is claimed, everything is still planned
    removed_at INTEGER,                 -- NULL: in use. The row stays: deliveries name it
    sealed     BLOB NOT NULL            -- all the rest, as JSON
);

CREATE TABLE keys (
    id     TEXT PRIMARY KEY,            -- key_...
    sealed BLOB NOT NULL                -- name, scopes and the key's SHA-256, as JSON
);

CREATE TABLE tokens (
    id     TEXT PRIMARY KEY,            -- url_...
    sealed BLOB NOT NULL                -- a token of the shared inbound URL, as JSON
);

-- What is shown of an event and of a delivery, so that every list asks for the same.
CREATE VIEW shown_events AS
SELECT e.seq, e.key_hash, e.id, e.type, e.provider, e.connection, e.key, e.timestamp, r.digest AS receipt, b.sealed
  FROM events e
  JOIN bodies b ON b.event = e.seq
  LEFT JOIN receipts r ON r.number = e.receipt;

CREATE VIEW shown_deliveries AS
SELECT d.number, e.id AS event, e.type, t.id AS destination, e.key, d.status, d.attempt, d.due,
       a.status AS last_status, a.error AS last_error, d.created_at, d.finished_at, d.event AS seq
  FROM deliveries d
  JOIN events e ON e.seq = d.event
  JOIN destinations t ON t.number = d.destination
  LEFT JOIN attempts a ON a.delivery = d.number
       AND a.number = (SELECT max(l.number) FROM attempts l WHERE l.delivery = d.number);
