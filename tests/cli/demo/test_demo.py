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


def process(tmp_path: Path, *arguments: str, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a process that finds settings of somebody else's in its environment, and a temporary directory of its own."""
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(path))),
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
    assert all(line == line.rstrip() for line in ended.stdout.splitlines())
    assert list(tmp_path.iterdir()) == []


def test_it_tells_programs_the_same(tmp_path: Path) -> None:
    ended = process(tmp_path, "-m", "gateway", "demo", "--json")
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["ok"], told["wrong"]) == (0, True, [])
    assert Counter(call["kind"] for call in told["calls"])["forged"] == 1
    accepted = {event for call in told["calls"] for event in call["answer"].get("events", ())}
    assert {one["event"]["id"] for one in told["received"]} == accepted


ACME = """
from gateway.contract.events import Other
from gateway.contract.provider import ByHand, Draft, Provider, decode
from gateway.contract.signatures import Hmac

class Acme(Provider):
    name, title, docs, types = "acme", "Acme", "https://acme.example", ("provider.event",)
    signature = Hmac(header="x-acme", encoding="hex", key="hex")
    webhooks = ByHand("paste {url}")
    def recognises(self, inbound, body, account): return isinstance(body, dict) and "acme" in body
    def translate(self, receipt):
        body = decode(receipt.inbound.body, dict[str, str])
        return [Draft(data=Other(), parts=(body["acme"],), word="told")]
"""
ACME_SIMULATOR = """
from datetime import UTC, datetime
from acme import Acme
from gateway.contract.signatures import sign
from gateway.contract.simulator import Scene, Simulator

class Simulation(Simulator):
    credentials = {}
    async def app(self, scope, receive, send): pass
    def settings(self, base_url): return {}
    def headers(self, hook, word, body):
        return (sign(Acme.signature, hook.secret, url=hook.url, body=body, at=datetime.now(UTC)),)
    def story(self):
        told = [Scene(title=n, word="told", body=b'{"acme": "%s"}' % n.encode(), type="provider.event") for n in "ab"]
        return [*told, Scene(title="broken", word="told", body=b"{", type=None)]
"""
BARE = ACME.replace("acme", "bare")


def installed(directory: Path) -> Path:
    """Install two plugins as pip would: one with a simulator, whose webhooks are made by hand and signed; one bare."""
    info = directory / "acme-1.0.dist-info"
    for path, text in (
        (directory / "acme" / "__init__.py", ACME),
        (directory / "acme" / "simulator.py", ACME_SIMULATOR),
        (directory / "bare" / "__init__.py", BARE),
        (info / "METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n"),
        (info / "entry_points.txt", "[gateway.providers]\nacme = acme:Acme\nbare = bare:Acme\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory


def test_installed_plugins_play_too_and_one_without_a_simulator_is_left_out(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ended = process(tmp_path, "-m", "gateway", "demo", path=installed(tmp_path_factory.mktemp("plugins")))
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert "bare has no simulator: not shown." in ended.stdout.splitlines()
    assert "from acme at" in ended.stdout
    assert "of 4 vendors" in ended.stdout
    acme = ended.stdout[ended.stdout.index("from acme at") :].splitlines()[0]
    assert acme.endswith("proven by signature")


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
