"""What the tests of what goes out share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway import sealing
from gateway.egress import Egress
from gateway.store.store import Store
from tests.egress.sinks import LOOPBACK
from tests.store.samples import open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path, keys=sealing.new_url_token())
    yield opened
    await opened.close()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    door = Egress([LOOPBACK])
    yield door
    await door.aclose()


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """Take the log lines: writing them out would be most of the tests' time."""
    with structlog.testing.capture_logs() as lines:
        yield lines
