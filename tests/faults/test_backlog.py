"""What waits and what is old: lists stay quick to read, and the files stay as large as a month is."""

import asyncio
from pathlib import Path

import pytest

from tests.bench import backlog
from tests.faults.backlog import months

pytestmark = [pytest.mark.faults, pytest.mark.embedded]  # how large its files are, and how it is filled directly


async def test_a_backlog_is_shown_claimed_and_delivered() -> None:
    figures = await asyncio.to_thread(backlog.measure, 4000, seconds=1.0)

    assert figures["delivered_a_second"]
    assert figures["repeats"] == 0
    assert "ready after" in backlog.tell(figures)


@pytest.mark.machine
async def test_what_expires_makes_room_for_what_comes(tmp_path: Path) -> None:
    assert await months(tmp_path / "gateway", count=3, calls=300)
