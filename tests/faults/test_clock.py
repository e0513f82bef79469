"""Clocks that jump and a process that stands still: nothing waits for hours, nothing is lost, order stays."""

from pathlib import Path

import pytest

from tests.faults.clock import clock_jumps_between_starts, clock_jumps_while_it_runs, jumps, stopped_past_a_lease

pytestmark = [pytest.mark.faults, pytest.mark.machine]


async def test_the_wall_clock_may_jump_while_it_runs(tmp_path: Path) -> None:
    assert await clock_jumps_while_it_runs(tmp_path / "gateway", jumps(), calls=30)


async def test_the_wall_clock_may_jump_between_two_starts(tmp_path: Path) -> None:
    moves = {name: seconds for name, seconds in jumps().items() if name in {"1970", "2040"}}
    assert await clock_jumps_between_starts(tmp_path / "gateway", moves)


async def test_a_process_that_stood_still_past_its_leases_goes_on_where_it_was(tmp_path: Path) -> None:
    assert await stopped_past_a_lease(tmp_path / "gateway", stops=2)
