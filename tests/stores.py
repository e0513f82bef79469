"""Which store the tests run on: the embedded one, or with `pytest --store postgres` PostgreSQL.

A directory stands for a store. Every test that opens one, or starts the program, names a directory and asks here what
goes with it; on PostgreSQL that is a database of its own, brought up beforehand, which goes when the test is over.
"""

import time
from pathlib import Path

import psycopg

from gateway.sealing import new_url_token
from tests import postgres

STORES = ("sqlite", "postgres")
KEYS = new_url_token()
"""What programs on PostgreSQL seal with: there it is set, not made."""

DATABASES: dict[Path, str] = {}
"""URLs of databases in PostgreSQL, by the directory that stands for them."""
_chosen = "sqlite"


def choose(store: str) -> None:
    """Say it once, before the first test."""
    global _chosen  # noqa: PLW0603 -- one choice for the whole run
    _chosen = store


def chosen() -> str:
    return _chosen


def database_url(directory: Path) -> str | None:
    """Name the database that a directory stands for; None is the embedded one in it."""
    if _chosen == "postgres" and directory not in DATABASES:
        put_on_postgres(directory)
    return DATABASES.get(directory)


def put_on_postgres(directory: Path) -> None:
    """Let a directory stand for a database in PostgreSQL, whatever was chosen."""
    DATABASES[directory] = postgres.migrated_database()


def environment(directory: Path) -> dict[str, str]:
    """Make the settings by which a program uses the store of a directory."""
    place = {"GATEWAY_DATA_DIR": str(directory)}
    url = database_url(directory)
    return place if url is None else place | {"GATEWAY_DATABASE_URL": url, "GATEWAY_SECRET_KEYS": KEYS}


def contents(directory: Path) -> dict[str, bytes]:
    """Read all that PostgreSQL keeps for a directory, and its log; the embedded store's files lie there."""
    url = database_url(directory)
    return {} if url is None else postgres.contents(url)


def let_leases_end(directory: Path) -> None:
    """Let the time go by for which what a killed process claimed is kept for it; the embedded store does not wait."""
    url = database_url(directory)
    if url is not None:
        with psycopg.connect(url) as db:
            db.execute("UPDATE deliveries SET due = least(due, %s) WHERE status = 'pending'", [time.time_ns() // 10**6])


def drop_below(folder: Path) -> None:
    """Drop the databases of all directories there."""
    postgres.drop([DATABASES.pop(each) for each in list(DATABASES) if each.is_relative_to(folder)])
