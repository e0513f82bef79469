"""A store on a directory of its own, and a clock to move by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.store import Store
from tests import stores
from tests.store.samples import HandClock, open_store


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hold every engine to the same laws, but for those that are marked as about the embedded one's own."""
    if "data_dir" in metafunc.fixturenames:
        embedded = metafunc.definition.get_closest_marker("embedded")
        every = ["postgres"] if stores.chosen() == "postgres" else ["sqlite", "postgres"]
        metafunc.parametrize("data_dir", ["sqlite"] if embedded else every, indirect=True)


@pytest.fixture
def data_dir(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A directory of its own; on PostgreSQL it stands for a database of its own."""
    directory = tmp_path / "data"
    if request.param == "postgres":
        stores.put_on_postgres(directory)
    return directory


@pytest.fixture
async def store(data_dir: Path, clock: HandClock) -> AsyncIterator[Store]:
    opened = await open_store(data_dir, clock)
    yield opened
    await opened.close()
