"""Bring a database of PostgreSQL's to the schema that this version knows, and refuse one that cannot be right."""

from collections.abc import Sequence
from typing import Any

import psycopg

from gateway.contract.errors import ConfigurationError
from gateway.store.engines import postgres_limits as limits
from gateway.store.engines.postgres_tx import in_its_words
from gateway.store.statements import migrations

Connection = psycopg.Connection[Any]

OLDEST = 140000
"""PostgreSQL 14."""
MIGRATOR = 0x62776731_0002
"""The advisory lock of whose turn it is to change the schema."""
_STRANGER = """
SELECT relname FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND relkind IN ('r', 'p')
AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND classid = 'pg_class'::regclass AND deptype = 'e')
ORDER BY relname LIMIT 1
"""


def bring_up(db: Connection, *, moving: bool = False) -> None:
    """Bring a database to what this version knows. Raises ConfigurationError; also for one that is being moved into."""
    check(db)
    if db.execute("SHOW in_hot_standby").fetchone() == ("on",):
        raise ConfigurationError(
            "GATEWAY_DATABASE_URL: this server is a replica that takes no writes: name all hosts, and"
            " target_session_attrs=read-write"
        )
    _migrate(db)
    (unfinished,) = db.execute("SELECT to_regclass('moving') IS NOT NULL").fetchone() or (False,)
    if unfinished and not moving:
        raise ConfigurationError(
            "GATEWAY_DATABASE_URL: moving into this database is not finished: run `gateway migrate --from ...` again"
        )


def check(db: Connection) -> None:
    """Refuse a server that is too old, or that says a commit is durable when it is not."""
    if db.info.server_version < OLDEST:
        raise ConfigurationError("GATEWAY_DATABASE_URL: PostgreSQL 14 or newer is needed")
    for name in ("fsync", "synchronous_commit"):
        row = db.execute(f"SHOW {name}".encode()).fetchone()
        if row is not None and row[0] == "off":
            raise ConfigurationError(
                f"GATEWAY_DATABASE_URL: the server runs with {name}=off: an answered call could be lost. Set it to on"
            )


def _migrate(db: Connection) -> None:
    """Bring the schema to what this version knows; one process at a time, each step in its own transaction."""
    known = migrations("postgres")
    try:
        while _step(db, known):
            pass
    except psycopg.errors.LockNotAvailable:
        raise ConfigurationError(
            "GATEWAY_DATABASE_URL: somebody's open transaction holds a table that has to change (pg_stat_activity shows"
            " whose): end it, then start again"
        ) from None


def _step(db: Connection, known: Sequence[str]) -> bool:
    """Go one step further; False when there is none left."""
    with db.transaction():
        db.execute(f"SELECT pg_advisory_xact_lock({MIGRATOR})".encode())
        refuse_strangers(db)
        db.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        version: int = db.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()[0][0]
        if version > len(known):
            raise ConfigurationError(
                f"GATEWAY_DATABASE_URL: the database has schema {version}, this gateway knows {len(known)}:"
                " start the newer gateway"
            )
        if version == len(known):
            return False
        # whoever waits for a table keeps all others from it
        db.execute(f"SET LOCAL lock_timeout = '{limits.STRANGERS_LOCK}'".encode())
        db.execute(in_its_words(known[version]).encode())
        db.execute("INSERT INTO schema_version VALUES (%s)", [version + 1])
    return True


def refuse_strangers(db: Connection) -> None:
    """Refuse a database without our schema that holds tables: they are another program's. Extensions may have some."""
    ours = db.execute("SELECT to_regclass('schema_version') IS NOT NULL AND to_regclass('head') IS NOT NULL").fetchone()
    if ours == (True,):
        return
    stranger = db.execute(_STRANGER.encode()).fetchone()
    if stranger is not None:
        raise ConfigurationError(
            f"GATEWAY_DATABASE_URL: the database holds another program's tables, such as {stranger[0]!r}:"
            " give the gateways a database of their own"
        )
