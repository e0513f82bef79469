"""What the tests of the door out share."""

from collections.abc import AsyncIterator

import pytest

from gateway.egress import Egress
from tests.egress.sinks import LOOPBACK


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    door = Egress([LOOPBACK])
    yield door
    await door.aclose()
