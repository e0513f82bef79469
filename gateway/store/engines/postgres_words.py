"""What went wrong in PostgreSQL, in one line: what to do where that is known, and never what a row holds."""

import psycopg

_TO_DO = {
    "25006": "it takes no writes: it is a replica, or default_transaction_read_only is on",
    "42501": "the user may not: make it the owner of the database, or GRANT USAGE, CREATE ON SCHEMA public",
    "53100": "the disk of the server is full",
}


def said(error: Exception) -> str:
    """Name what went wrong, in one line. The server's own words may quote a row."""
    state = getattr(error, "sqlstate", None)
    if state:
        name = f"{type(error).__name__} ({state})"
        return f"{name}: {_TO_DO[state]}" if state in _TO_DO else name
    if isinstance(error, psycopg.ProgrammingError):  # its words may quote a part of the password
        return "the URL cannot be read: an option after its ? is none, or the password needs a character as %XX"
    lines = str(error).strip().splitlines() if isinstance(error, psycopg.OperationalError) else []
    return lines[0].strip() if lines else type(error).__name__
