"""One browser for all tests, one gateway for each file; every test ends without a complaint of the browser's."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests import lacking
from tests.browser import world as worlds
from tests.browser.world import World


@pytest.fixture(scope="package")  # while it runs no other event loop can: it ends before the next folder
def browser() -> Iterator[Browser]:
    executable = lacking.browser()
    if executable is None:
        pytest.fail(lacking.ADVICE["browser"], pytrace=False)
    with worlds.browser(executable) as started:
        yield started


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[World]:
    with worlds.world(tmp_path_factory.mktemp("gateway") / "data", browser) as made:
        yield made


@pytest.fixture
def world(everything: World) -> Iterator[World]:
    """All of it, with the consumer well; nothing that a browser complained of is let pass."""
    everything.consumer.status = 200
    yield everything
    faults, everything.faults = everything.faults, []
    for context in everything.browser.contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(world: World) -> Page:
    """A browser that is signed in."""
    return world.signed_in()
