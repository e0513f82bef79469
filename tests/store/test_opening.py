"""Who may open a database, and what lies in it: a file that is not right is refused, never replaced."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.contract.errors import ConfigurationError
from gateway.store.engines import sqlite_file
from gateway.store.model import Destination, Key, SigningSecret, Token
from gateway.store.statements import migrations
from gateway.store.store import Store
from tests.store.inside import contents, execute, modes, pragma
from tests.store.samples import KEYS, OTHER_KEYS, START, accept, connection, event, open_store, receipt, subscribe

FILE = sqlite_file.FILE
CANARY = b"canary-in-a-coal-mine"


async def test_files_are_their_owner_s_alone(data_dir: Path) -> None:
    before = os.umask(0)
    try:
        store = await open_store(data_dir)
        await accept(store, 1)
    finally:
        os.umask(before)

    files = ("gateway.db", "gateway.db-wal", "gateway.db-shm", "gateway.lock")
    assert modes(data_dir) == {data_dir.name: 0o700, **dict.fromkeys(files, 0o600)}
    await store.close()


pytestmark = pytest.mark.embedded

OPEN = """
import asyncio, sys
from pathlib import Path
from tests.store.samples import open_store
asyncio.run(open_store(Path(sys.argv[1])))
"""


async def test_a_second_process_is_refused_by_the_directory_s_name(store: Store, data_dir: Path) -> None:
    second = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", OPEN, str(data_dir)], capture_output=True, text=True, check=False
    )

    assert second.returncode == 1
    last = second.stderr.strip().splitlines()[-1]
    assert last.endswith(f"ConfigurationError: GATEWAY_DATA_DIR: {data_dir} is in use by another gateway process")
    assert (await accept(store, 1)).status == "accepted"


async def test_a_directory_that_cannot_be_written_is_named() -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_DATA_DIR"):
        await open_store(Path("/proc/nowhere"))


async def test_a_full_disk_is_named_when_a_database_cannot_be_opened(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data_dir / FILE).mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"cannot be opened: [^;]+$"):
        await open_store(data_dir)
    monkeypatch.setattr(sqlite_file, "LEAST_ROOM", 1 << 80)  # bytes: no disk has them
    with pytest.raises(ConfigurationError, match=r"cannot be opened: .+; the disk is full$"):
        await open_store(data_dir)


async def test_keys_that_did_not_seal_it_are_refused(data_dir: Path) -> None:
    await (await open_store(data_dir)).close()

    with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_KEYS"):
        await open_store(data_dir, keys=OTHER_KEYS)
    await (await open_store(data_dir, keys=f"{OTHER_KEYS},{KEYS}")).close()


async def test_a_database_of_a_newer_gateway_is_refused(data_dir: Path) -> None:
    store = await open_store(data_dir)
    await pragma(store, "user_version", len(migrations()) + 1)
    await store.close()

    with pytest.raises(ConfigurationError, match="newer gateway"):
        await open_store(data_dir)


def garbage(_: bytes) -> bytes:
    return b"not a database" * 1000


def emptied(_: bytes) -> bytes:
    return b""


def cut_short(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def overwritten(whole: bytes) -> bytes:
    return whole[:4096] + b"\xff" * 8192 + whole[12288:]


def somebody_elses(whole: bytes) -> bytes:
    return whole[:68] + b"\0\0\0\0" + whole[72:]


@pytest.mark.parametrize("thorough", [True, False])
@pytest.mark.parametrize("damage", [garbage, emptied, cut_short, overwritten, somebody_elses])
async def test_a_file_that_is_not_right_is_refused_and_left_alone(
    data_dir: Path, damage: Callable[[bytes], bytes], thorough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "THOROUGH", 1 << 40 if thorough else 0)
    store = await open_store(data_dir)
    for number in range(50):
        await accept(store, number)
    await store.close()
    damaged = damage((data_dir / FILE).read_bytes())
    (data_dir / FILE).write_bytes(damaged)

    with pytest.raises(ConfigurationError, match=FILE):
        await open_store(data_dir)
    assert contents(data_dir)[FILE] == damaged


async def test_a_missing_database_whose_log_is_there_is_not_replaced(data_dir: Path) -> None:
    await (await open_store(data_dir)).close()
    rename(data_dir / FILE, f"{FILE}-wal")

    with pytest.raises(ConfigurationError, match="restore it"):
        await open_store(data_dir)
    assert FILE not in contents(data_dir)


def rename(path: Path, name: str) -> None:
    path.rename(path.with_name(name))


async def test_what_a_dead_process_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "gateway.lock").write_text("4711")
    (tmp_path / "gateway.db.new").write_bytes(b"a first start that was cut off")
    store = await open_store(tmp_path)

    assert (await accept(store, 1)).status == "accepted"
    await store.close()


# --- what lies in it -----------------------------------------------------------------------------------------------


async def test_nothing_secret_or_personal_lies_open_on_disk(data_dir: Path) -> None:
    store = await open_store(data_dir)
    text = CANARY.decode()
    writes: list[Callable[[], Awaitable[object]]] = [
        lambda: store.put_connection(
            connection(credentials={"api_key": text}, secrets=(text,), token=text, settings={"user": text})
        ),
        lambda: store.put_destination(
            Destination(
                id="dst_1",
                name="n",
                url="https://x.example",
                headers={"authorization": text},
                secrets=(SigningSecret(secret=text),),
                created_at=START,
            )
        ),
        lambda: store.put_token(Token(id="url_1", token=text, created_at=START)),
        lambda: store.put_key(Key(id="key_1", name=text, digest=b"d" * 32, scopes=("admin",), created_at=START)),
        lambda: store.accept(receipt(1, inbound=CANARY), [event(1, body=CANARY)]),
    ]
    for write in writes:
        await write()
    running = contents(data_dir)
    await store.close()

    assert len(running[f"{FILE}-wal"]) > 8192
    for files in (running, contents(data_dir)):
        assert [name for name, content in files.items() if CANARY in content] == []


async def test_sealed_bytes_belong_to_their_row_and_a_damaged_one_takes_no_other_with_it(store: Store) -> None:
    first, second = await accept(store, 1), await accept(store, 2)
    await execute(store, "UPDATE bodies SET sealed = (SELECT sealed FROM bodies WHERE event = 2) WHERE event = 1")

    found = await store.event(first.events[0])
    assert found is not None
    assert (found.gone, found.body) == ("damaged", b"")
    assert [each.id for each in await store.events()] == list(second.events)
    assert [each.id for each in await store.events(limit=1)] == list(second.events), "a short page would be the last"
    assert [each.id for each in await store.events(before=3, limit=2)] == list(second.events)


async def test_a_delivery_whose_bytes_are_broken_is_dead_and_holds_up_nothing(store: Store) -> None:
    await subscribe(store)
    await accept(store, 1, key="k")
    await accept(store, 2, key="k")
    await execute(store, "UPDATE bodies SET sealed = X'00' WHERE event = 1")

    assert await store.claim(1, 10, 45.0) == []
    (claimed,) = await store.claim(1, 10, 45.0)
    assert claimed.body == b'{"event":2}'
    (dead,) = await store.deliveries(status="dead")
    assert dead.last_error == "sealed with a key that is not in GATEWAY_SECRET_KEYS"
