"""A store on a directory of its own, and a clock to move by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.store import Store
from tests.store.samples import HandClock, open_store


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def store(data_dir: Path, clock: HandClock) -> AsyncIterator[Store]:
    opened = await open_store(data_dir, clock)
    yield opened
    await opened.close()
