"""The real program: who is erased, what is too old, new keys and copies, also when it is killed half-way."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import urllib.error
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.sealing import new_url_token
from tests import stores
from tests.bench.load import drive, meeting, signed
from tests.faults.consumer import Got
from tests.faults.machine import Machine
from tests.faults.provider import SECRET
from tests.faults.world import World

ADA = "ada@example.com"
GRACE = "grace@example.com"
DAY_NS = 86_400 * 1_000_000_000


def body(address: str, booking: str | None = None) -> bytes:
    return meeting(booking or str(uuid.uuid4())).replace(ADA.encode(), address.encode())


async def tell(world: World, *bodies: bytes) -> None:
    """Have the provider call, all at once; every call must be kept."""
    url = world.provider._url
    figures = await drive(url, [signed(url, SECRET, each) for each in bodies], min(len(bodies), 16), b'"status"')
    assert figures.refused == 0


async def command(world: World, *arguments: str, stdin: str = "", status: int = 0) -> str:
    """Run a command on the machine where the gateway runs; what it printed."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "gateway", *arguments],
        env=ours | world.gateway.settings,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return str(done.stdout + done.stderr)


async def refused(world: World, path: str) -> tuple[int, Any]:
    try:
        await world.call("GET", path)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error).get("reason")
    return 200, None


async def until(world: World, holds: Callable[[list[dict[str, Any]]], bool]) -> None:
    """Wait until the log is what is waited for; raises TimeoutError."""
    async with asyncio.timeout(30):
        while not holds(await booked(world)):  # noqa: ASYNC110 -- it is another process that works
            await asyncio.sleep(0.1)


async def booked(world: World) -> list[dict[str, Any]]:
    """List the events that the provider caused; days without a call make one of the gateway's own."""
    return [event for event in (await world.answers()).events if event["type"].startswith("booking.")]


def addresses(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["booking"]["attendees"][0]["email"] for event in events]


# --- erasure -------------------------------------------------------------------------------------------------------


async def test_a_person_is_erased_by_one_command_and_stays_away(tmp_path: Path) -> None:
    async with World(tmp_path / "w", destinations=1) as world:
        bodies = [body(GRACE if number % 3 == 0 else ADA) for number in range(30)]
        await tell(world, *bodies)
        await world.drained()
        hers = [each["id"] for each in (await world.answers()).events if GRACE in json.dumps(each)]

        said = await command(world, "erase", "--email", "-", stdin=GRACE.upper())
        assert "10 events, the bytes of 10 calls" in said
        await tell(world, *bodies)

        assert addresses((await world.answers()).events) == [ADA] * 20
        assert {await refused(world, f"/v1/events/{event}") for event in hers} == {(410, "erased")}
        stats = await world.call("GET", "/v1/stats")
        assert (stats["events"], stats["receipts"]["duplicates"]) == (30, 30)
        assert GRACE not in world.gateway.log.read_text()


async def test_a_booking_erased_while_it_is_being_delivered_is_not_sent_again(tmp_path: Path) -> None:
    def slow(got: Got) -> tuple[int, float]:
        return (503, 1.0) if GRACE.encode() in got.body else (200, 0.0)

    async with World(tmp_path / "w", destinations=1, GATEWAY_RETRY_SCHEDULE="1,1,1,1") as world:
        world.consumer.answer = slow
        await tell(world, body(GRACE, "b1"))
        await world.consumer.until(lambda got: len(got) == 1)
        (event,) = (await world.answers()).events
        await world.call("POST", "/v1/erase", {"booking": event["key"]})
        await tell(world, meeting("b1", "meetingCancelled"))  # a new fact of the same booking is not held up
        await world.drained(30)

        assert [GRACE.encode() in got.body for got in world.consumer.got] == [True, False]
        statuses = {each["event"]: each["status"] for each in (await world.answers()).deliveries}
        assert statuses.pop(event["id"]) == "skipped"
        assert set(statuses.values()) == {"delivered"}


async def test_an_erasure_goes_on_when_the_process_was_killed_in_it(tmp_path: Path) -> None:
    rng = random.Random(3)  # noqa: S311 -- a repeatable choice of moments
    async with World(tmp_path / "w", destinations=1) as world:
        await tell(world, *(body(GRACE if number % 2 else ADA) for number in range(2000)))
        asking = asyncio.create_task(asyncio.to_thread(erase, world))
        await asyncio.sleep(rng.uniform(0.05, 0.2))
        await world.kill()
        await asyncio.gather(asking, return_exceptions=True)
        for _ in range(3):
            await world.start()
            await asyncio.sleep(rng.uniform(0.0, 0.1))
            await world.kill()
        await world.start()
        await until(world, lambda events: GRACE not in addresses(events))
        assert len((await world.answers()).events) == 1000


def erase(world: World) -> None:
    world.gateway.call("POST", "/v1/erase", {"email": GRACE})


# --- retention -----------------------------------------------------------------------------------------------------


@pytest.mark.embedded  # PostgreSQL tells the time itself, and its clock is not moved
async def test_after_its_days_an_event_is_gone_and_a_repeat_is_still_known(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    machine = Machine(tmp_path / "w")
    async with World(tmp_path / "w", machine=machine, destinations=1, GATEWAY_RETENTION_DAYS="2") as world:
        old, young = [body(ADA) for _ in range(20)], [body(GRACE) for _ in range(5)]
        await tell(world, *old)
        cursor = (await world.call("GET", "/v1/events?limit=1"))["next"]
        events = await booked(world)
        await world.drained()
        await world.kill()
        machine.set(wall_ns=3 * DAY_NS)
        await world.start()
        await tell(world, *young)

        await until(world, lambda events: len(events) == 5)
        assert await refused(world, f"/v1/events/{events[0]['id']}") == (410, "expired")
        assert await refused(world, f"/v1/events/{events[0]['id']}/raw") == (410, "expired")
        assert (await refused(world, f"/v1/events?after={cursor}"))[0] == 410
        await tell(world, *old)
        assert len(await booked(world)) == 5
        assert (await world.call("GET", "/v1/stats"))["receipts"]["duplicates"] == 20


# --- the change of keys --------------------------------------------------------------------------------------------


@pytest.mark.embedded  # the file of keys: with PostgreSQL they are given
async def test_keys_are_changed_under_load_and_kills_and_the_old_one_can_be_dropped(tmp_path: Path) -> None:
    rng = random.Random(5)  # noqa: S311 -- a repeatable choice of moments
    async with World(tmp_path / "w", destinations=1) as world:
        keys = world.gateway.directory / "secret.keys"
        old = keys.read_text()
        world.provider.start()
        await world.provider.until(3000)
        for _ in range(4):
            asking = asyncio.create_task(asyncio.to_thread(world.gateway.call, "POST", "/v1/encryption/rotate"))
            await asyncio.sleep(rng.uniform(0.0, 0.15))
            await world.kill()
            await asyncio.gather(asking, return_exceptions=True)
            assert len(keys.read_text().split()) <= 2, "what was begun goes on: there is no third key"
            await world.start()
        assert "Everything is sealed with the newest key" in await command(world, "rotate-encryption")
        assert (await world.judge()).good

        await world.kill()
        keys.write_text(keys.read_text().split()[0])
        await world.start()
        assert len((await world.answers()).events) >= 3000
        await world.kill()
        for wrong in (old, "A" * 43):
            keys.write_text(wrong)
            with pytest.raises(RuntimeError, match="does not hold every key that this database is sealed with"):
                await world.start()
            assert world.gateway.process is not None
            assert world.gateway.process.wait(10) == 1
        world.gateway.process = None


async def test_given_keys_are_changed_under_load_and_kills_and_the_old_one_can_be_dropped(tmp_path: Path) -> None:
    rng = random.Random(7)  # noqa: S311 -- a repeatable choice of moments
    old, new = new_url_token(), new_url_token()
    async with World(tmp_path / "w", destinations=1, GATEWAY_SECRET_KEYS=old) as world:
        given = world.gateway.environment
        world.provider.start()
        await world.provider.until(1000)
        assert "put a new key in front of it" in await command(world, "rotate-encryption", status=1)
        given["GATEWAY_SECRET_KEYS"] = f"{new},{old}"
        for _ in range(3):
            await world.kill()
            await world.start()
            asking = asyncio.create_task(asyncio.to_thread(world.gateway.call, "POST", "/v1/encryption/rotate"))
            await asyncio.sleep(rng.uniform(0.0, 0.15))
            await world.kill()
            await asyncio.gather(asking, return_exceptions=True)
            stores.let_leases_end(world.gateway.directory)
            await world.start()
        assert "Everything is sealed with the newest key" in await command(world, "rotate-encryption")
        assert (await world.judge()).good

        await world.kill()
        given["GATEWAY_SECRET_KEYS"] = new
        await world.start()
        assert len((await world.answers()).events) >= 1000
        await world.kill()
        given["GATEWAY_SECRET_KEYS"] = old
        with pytest.raises(RuntimeError, match="does not hold every key that this database is sealed with"):
            await world.start()
        assert world.gateway.process is not None
        assert world.gateway.process.wait(10) == 1
        world.gateway.process = None


# --- copies --------------------------------------------------------------------------------------------------------


@pytest.mark.embedded  # PostgreSQL's copies are made by its own tools, as is the next one
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_copy_made_under_load_goes_on_with_what_waits_and_repeats_nothing(
    tmp_path: Path, how: signal.Signals
) -> None:
    copy = tmp_path / "copy.db"
    async with World(tmp_path / "w", destinations=1, GATEWAY_RETRY_SCHEDULE="1,1,1,1,1,1,1,1,1") as world:
        await tell(world, *(body(ADA) for _ in range(200)))
        await world.drained()
        first = {got.id for got in world.consumer.got}
        world.consumer.answer = lambda _: (503, 0.0)
        world.provider.start()
        await world.provider.until(100)
        assert "Wrote" in await command(world, "backup", str(copy))
        assert "exists" in await command(world, "backup", str(copy), status=1)
        await world.provider.until(len(world.provider.told.kept) + 50)
        await world.provider.stop()
        await world.kill(how)
        (world.gateway.directory / "gateway.db").write_bytes(copy.read_bytes())
        world.consumer.answer = lambda _: (200, 0.0)
        world.consumer.got.clear()
        await world.start()
        await world.drained()

        events = {event["id"] for event in (await world.answers()).events}
        assert first < events
        assert {got.id for got in world.consumer.got} == events - first
        assert {each["status"] for each in (await world.call("GET", "/v1/connections"))["items"]} == {"needs_repair"}


@pytest.mark.embedded
async def test_a_damaged_copy_is_refused_in_one_line(tmp_path: Path) -> None:
    async with World(tmp_path / "w", destinations=1) as world:
        await tell(world, *(body(ADA) for _ in range(100)))
        await command(world, "backup", str(tmp_path / "copy.db"))
        await world.kill()
        whole = (tmp_path / "copy.db").read_bytes()
        (world.gateway.directory / "gateway.db").write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
        with pytest.raises(RuntimeError, match=r"gateway\.db is damaged"):
            await world.start()
        assert world.gateway.process is not None
        assert world.gateway.process.wait(10) == 1
        world.gateway.process = None
