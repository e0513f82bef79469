"""`gateway demo` runs the whole way, leaves nothing behind, and ends with 0 only if what came out is right."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gateway.cli.demo import run, verdict
from gateway.cli.demo.consumer import Consumer
from gateway.cli.main import main
from gateway.contract.simulator import Scene

ROOT = Path(__file__).parents[3]

IMPATIENT = """
import os, sys
from gateway.cli.demo import consumer, run
from gateway.cli.main import main

cast = run.actors()

def leave(self, *_):
    if not self.got:
        self.got.append(None)
        print(next(iter(cast[0].simulation.hooks.values())).url, flush=True)
        os.kill(os.getpid(), int(sys.argv[1]))

run.actors = lambda: cast
consumer.Consumer._take = leave
sys.exit(main(["demo"]))
"""


def process(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a process that finds settings of somebody else's in its environment, and a temporary directory of its own."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(tmp_path),
        "GATEWAY_PORT": "1",
        "GATEWAY_DATA_DIR": "/nowhere",
        "GATEWAY_ADMIN_KEY": "somebody-elses",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_it_shows_every_vendors_bookings_and_ends_with_0(tmp_path: Path) -> None:
    ended = process(tmp_path, "-m", "gateway", "demo")
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    for shown in ("booking.scheduled", "booking.rescheduled", "booking.cancelled", "conversation.activity"):
        assert f"=> {shown}, signed" in ended.stdout
    for shown in ("401 Unauthorized", "200 duplicate", "200 quarantined", "exactly what it should", "gateway serve"):
        assert shown in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == []


def test_it_tells_programs_the_same(tmp_path: Path) -> None:
    ended = process(tmp_path, "-m", "gateway", "demo", "--json")
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["ok"], told["wrong"]) == (0, True, [])
    assert Counter(call["kind"] for call in told["calls"])["forged"] == 1
    accepted = {event for call in told["calls"] for event in call["answer"].get("events", ())}
    assert {one["event"]["id"] for one in told["received"]} == accepted


class Strict(Consumer):
    """A consumer that asks the public library, over the bytes as they came."""

    def __init__(self) -> None:
        super().__init__()
        self.agreed: list[bool] = []

    def _take(self, headers: Mapping[str, str], body: bytes) -> None:
        super()._take(headers, body)
        try:
            Webhook(self.secret).verify(body, dict(headers))
        except WebhookVerificationError:
            self.agreed.append(False)
        else:
            self.agreed.append(True)


def test_the_public_library_verifies_every_delivery() -> None:
    consumer = Strict()
    outcome = run.run(run.actors(), consumer)
    assert verdict.wrongs(outcome) == []
    assert consumer.agreed == [True] * len(outcome.got)
    by_provider: dict[str, list[str]] = {}
    for got in outcome.got:
        by_provider.setdefault(got.event["origin"]["provider"], []).append(got.event["type"])
    for provider in ("harmonizely", "meetergo"):
        assert by_provider[provider][:3] == ["booking.scheduled", "booking.rescheduled", "booking.cancelled"]
    assert "conversation.activity" in by_provider["harmony"]


class Tampered(Consumer):
    """A consumer behind somebody who changes what is delivered."""

    def _take(self, headers: Mapping[str, str], body: bytes) -> None:
        super()._take(headers, body.replace(b'"booking.cancelled"', b'"booking.scheduled"'))


def test_a_tampered_delivery_ends_it_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.cli.demo.consumer.Consumer", Tampered)
    assert main(["demo"]) == 1
    captured = capsys.readouterr()
    assert "the signature is wrong" in captured.out
    assert "booking.scheduled, booking.rescheduled, booking.scheduled, not" in " ".join(captured.out.split())
    assert captured.err.startswith("gateway: the demo did not come out right: ")
    assert captured.err.count("\n") == 1


def test_another_expectation_ends_it_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cast = run.actors()
    first = cast[0].simulation
    told = first.story()

    def story() -> Sequence[Scene]:
        return [replace(told[0], type=None), *told[1:]]

    monkeypatch.setattr(first, "story", story)
    monkeypatch.setattr(run, "actors", lambda: cast)
    assert main(["demo", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["ok"] is False
    assert "answered 200 accepted, not 200 quarantined" in captured.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_it_leaves_nothing_running_and_nothing_lying(tmp_path: Path, number: signal.Signals) -> None:
    ended = process(tmp_path, "-c", IMPATIENT, str(int(number)))
    assert ended.returncode == 1
    assert ended.stderr.strip() == "gateway: stopped"
    port = urlsplit(ended.stdout.split()[0]).port
    assert port is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert list(tmp_path.iterdir()) == []
