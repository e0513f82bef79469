"""A directory that is not right is refused in one line and left as it is."""

import asyncio
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.e2e.running import Gateway
from tests.faults.files import DAMAGES, made, refused
from tests.faults.provider import free_port
from tests.faults.world import World

pytestmark = [pytest.mark.faults, pytest.mark.embedded]  # its files, and who holds them


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(made(tmp_path_factory.mktemp("good") / "gateway"))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_database_that_is_not_right_is_refused(good: Path, damage: Callable[[Path], None], tmp_path: Path) -> None:
    directory = tmp_path / "data"
    shutil.copytree(good, directory)
    damage(directory / "gateway.db")

    line = refused(directory)
    assert str(directory / "gateway.db") in line


def test_a_second_gateway_on_a_directory_is_told_so_even_when_the_port_is_taken_too(good: Path, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    shutil.copytree(good, directory)
    port = str(free_port())
    first = Gateway(directory, {"GATEWAY_PORT": port}).start()
    second = Gateway(directory, {"GATEWAY_PORT": port})
    first.log.unlink()
    status = second.launch().wait(30)
    assert second.process is not None
    assert second.process.stdout is not None
    second.process.stdout.close()
    first.kill()

    assert status == 1
    (line,) = second.log.read_text().splitlines()
    assert "is in use by another gateway process" in line


async def test_bytes_that_were_changed_on_the_disk_are_told_apart_and_hold_up_nothing(tmp_path: Path) -> None:
    async with World(tmp_path / "gateway", destinations=1) as world:
        (destination,) = world.destinations
        await world.call("POST", f"/v1/destinations/{destination}/pause")
        world.provider.start()
        await world.provider.until(12)
        await world.provider.stop()
        assert await world.kill(signal.SIGTERM) == 0
        await asyncio.to_thread(
            change, world.gateway.directory, "UPDATE bodies SET sealed = zeroblob(40) WHERE event % 3 = 1"
        )
        await asyncio.to_thread(change, world.gateway.directory, "UPDATE inbound SET sealed = zeroblob(40)")
        await world.start()
        await world.call("POST", f"/v1/destinations/{destination}/resume")
        await world.drained()
        answers = await world.answers()
        statuses = {
            f"{path} {status}"
            for each in answers.deliveries
            for path in ("", "/raw")
            for status in [await asyncio.to_thread(world.ask, f"/v1/events/{each['event']}{path}")]
        }
        counts = answers.stats["deliveries"][destination]

    damaged = (answers.stats["events"] + 2) // 3
    assert (counts["dead"], counts["delivered"]) == (damaged, answers.stats["events"] - damaged)
    assert len({got.id for got in world.consumer.got}) == len(answers.events) == counts["delivered"]
    assert statuses == {" 200", " 410", "/raw 410"}


def change(directory: Path, statement: str) -> None:
    db = apsw.Connection(str(directory / "gateway.db"))
    db.execute(statement)
    db.close()
