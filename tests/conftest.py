"""What tests of several folders share."""

import asyncio
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import settings

from tests import stores
from tests.lacking import without

pytest.register_assert_rewrite("gateway.contract.testing")

settings.register_profile("gateway", deadline=None)  # a busy machine is no finding
settings.load_profile("gateway")

_NOT_SHOWN: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store", choices=stores.STORES, default="sqlite", help="what the tests run on")


def pytest_configure(config: pytest.Config) -> None:
    stores.choose(config.getoption("store"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this machine cannot run, and on PostgreSQL what only the embedded store has."""
    left_out = without(items)
    _NOT_SHOWN.extend(left_out)
    gone = {item for some in left_out.values() for item in some}
    if stores.chosen() == "postgres":
        gone |= {item for item in items if item.get_closest_marker("embedded")}
    if gone:
        items[:] = [item for item in items if item not in gone]
        config.hook.pytest_deselected(items=list(gone))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Drop the test's databases after all that used them; those of longer fixtures go with the server."""
    yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if folder is not None:
        stores.drop_below(folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where several processes run the tests: tell the one that writes the summary."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["not_shown"] = _NOT_SHOWN


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear what a process left out; all leave out the same."""
    told = getattr(node, "workeroutput", {}).get("not_shown", [])
    _NOT_SHOWN.extend(words for words in told if words not in _NOT_SHOWN)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, where nobody overlooks it."""
    if _NOT_SHOWN:
        terminalreporter.section("NOT SHOWN", yellow=True)
        for words in _NOT_SHOWN:
            terminalreporter.line(words)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serve an ASGI application on a loopback port until the test is over; gives its base URL."""
    with ExitStack() as running:
        yield lambda app, **how: running.enter_context(serving(app, **how))


@contextmanager
def serving(app: Any, **how: Any) -> Iterator[str]:
    """Serve from a thread of its own, so that whoever asks may block. `how`: more for uvicorn's configuration."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = _Announced(uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False, **how))
    thread = threading.Thread(target=asyncio.run, args=(server.serve([listening]),))
    thread.start()
    try:
        assert server.announced.wait(30)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


class _Announced(uvicorn.Server):
    """Says that it listens instead of being asked for it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.announced = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.announced.set()
