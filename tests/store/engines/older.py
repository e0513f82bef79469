"""Databases as earlier gateways left them: their schema, and in each of its tables what they wrote there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import apsw
import msgspec
import psycopg

from gateway.sealing import KeyRing
from gateway.store.configuration import CANARY
from gateway.store.engines import sqlite_file
from gateway.store.engines.postgres_tx import in_its_words
from gateway.store.engines.postgres_tx import text as in_places
from gateway.store.ids import key_hash
from gateway.store.statements import Statement, migrations
from tests.postgres import new_database
from tests.store.samples import DATABASES, KEYS, START, digest

KEY = "meetergo:con_1:b1"
RING = KeyRing.parse(KEYS)
Rows = list[dict[str, Any]]


class Older(Protocol):
    """A database that is looked at beside the store."""

    def migrate(self, version: int) -> None:
        """Run the first so many steps."""

    def run(self, text: str, values: Mapping[str, Any]) -> None:
        """Run a statement; values are `:name`."""

    def rows(self, table: str) -> Rows: ...
    def tables(self) -> list[str]: ...
    def catalogue(self) -> list[Any]:
        """List everything that the schema is made of."""

    def close(self) -> None: ...


class OlderSqlite:
    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._path = directory / sqlite_file.FILE
        new = not self._path.exists()
        self._path.touch()
        self._db = sqlite_file.connect(self._path)
        if new:
            self._db.pragma("application_id", sqlite_file.APPLICATION)

    def migrate(self, version: int) -> None:
        for number, step in enumerate(migrations()[:version], start=1):
            self._db.execute(step)
            self._db.pragma("user_version", number)

    def run(self, text: str, values: Mapping[str, Any]) -> None:
        self._db.execute(text, values)

    def rows(self, table: str) -> Rows:
        cursor = self._db.execute(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608 -- of our own schema
        return _named([name for name, _ in _description(cursor)], cursor.fetchall())

    def tables(self) -> list[str]:
        return [name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def catalogue(self) -> list[Any]:
        made = self._db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        return [*made, self._db.pragma("user_version")]

    def close(self) -> None:
        self._db.close()


class OlderPostgres:
    def __init__(self, directory: Path) -> None:
        self._db = psycopg.connect(DATABASES[directory], autocommit=True)

    def migrate(self, version: int) -> None:
        if version:
            self._db.execute("CREATE TABLE schema_version (version BIGINT NOT NULL)")
        for number, step in enumerate(migrations("postgres")[:version], start=1):
            self._db.execute(in_its_words(step).encode())
            self._db.execute("INSERT INTO schema_version VALUES (%s)", [number])

    def run(self, text: str, values: Mapping[str, Any]) -> None:
        self._db.execute(in_places(Statement("older", text)), values)

    def rows(self, table: str) -> Rows:
        cursor = self._db.execute(f"SELECT * FROM {table} ORDER BY 1, 2".encode())  # noqa: S608 -- of our own schema
        return _named([column.name for column in cursor.description or ()], cursor.fetchall())

    def tables(self) -> list[str]:
        found = self._db.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return [name for (name,) in found if name != "schema_version"]

    def catalogue(self) -> list[Any]:
        return [self._db.execute(query.encode()).fetchall() for query in _CATALOGUE.split(";")]

    def close(self) -> None:
        self._db.close()


_CATALOGUE = """
SELECT max(version) FROM schema_version;

SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, is_identity
  FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3;

SELECT relname, relkind, reloptions FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1;

SELECT relname, attname, attstorage FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2;

SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1;

SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2;

SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1;

SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
 WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal ORDER BY 1;

SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1
"""


def _description(cursor: apsw.Cursor) -> tuple[tuple[str, str], ...]:
    try:
        return cursor.get_description()
    except apsw.ExecutionCompleteError:  # an empty table
        return ()


def _named(names: list[str], rows: list[Any]) -> Rows:
    return [dict(zip(names, row, strict=True)) for row in rows]


def at_version(engine: str, directory: Path, version: int) -> Older:
    """Make a database as the gateway with this schema version left it."""
    if engine == "postgres":
        DATABASES[directory] = new_database()
    made = look_into(engine, directory)
    made.migrate(version)
    if version:
        _fill(made, version)
    return made


def look_into(engine: str, directory: Path) -> Older:
    return OlderPostgres(directory) if engine == "postgres" else OlderSqlite(directory)


class Filling:
    """Write rows of one version after the other: each knows only what was new in it."""

    def __init__(self, database: Older) -> None:
        self._run = database.run

    def add(self, table: str, **values: Any) -> Self:
        names = ", ".join(values)
        places = ", ".join(f":{name}" for name in values)
        self._run(f"INSERT INTO {table} ({names}) VALUES ({places})", values)  # noqa: S608 -- of our own schema
        return self

    def change(self, table: str, **values: Any) -> Self:
        changes = ", ".join(f"{name} = :{name}" for name in values)
        self._run(f"UPDATE {table} SET {changes}", values)  # noqa: S608 -- of our own schema
        return self


def _fill(database: Older, version: int) -> None:
    filling = Filling(database)
    if version == 1:
        filling.change("head", sealed=RING.seal(CANARY, b"head"))
    for fill in (_first, _second, _third, _fourth)[:version]:
        fill(filling)


def _first(to: Filling) -> None:
    """Two receipts, two events, and a delivery in each status."""
    to.change(
        "head",
        seq=2,
        receipt=2,
        delivery=3,
        config_version=4,
        known_receipt=2,
        known_event=2,
        clock=START - 1000,
        understood=1,
        quarantined=1,
        duplicates=3,
    )
    for number, status, reason in ((1, "understood", None), (2, "quarantined", "data.start: not a time")):
        name = digest("receipt", number)[:16]
        to.add(
            "receipts",
            number=number,
            digest=name,
            status=status,
            reason=reason,
            connection="con_1",
            token="url_1",
            proof="signature",
            received_at=START - 5000 + number,
            size=100,
            sha256=digest("body", number),
            events=digest("event", 1)[:20] if number == 1 else None,
        )
        to.add("inbound", receipt=number, sealed=RING.seal(b"inbound %d" % number, b"inbound:" + name))
        to.add("known", key=name, number=number)
    for seq, receipt, key in ((1, 1, KEY), (2, None, None)):
        name = digest("event", seq)[:20]
        to.add(
            "events",
            seq=seq,
            key_hash=key and key_hash(key),
            id=name,
            type="booking.scheduled",
            provider="meetergo",
            connection="con_1",
            key=key,
            timestamp=START - 60_000,
            receipt=receipt,
            data_digest=digest("data", seq),
            live=1,
        )
        to.add("bodies", event=seq, sealed=RING.seal(b'{"event":%d}' % seq, b"bodies:" + name))
        to.add("known", key=name, number=seq)
    for number, (destination, event, status, attempt) in enumerate(
        ((1, 1, "delivered", 1), (1, 2, "pending", 0), (2, 1, "dead", 2)), start=1
    ):
        to.add(
            "deliveries",
            number=number,
            destination=destination,
            event=event,
            key_hash=key_hash(KEY) if event == 1 else None,
            position=number,
            status=status,
            due=START - 4000,
            attempt=attempt,
            earlier=0,
            created_at=START - 4000,
            finished_at=None if status == "pending" else START - 3000,
        )
        to.add("tally", destination=destination, status=status, amount=1)
    to.add("attempts", delivery=1, number=1, started_at=START - 3500, duration_ms=7, status=200, error=None)
    for number in (1, 2):
        to.add("attempts", delivery=3, number=number, started_at=START, duration_ms=9, status=None, error="timed out")
    _configure(to)


def _configure(to: Filling) -> None:
    to.add(
        "connections",
        id="con_1",
        version=3,
        status="active",
        last_received_at=START - 5000,
        sealed=_sealed("connections:con_1", id="con_1", provider="meetergo", name="mine", created_at=START - 90_000),
    )
    for number in (1, 2):
        name = f"dst_{number}"
        url = f"https://{name}.example"
        said = {"id": name, "name": name, "url": url, "secrets": [{"secret": "whsec_x"}], "created_at": START - 80_000}
        seal = _sealed(f"destinations:{name}", **said)
        to.add("destinations", number=number, id=name, version=1, paused=0, removed_at=None, sealed=seal)
    spoken = {"id": "key_1", "name": "first", "digest": b"d" * 32, "scopes": ["admin"], "created_at": START}
    to.add("keys", id="key_1", sealed=_sealed("keys:key_1", **spoken))
    to.add("tokens", id="url_1", sealed=_sealed("tokens:url_1", id="url_1", token="t" * 32, created_at=START))


def _second(to: Filling) -> None:
    """When events were accepted, an erasure that is done, a change of seals, and who did something."""
    to.add("seals", key=RING.newest, sealed=RING.seal(CANARY, b"head"))
    to.change("events", accepted_at=START - 4000)
    counts = {"last_receipt": 2, "last_event": 2, "receipt": 2, "event": 2}
    found = {"receipts": 0, "quarantined": 0, "events": 0, "deliveries": 0}
    to.add("erasures", id="ers_1", sealed=None, begun_at=START - 2000, finished_at=START - 1000, **counts, **found)
    when = {"begun_at": START - 2000, "finished_at": START - 1000}
    to.add("resealing", one=1, key=RING.newest, **when, **counts, resealed=9, broken=0)
    to.add("audit", number=1, at=START - 2000, key="key_1", action="erase", object="ers_1")


def _third(to: Filling) -> None:
    """A call that waits for its provider's answer, and a look at its bookings."""
    name = digest("receipt", 3)[:16]
    to.change("head", receipt=3, held=1, known_receipt=3)
    to.add(
        "receipts",
        number=3,
        digest=name,
        status="held",
        reason=None,
        connection="con_1",
        token="url_1",
        proof="token",
        received_at=START - 900,
        size=100,
        sha256=digest("body", 3),
        events=None,
    )
    to.add("inbound", receipt=3, sealed=RING.seal(b"inbound 3", b"inbound:" + name))
    to.add("known", key=name, number=3)
    to.add("held", receipt=3, key_hash=key_hash(KEY), due=START - 500, attempt=2)
    to.add(
        "looks",
        connection="con_1",
        reason="schedule",
        since=START - 70_000,
        page=None,
        begun_at=START - 800,
        finished_at=START - 700,
        seen=5,
        total=5,
        missed=1,
        waiting=1,
        unread=0,
        error=None,
        covered=START - 800,
    )


def _fourth(to: Filling) -> None:
    """A destination that takes nothing."""
    to.change("destinations", failing_since=START - 3000, failed_at=START)


def _sealed(about: str, **said: Any) -> bytes:
    return RING.seal(msgspec.json.encode(said), about.encode())
