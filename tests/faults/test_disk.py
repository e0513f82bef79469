"""Bad disks: 503 while it cannot store, never a 2xx that is gone, and by itself as before when the trouble is over."""

from pathlib import Path

import pytest

from tests.faults.disk import failing_fsync, full_disk, locked_database, nearly_full_disk, slow_fsync

pytestmark = [
    pytest.mark.faults,
    pytest.mark.machine,
    pytest.mark.embedded,
]  # the disk its files lie on


async def test_an_answer_takes_at_least_as_long_as_its_fsync(tmp_path: Path) -> None:
    assert await slow_fsync(tmp_path / "gateway", delays_ms=(5, 50), calls=100)


async def test_a_failed_fsync_refuses_its_calls_and_loses_none_that_were_kept(tmp_path: Path) -> None:
    assert (await failing_fsync(tmp_path / "gateway", times=4))["answers 503"]


async def test_a_full_disk_refuses_and_recovers_alone(tmp_path: Path) -> None:
    assert (await full_disk(tmp_path / "gateway"))["writes without room"]


async def test_deliveries_go_on_when_calls_are_refused_for_want_of_room(tmp_path: Path) -> None:
    assert (await nearly_full_disk(tmp_path / "gateway"))["delivered meanwhile"]


async def test_a_database_that_somebody_else_locks_refuses_and_recovers_alone(tmp_path: Path) -> None:
    assert (await locked_database(tmp_path / "gateway"))["answers 503"]
