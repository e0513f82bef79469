"""The clock behind it all: what is looked at when, who is asked less often, and who fell silent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.errors import ApiUnavailable, CredentialRefused, StoreUnavailable
from gateway.registration.rotate import RotateRequest
from gateway.registration.silence import HOUR_MS, NEW_MS
from gateway.store.model import Connection
from tests.registration.conftest import Bench, bench
from tests.registration.vendors import Office
from tests.store.samples import HandClock, receipt


@pytest.fixture
def time() -> HandClock:
    return HandClock()


@pytest.fixture
async def desk(tmp_path: Path, office: Office, time: HandClock) -> AsyncIterator[Bench]:
    async with bench(tmp_path, office, clock=time) as made:
        yield made


async def hears(desk: Bench, made: Connection, time: HandClock, *, every: int, times: int) -> None:
    """Have a connection be called, so many milliseconds apart."""
    for number in range(times):
        time.at += every
        call = receipt(time.at + number, connection=made.id, received_at=time.at)
        await desk.store.accept(call, [])


@contextlib.asynccontextmanager
async def watching(desk: Bench) -> AsyncIterator[None]:
    """Let the watch run for as long as the block does."""
    work = asyncio.create_task(desk.watch.run())
    try:
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def test_it_looks_at_once_and_again_and_puts_right_what_it_finds(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.hooks.clear()
    async with watching(desk):
        while not desk.ours():
            await desk.store.changed(1.0)
        desk.office.hooks.clear()
        while not desk.ours():
            await desk.store.changed(1.0)
    assert (await desk.row(made.id)).status == "waiting"


async def test_after_the_process_was_down_what_was_missed_is_looked_for_since_the_latest_sign_of_life(
    desk: Bench, time: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = await desk.connect("plain"), await desk.connect("signing")
    await hears(desk, made, time, every=1000, times=1)
    heard, asked = time.at, []

    async def missed(connection_id: str) -> None:
        asked.append((connection_id, (await desk.row(connection_id)).missed_since))

    monkeypatch.setattr(desk.registrar.ways, "bookings", lambda row: row if row.provider == "plain" else None)
    monkeypatch.setattr(desk.registrar.repairs, "missed", missed)
    time.at += 60_000
    async with watching(desk):
        while not asked:
            await desk.store.changed(1.0)
    assert asked == [(made.id, heard)]
    assert (await desk.row(other.id)).missed_since is None, "nobody can be asked"


async def test_a_webhook_that_was_gone_is_a_gap_since_it_was_last_seen(
    desk: Bench, time: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await desk.connect("plain")
    monkeypatch.setattr(desk.registrar.ways, "bookings", lambda row: row)
    time.at += 60_000
    await desk.watch.round()
    seen = time.at
    time.at += 60_000
    desk.office.hooks.clear()
    await desk.watch.round()
    assert (await desk.row(made.id)).missed_since == seen


async def test_woken_it_does_not_wait(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.watch._interval = 3600.0
    async with watching(desk):
        while not desk.registrar.repairs.checked:  # noqa: ASYNC110 -- it is not told when it has looked
            await asyncio.sleep(0)
        desk.office.hooks.clear()
        desk.registrar.wake(made.id)
        while not desk.ours():
            await desk.store.changed(1.0)


async def test_a_provider_that_fails_is_asked_less_and_less_often_and_at_once_when_something_changed(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await desk.connect("signing")
    now = asyncio.get_running_loop().time()
    clock = {"now": now}
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock["now"])
    desk.watch._interval = 100.0
    desk.office.fails["list"] = [ApiUnavailable("down", status=503)] * 50
    asked = []
    for second in range(0, 3000, 50):
        clock["now"] = now + second
        before = len(desk.office.asked)
        await desk.watch.round()
        asked += [second] * (len(desk.office.asked) - before)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == sorted(pauses)
    assert 100 <= pauses[0] < pauses[-1]
    desk.watch.wake(made.id)
    before = len(desk.office.asked)
    await desk.watch.round()
    assert len(desk.office.asked) == before + 1


async def test_a_provider_that_says_when_to_come_back_is_not_asked_before(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.connect("signing")
    now = asyncio.get_running_loop().time()
    desk.office.fails["list"] = [ApiUnavailable("slow down", status=429, retry_after=600)]
    await desk.watch.round()
    for later, asked in ((590, 1), (610, 2)):
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda later=later: now + later)
        await desk.watch.round()
        assert desk.office.asked.count("list") == asked


async def test_one_provider_that_fails_does_not_keep_the_others_waiting(desk: Bench) -> None:
    one, two = await desk.connect("signing"), await desk.connect("plain")
    desk.office.hooks.clear()
    desk.office.fails["list"] = [CredentialRefused("no", status=401)]
    await desk.watch.round()
    assert sorted([(await desk.row(made.id)).status for made in (one, two)]) == ["broken", "waiting"]
    assert len(desk.ours()) == 1


async def test_trouble_with_the_store_ends_the_round_and_is_told_to_whoever_runs_it(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.connect("signing")
    desk.office.hooks.clear()

    async def full(*_: Any) -> Any:
        raise StoreUnavailable("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "put_connection", full)
        with pytest.raises(StoreUnavailable):
            await desk.watch.round()
    await desk.watch.round()
    assert len(desk.ours()) == 1


async def test_what_is_removed_meanwhile_is_no_trouble(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await desk.connect("signing")
    list_hooks = desk.office.list

    async def slow(http: Any) -> Any:
        found = await list_hooks(http)
        await desk.store.remove_connection(made.id)
        return [] if found else found

    monkeypatch.setattr(desk.office, "list", slow)
    await desk.watch.round()
    assert await desk.rows() == []
    assert list(desk.office.hooks) == ["hook-1"], "nothing is made for a connection that is gone"


# --- silence -------------------------------------------------------------------------------------------------------


async def test_a_connection_is_silent_after_longer_than_its_own_longest_pause_and_speaks_again(
    desk: Bench, time: HandClock
) -> None:
    made = await desk.connect("plain")
    await hears(desk, made, time, every=8 * HOUR_MS, times=30)
    await desk.watch.round()
    assert (await desk.row(made.id)).silent_since is None
    last = time.at
    time.at += 13 * HOUR_MS
    await desk.watch.round()
    assert (await desk.row(made.id)).silent_since == last
    await desk.watch.round()
    await hears(desk, made, time, every=1000, times=1)
    await desk.watch.round()
    assert (await desk.row(made.id)).silent_since is None
    assert [event.data.silent for event in await desk.told()] == [True, False]  # type: ignore[union-attr]


async def test_a_connection_without_a_history_is_not_called_silent(desk: Bench, time: HandClock) -> None:
    made = await desk.connect("plain")
    await hears(desk, made, time, every=1000, times=3)
    time.at += 10 * NEW_MS
    await desk.watch.round()
    assert (await desk.row(made.id)).silent_since is None


async def test_the_operators_own_limit_counts(tmp_path: Path, office: Office, time: HandClock) -> None:
    async with bench(tmp_path, office, clock=time, silent_after=60.0) as desk:
        made = await desk.connect("pasted")
        never = await desk.connect("signing")
        await hears(desk, made, time, every=1000, times=1)
        time.at += 61_000
        await desk.watch.round()
        assert (await desk.row(made.id)).silent_since is not None
        assert (await desk.row(never.id)).silent_since is None, "it waits for its first call"


# --- refused calls -------------------------------------------------------------------------------------------------


async def test_refused_calls_are_added_up_in_the_row_a_whole_interval_in_one_write(desk: Bench) -> None:
    made = await desk.connect("signing")
    for _ in range(3):
        desk.refusals.add((made.id, "con_gone"))
    await desk.watch.round()
    row = await desk.row(made.id)
    assert (row.rejected, row.last_rejected_at is not None, desk.refusals.pending()) == (3, True, {})
    await desk.watch.round()
    assert await desk.row(made.id) == row, "nothing new, nothing written"
    desk.refusals.add((made.id,))
    async with watching(desk):
        await asyncio.sleep(0)
    assert (await desk.row(made.id)).rejected == 4


async def test_a_process_that_does_not_watch_notes_what_only_it_knows(desk: Bench, time: HandClock) -> None:
    made = await desk.connect("pasted", own_url=True)
    old = desk.inboxes.url_of(made).rpartition("/")[2]
    await desk.registrar.rotation.rotate(made.id, RotateRequest())
    time.at += 1000
    assert desk.inboxes.by_token(old) is not None  # a call
    desk.refusals.add((made.id,))
    work = asyncio.create_task(desk.watch.run_notes())
    while (await desk.row(made.id)).rejected == 0:
        await desk.store.changed(1.0)
    work.cancel()
    (replaced,) = (await desk.row(made.id)).replaced
    assert replaced.heard_at == time.at
    assert desk.office.asked == []
