"""What the operator set up: connections, destinations, keys, tokens. Few rows, sealed whole, read whole.

A row that cannot be opened is left out, so that it takes no other with it; `damaged` names it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.errors import ConfigurationError
from gateway.sealing import KeyRing, SealBroken
from gateway.store.engines.engine import Row, Tx
from gateway.store.model import Connection, Damaged, Destination, Key, Token, VersionConflict
from gateway.store.statements import Statement, load

T = TypeVar("T", Connection, Destination, Key, Token)
CANARY = b"booking-webhook-gateway"
_sql = load("configuration")


class Changed(Struct, frozen=True):
    """What a change answers, and the configuration's version after it."""

    answer: Any
    version: int


class Configuration:
    """The rows and their seals. Every change grows `head.config_version`, in its own transaction."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    # --- reading ---------------------------------------------------------------------------------------------------

    def connections(self, tx: Tx) -> list[Connection]:
        opened = self._opened(Connection, tx.run(_sql.connections))
        return [replace(each, version=row[1], status=row[2]) for row, each in opened]

    def destinations(self, tx: Tx) -> list[Destination]:
        opened = self._opened(Destination, tx.run(_sql.destinations))
        return [
            replace(each, number=row[1], version=row[2], paused=bool(row[3]), failing_since=row[4])
            for row, each in opened
        ]

    def keys(self, tx: Tx) -> list[Key]:
        return [each for _, each in self._opened(Key, tx.run(_sql.keys))]

    def tokens(self, tx: Tx) -> list[Token]:
        return [each for _, each in self._opened(Token, tx.run(_sql.tokens))]

    def damaged(self, tx: Tx) -> list[Damaged]:
        """Name the rows that cannot be opened."""
        found = [Damaged(kind="connection", id=name) for name in self._closed(Connection, tx.run(_sql.connections))]
        found += [Damaged(kind="destination", id=name) for name in self._closed(Destination, tx.run(_sql.destinations))]
        found += [Damaged(kind="key", id=name) for name in self._closed(Key, tx.run(_sql.keys))]
        found += [Damaged(kind="token", id=name) for name in self._closed(Token, tx.run(_sql.tokens))]
        return found

    # --- changing: jobs --------------------------------------------------------------------------------------------

    def put_connection(self, tx: Tx, items: Sequence[Connection]) -> list[Changed | Exception]:
        return [self._put_connection(tx, item) for item in items]

    def put_destination(self, tx: Tx, items: Sequence[Destination]) -> list[Changed | Exception]:
        return [self._put_destination(tx, item) for item in items]

    def put_key(self, tx: Tx, items: Sequence[Key]) -> list[Changed]:
        return [self._put(tx, _sql.put_key, item) for item in items]

    def put_token(self, tx: Tx, items: Sequence[Token]) -> list[Changed]:
        return [self._put(tx, _sql.put_token, item) for item in items]

    def remove_connection(self, tx: Tx, items: Sequence[str]) -> list[Changed]:
        return [_remove(tx, _sql.remove_connection, id=item) for item in items]

    def remove_destination(self, tx: Tx, items: Sequence[tuple[str, int]]) -> list[Changed]:
        """Take a destination (id, and when) out of use; answer its number. Its deliveries are the queue's business."""
        return [_remove(tx, _sql.remove_destination, id=item, now=now) for item, now in items]

    def remove_key(self, tx: Tx, items: Sequence[str]) -> list[Changed]:
        return [_remove(tx, _sql.remove_key, id=item) for item in items]

    def remove_token(self, tx: Tx, items: Sequence[str]) -> list[Changed]:
        return [_remove(tx, _sql.remove_token, id=item) for item in items]

    # --- how -------------------------------------------------------------------------------------------------------

    def _put_connection(self, tx: Tx, item: Connection) -> Changed | Exception:
        sealed = self._seal(item)
        if item.version:
            rows = tx.run(_sql.change_connection, status=item.status, sealed=sealed, id=item.id, version=item.version)
        else:
            rows = tx.run(_sql.add_connection, id=item.id, status=item.status, sealed=sealed)
        if not rows:
            return VersionConflict(f"{item.id} was changed by somebody else")
        return Changed(replace(item, version=rows[0][0]), bump(tx))

    def _put_destination(self, tx: Tx, item: Destination) -> Changed | Exception:
        item = replace(item, failing_since=None)
        sealed = self._seal(item)
        paused = int(item.paused)
        if item.version:
            rows = tx.run(_sql.change_destination, paused=paused, sealed=sealed, id=item.id, version=item.version)
        else:
            rows = tx.run(_sql.add_destination, id=item.id, paused=paused, sealed=sealed)
        if not rows:
            return VersionConflict(f"{item.id} was changed by somebody else")
        number, version = rows[0]
        return Changed(replace(item, number=number, version=version), bump(tx))

    def _put(self, tx: Tx, statement: Statement, item: Key | Token) -> Changed:
        tx.run(statement, id=item.id, sealed=self._seal(item))
        return Changed(None, bump(tx))

    def _seal(self, item: Connection | Destination | Key | Token) -> bytes:
        return self._keys.seal(msgspec.json.encode(item), _about(type(item), item.id))

    def _opened(self, kind: type[T], rows: Sequence[Row]) -> Iterator[tuple[Row, T]]:
        for row in rows:
            if (each := self._open(kind, row)) is not None:
                yield row, each

    def _closed(self, kind: type[T], rows: Sequence[Row]) -> Iterator[str]:
        return (row[0] for row in rows if self._open(kind, row) is None)

    def _open(self, kind: type[T], row: Row) -> T | None:
        """Open a row that starts with its id and ends with its sealed column; None when that was changed."""
        try:
            return msgspec.json.decode(self._keys.unseal(row[-1], _about(kind, row[0])), type=kind)
        except SealBroken:
            return None

    # --- at a start ------------------------------------------------------------------------------------------------

    def check_keys(self, tx: Tx) -> None:
        """Refuse keys that cannot open all that is sealed here."""
        for _, sealed in tx.run(_sql.seals):
            self._try_canary(sealed)
        mark_key(tx, self._keys)

    def recognise_copy(self, tx: Tx) -> bool:
        """Ask for a repair of every connection, if this file is a backup that is started for the first time.

        What is registered at the providers may have changed since it was made, and another gateway may still be there.
        """
        if not tx.run(_sql.is_copy)[0][0]:
            return False
        kept = [connection for connection in self.connections(tx) if connection.status != "removing"]
        self.put_connection(tx, [replace(each, status="needs_repair", restored=True) for each in kept])
        tx.run(_sql.is_no_copy)
        return True

    def _try_canary(self, sealed: bytes) -> None:
        try:
            self._keys.unseal(sealed, b"head")
        except SealBroken as error:
            raise ConfigurationError(
                "GATEWAY_SECRET_KEYS (or the key file) does not hold every key that this database is sealed with"
            ) from error


def _about(kind: type, row: str) -> bytes:
    return f"{kind.__name__.lower()}s:{row}".encode()


def _remove(tx: Tx, statement: Statement, **values: Any) -> Changed:
    rows = tx.run(statement, **values)
    return Changed(rows[0][0] if rows else None, bump(tx))


def mark_key(tx: Tx, keys: KeyRing) -> None:
    """Write down that the newest key is in use: without it nobody opens this database any more."""
    tx.run(_sql.add_seal, key=keys.newest, sealed=keys.seal(CANARY, b"head"))


def config_version(tx: Tx) -> int:
    version: int = tx.run(_sql.config_version)[0][0]
    return version


def bump(tx: Tx) -> int:
    version: int = tx.run(_sql.bump)[0][0]
    return version
