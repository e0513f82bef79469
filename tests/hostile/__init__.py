"""Input that is wrong: what a stranger, a broken client or a forger may send, and what must come of it."""
