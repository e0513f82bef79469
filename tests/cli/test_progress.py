"""How far long work is, is told on a terminal, beside the output, in one line; elsewhere nothing is."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from gateway.cli import progress as told
from gateway.cli.reach import Failed
from tests.cli.conftest import Cli, StandIn


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make standard error a terminal, and look all the time."""

    def become() -> None:
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        monkeypatch.setattr(told, "LOOK_SECONDS", 0.01)

    return become


def test_one_line_is_written_over_and_ends_with_the_work(
    beside: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    beside()
    with told.progress() as tell:
        tell("1 of 2")
        tell("2 of 2")
    assert capsys.readouterr().err == "\r\x1b[K1 of 2\r\x1b[K2 of 2\n"


def test_where_nobody_looks_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with told.progress() as tell, told.watching(lambda: pytest.fail("nobody looks")):
        tell("1 of 2")
    assert capsys.readouterr() == ("", "")


def test_work_that_does_not_say_how_far_it_is_is_watched(
    beside: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    beside()
    looked, left = threading.Event(), iter(["3 left", "2 left"])

    def look() -> str:
        words = next(left, None)
        if words is None:
            looked.set()
            raise Failed("the key may not see that")
        return words

    with told.watching(look):
        assert looked.wait(10)
    assert capsys.readouterr().err == "\r\x1b[K3 left\r\x1b[K2 left\n"


def test_a_retry_of_many_tells_how_many_there_still_are(beside: Callable[[], None], cli: Cli, standin: StandIn) -> None:
    beside()
    asked = threading.Event()

    def stats(query: object) -> object:
        del query
        asked.set()
        return {"deliveries": {"dst_1": {"dead": 1234}}}

    def retried(query: object) -> object:
        del query
        assert asked.wait(10)
        return {"retried": 1234}

    standin.answer("GET", "/v1/stats", stats)
    standin.answer("POST", "/v1/deliveries/retry", retried)
    ended = cli("deliveries", "retry", "--status", "dead")
    assert ended.status == 0
    assert "1,234 still dead" in ended.err
    steps = iter([{"retried": 1000, "quarantined": 2, "next": "rcp_9"}, {"retried": 1, "quarantined": 0, "next": None}])
    standin.answer("POST", "/v1/quarantine/retry", lambda _: next(steps))
    assert "1,000 tried again, 2 of them still not understood" in cli("quarantine", "retry", "--all").err


def test_a_backup_tells_how_much_is_copied(
    beside: Callable[[], None], bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    beside()
    written = threading.Event()
    monkeypatch.setattr("gateway.cli.backup.watching", _watching_until(written))
    monkeypatch.setattr("gateway.store.engines.sqlite_backup.backup", lambda _, file: _copies(file, written))
    assert "1 MiB copied" in bare_cli("backup", str(tmp_path / "copy.db")).err
    assert list(tmp_path.glob("copy.db")) == []


def _copies(file: Path, written: threading.Event) -> int:
    draft = file.with_name(f".{file.name}.0123")
    draft.write_bytes(bytes(1 << 20))
    assert written.wait(10)
    draft.unlink()
    return 1 << 20


def _watching_until(written: threading.Event) -> object:
    """Watch as ever, and say when a look saw what was written."""

    def watching(look: object) -> object:
        assert callable(look)

        def looking() -> str:
            words = str(look())
            if not words.startswith("0"):
                written.set()
            return words

        return told.watching(looking)

    return watching


def test_a_retry_of_many_is_waited_for_as_long_as_it_takes(
    cli: Cli, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hasty(url: str, key: str) -> httpx.Client:
        return httpx.Client(base_url=url, headers={"authorization": key}, trust_env=False, timeout=0.1)

    def retried(_: object) -> object:
        time.sleep(0.4)
        return {"retried": 1234}

    monkeypatch.setattr("gateway.egress.gateway_client", hasty)
    standin.answer("POST", "/v1/deliveries/retry", retried)
    assert cli("deliveries", "retry", "--status", "dead", "--json").answer == {"retried": 1234}
