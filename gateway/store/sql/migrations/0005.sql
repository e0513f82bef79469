-- A destination's rate holds for all gateways together: see gateway/store/slots.py.

-- First moment that nobody has taken to send at, in microseconds; where one process is alone it paces itself: 0.
ALTER TABLE destinations ADD COLUMN next_slot INTEGER NOT NULL DEFAULT 0;
