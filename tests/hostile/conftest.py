"""One gateway for all that only talks to it."""

from collections.abc import Iterator

import pytest

from tests.hostile.standing import Standing


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Run one gateway with connections of every kind; when all is over its log must hold no surprise."""
    up = Standing.up(tmp_path_factory.mktemp("hostile") / "data")
    yield up
    up.down()
