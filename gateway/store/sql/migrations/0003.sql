-- What asking providers needs: calls that wait for an answer, and how far the looks at their bookings have come.

-- Which bookings a held call is about: while one is held, later calls about the same booking wait behind it. A row whose
-- receipt is not held any more means nothing.
CREATE TABLE held (
    receipt  INTEGER NOT NULL,          -- receipts.number
    key_hash INTEGER NOT NULL,          -- as in events
    due      INTEGER NOT NULL,          -- when the provider is asked next
    attempt  INTEGER NOT NULL,          -- how often it was asked
    PRIMARY KEY (key_hash, receipt)
);
CREATE INDEX held_receipt ON held (receipt);
-- Measures a flood, as receipts_quarantined does.
CREATE INDEX receipts_held ON receipts (token, size) WHERE status = 'held';

-- The look at a connection's bookings at its provider that is going on, or else the last one.
CREATE TABLE looks (
    connection  TEXT PRIMARY KEY,       -- con_...
    reason      TEXT NOT NULL,          -- why: gap, schedule, asked
    since       INTEGER NOT NULL,       -- changes from then on are looked for
    page        TEXT,                   -- the provider's name for the next page; NULL: the first
    begun_at    INTEGER NOT NULL,       -- when it began
    finished_at INTEGER,                -- when it ended; NULL: it is going on
    seen        INTEGER NOT NULL,       -- bookings looked at
    total       INTEGER,                -- how many there are, if the provider says so
    missed      INTEGER NOT NULL,       -- events that were missing
    waiting     INTEGER NOT NULL,       -- bookings left out because a call about them is held
    unread      INTEGER NOT NULL,       -- bookings that the plugin could not read
    error       TEXT,                   -- why it could not go on at the last attempt
    covered     INTEGER NOT NULL        -- all that happened there before is known here
);
