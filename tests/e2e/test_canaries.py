"""Secrets and people are planted wherever they can come in; then every trace that anything leaves is searched."""

import asyncio
import json
import signal
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gateway.store.sought import spellings
from tests import stores
from tests.bench.load import meeting
from tests.e2e.running import Gateway

KEYS = ("admin.key", "secret.keys")
"""The files that hold secrets in clear, because somebody has to."""


@dataclass
class Planted:
    """Every canary by what it stands for. None is like anything else."""

    of: dict[str, str] = field(default_factory=dict)

    def __call__(self, what: str) -> str:
        return self.of.setdefault(what, f"canary{what.replace(' ', '')}{uuid.uuid4().hex[:12]}")

    def email(self, what: str) -> str:
        return self.of.setdefault(what, f"canary.{uuid.uuid4().hex[:12]}@example.com")

    def phone(self) -> str:
        return self.of.setdefault("phone", f"+43{uuid.uuid4().int % 10**11:011d}")

    def found(self, content: bytes) -> list[str]:
        """Name the canaries in there, in whatever spelling."""
        texts = "\n".join(spellings(content))
        return [what for what, canary in self.of.items() if canary.casefold() in texts]


@pytest.fixture
def planted() -> Planted:
    return Planted()


class Unkind(BaseHTTPRequestHandler):
    """Fails at everything, and repeats what it was asked and told in its answer. `got`: bodies by path."""

    got: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.got.append((self.path, said))
        answer = json.dumps({"message": f"{self.path} {dict(self.headers)} {said.decode('latin-1')}"}).encode()
        self.send_response(500 if "refuse" not in self.path else 422, f"No {said[:60].decode('latin-1', 'replace')!r}")
        self.send_header("content-length", str(len(answer)))
        self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_DELETE = do_PATCH = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def unkind() -> Iterator[str]:
    Unkind.got.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Unkind) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def gateway(tmp_path: Path, planted: Planted) -> Iterator[Gateway]:
    environment = {
        "GATEWAY_EGRESS_ALLOW": "127.0.0.1/32:*",
        "GATEWAY_LOG_LEVEL": "debug",
        "GATEWAY_RETRY_SCHEDULE": "0.1,0.1",
        "GATEWAY_INBOUND_TOKENS": planted("inbound token") + "0" * 20,
    }
    made = Gateway(tmp_path / "data", environment).start()
    planted.of["admin key"] = made.key
    given = made.settings.get("GATEWAY_SECRET_KEYS")
    planted.of["encryption key"] = given or (made.directory / "secret.keys").read_text().strip()
    yield made
    if made.process is not None:
        made.kill()


def ask(
    gateway: Gateway, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Ask with the admin key unless `headers` say who asks; whatever the answer is."""
    url = path if path.startswith("http") else gateway.url + path
    asked = urllib.request.Request(url, body, headers or {"authorization": f"Bearer {gateway.key}"}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, str(refused.headers).encode() + refused.read()


def connect(gateway: Gateway, planted: Planted, unkind: str) -> list[tuple[int, bytes]]:
    """Connect in every way; answer what the API said of those that failed."""
    key, secret = planted("provider api key"), planted("signing secret")
    ways: list[dict[str, Any]] = [
        {"provider": "harmonizely", "credentials": {"api_key": key}, "signing_secret": secret, "register": False},
        {"provider": "meetergo", "credentials": {"api_key": key, "user_id": planted("user id")}, "register": False},
        {"provider": "harmony", "credentials": {}},
    ]
    for way in ways:
        gateway.call("POST", "/v1/connections", way)
    wrong: list[dict[str, Any]] = [
        {"provider": "meetergo", "credentials": {"api_key": key}, "settings": {"base_url": unkind}, "own_url": True},
        {"provider": "meetergo", "credentials": {"api_key": key}, "settings": {"base_url": f"{unkind}/refuse"}},
        {"provider": "harmonizely", "credentials": {"api_key": [key]}, "signing_secret": secret},
        {"provider": planted("provider"), "credentials": {"api_key": key}},
        {"provider": "meetergo", "credentials": {"api_key": key, planted("field"): key}},
        {"provider": "harmonizely", "credentials": {"api_key": key}, "signing_secret": secret, "own_url": key},
    ]
    return [ask(gateway, "POST", "/v1/connections", json.dumps(way).encode()) for way in wrong]


def subscribe(gateway: Gateway, planted: Planted, unkind: str) -> list[tuple[int, bytes]]:
    headers = {"authorization": f"Bearer {planted('header value')}", "x-tenant": planted("other header value")}
    url = f"{unkind}/{planted('path')}?token={planted('query')}"
    for profile in ("full", "thin"):
        made = {"url": f"{url}&{profile}", "headers": headers, "profile": profile}
        planted.of[f"{profile} secret"] = gateway.call("POST", "/v1/destinations", made)["secret"]
    nowhere = {"url": f"http://127.0.0.1:1/{planted('path')}", "headers": headers}
    gateway.call("POST", "/v1/destinations", nowhere)
    wrong: list[dict[str, Any]] = [
        {"url": f"http://user:{planted('url password')}@127.0.0.1/"},
        {"url": f"{planted('scheme')}://x.example/"},
        {"url": url, "headers": {"x-bad": planted("header value") + "\r\nx: y"}},
        {"url": url, "headers": {planted("header value") + ":": "x"}},
        {"url": f"http://169.254.169.254/{planted('path')}", "format": planted("format")},
    ]
    return [ask(gateway, "POST", "/v1/destinations", json.dumps(each).encode()) for each in wrong]


def person(planted: Planted) -> dict[str, Any]:
    return {
        "firstname": planted("given name"),
        "lastname": planted("family name"),
        "email": planted.email("address"),
        "phone": planted.phone(),
    }


def calls(gateway: Gateway, planted: Planted) -> list[tuple[int, bytes]]:
    """Call as providers, forgers and broken programs do; answer what was said to those who were refused."""
    inbound = gateway.call("GET", "/v1/url")["inbound_url"]
    booking: dict[str, Any] = {
        "webhookType": "booking_created", "id": "b1", "secret": planted("booking secret"),
        "attendees": [person(planted)],
        "start": "2026-03-02T09:00:00+01:00", "end": "2026-03-02T09:30:00+01:00", "notes": planted("notes"),
        "meetingInfo": {"meetingLink": f"https://meet.example/{planted('meeting link')}"},
    }  # fmt: skip
    bodies = [
        json.dumps(booking).encode(),
        json.dumps({**booking, "id": "b1", "notes": planted("other notes")}).encode(),
        json.dumps({**booking, "start": planted("notes")}).encode(),
        json.dumps({"webhookType": planted("word"), **person(planted)}).encode(),
        json.dumps(booking).encode()[:-20],
        json.dumps([person(planted)]).encode(),
        b"\xff\xfe" + json.dumps(booking).encode("utf-16-le"),
        f"name={planted('given name')}&email={planted.email('address').replace('@', '%40')}".encode(),
        meeting("b2").replace(b"ada@example.com", planted.email("address").encode()),  # signed provider, no signature
    ]
    headers = {
        "content-type": f"application/json; x={planted('header')}",
        "authorization": f"Bearer {planted('their authorization')}",
        "cookie": planted("their cookie"),
        "x-forwarded-for": planted("forwarded for"),
        "user-agent": planted("user agent"),
        "webhook-signature": planted("forged signature"),
    }
    said = [ask(gateway, "POST", inbound, each, headers) for each in bodies]
    said += [ask(gateway, "POST", inbound[:-3] + "xyz", bodies[0], headers)]
    said += [ask(gateway, "POST", f"{inbound}?email={planted.email('address')}", bodies[0], headers)]
    said += [ask(gateway, "PUT", inbound, bodies[0], headers)]
    said += [ask(gateway, "POST", inbound, bodies[0], headers | {"content-encoding": planted("encoding")})]
    return said


def wrong_questions(gateway: Gateway, planted: Planted) -> list[tuple[int, bytes]]:
    """Ask the API what it must refuse, with a person or a secret in every place."""
    address, word = planted.email("address"), planted("word in a query")
    asked: list[tuple[str, str, Any]] = [
        ("GET", f"/v1/events/{word}", None),
        ("GET", f"/v1/events?after={word}", None),
        ("GET", f"/v1/events?who={word}", None),
        ("GET", f"/v1/deliveries?status={word}", None),
        ("GET", f"/v1/quarantine/{word}/raw", None),
        ("GET", f"/{word}", None),
        ("POST", "/v1/erase", {"email": f"{address} {address}"}),
        ("POST", "/v1/erase", {word: address}),
        ("POST", "/v1/keys", {"scopes": [word]}),
        ("PATCH", f"/v1/destinations/{word}", {"name": word}),
        ("POST", f"/v1/events/{word}/replay", {"destinations": [word]}),
    ]
    said = [ask(gateway, *each[:2], None if each[2] is None else json.dumps(each[2]).encode()) for each in asked]
    said += [ask(gateway, "POST", "/v1/keys", f'{{"scopes": "{word}'.encode())]
    said += [ask(gateway, "GET", "/v1/stats", headers={"authorization": f"Bearer {planted('wrong key')}"})]
    return said


def trace_of_process(gateway: Gateway) -> bytes:
    assert gateway.process is not None
    process = Path("/proc") / str(gateway.process.pid)
    return (process / "cmdline").read_bytes() + (process / "comm").read_bytes()


def settled(gateway: Gateway) -> list[Any]:
    """Wait until every delivery was given up."""
    deliveries: list[Any] = gateway.call("GET", "/v1/deliveries?limit=500")["items"]
    return [] if any(each["status"] == "pending" for each in deliveries) else deliveries


@pytest.mark.timeout(180)
async def test_no_secret_and_no_person_leaves_a_trace(
    gateway: Gateway, planted: Planted, unkind: str, tmp_path: Path
) -> None:
    refusals = connect(gateway, planted, unkind) + subscribe(gateway, planted, unkind)
    said = calls(gateway, planted)
    refusals += [each for each in said if each[0] >= 400] + wrong_questions(gateway, planted)
    assert {status for status, _ in said} >= {200, 401, 404, 405, 415}
    async with asyncio.timeout(60):
        while not (deliveries := settled(gateway)):  # noqa: ASYNC110 -- it is another process that works
            await asyncio.sleep(0.1)
    assert {each["status"] for each in deliveries} == {"dead"}
    check_profiles(planted)
    details = [gateway.call("GET", f"/v1/deliveries/{each['id']}") for each in deliveries]
    quarantined = gateway.call("GET", "/v1/quarantine")["items"]
    assert len(quarantined) >= 4
    copied = await asyncio.to_thread(copies, gateway, tmp_path / "copy.db")
    running = {path.name: path.read_bytes() for path in gateway.directory.iterdir() if path.name not in KEYS}
    traces: dict[str, bytes] = {
        "process": trace_of_process(gateway),
        "metrics": ask(gateway, "GET", "/metrics")[1],
        "attempts": json.dumps([each["attempts"] for each in details]).encode(),
        "last errors": json.dumps([each["last_error"] for each in details]).encode(),
        "reasons": json.dumps(quarantined).encode(),
        "audit": ask(gateway, "GET", "/v1/audit?limit=500")[1],
        "stats": ask(gateway, "GET", "/v1/stats")[1],
        "openapi": ask(gateway, "GET", "/openapi.json")[1],
        **copied,
        **{f"answer {number}": answer for number, (_, answer) in enumerate(refusals)},
        **{f"running: {name}": content for name, content in running.items()},
    }
    check_modes(gateway)
    assert gateway.kill(signal.SIGTERM) == 0
    traces["log"] = gateway.log.read_bytes()
    assert len(traces["log"]) > 1000, "it did log"
    traces |= {
        f"stopped: {path.name}": path.read_bytes() for path in gateway.directory.iterdir() if path.name not in KEYS
    }
    assert len(planted.of) >= 35
    assert {name: found for name, content in traces.items() if (found := planted.found(content))} == {}


def check_profiles(planted: Planted) -> None:
    """A destination with the profile `thin` gets the events, and nobody in them."""
    full, thin = ([body for path, body in Unkind.got if path.endswith(profile)] for profile in ("&full", "&thin"))
    assert len(full) == len(thin) >= 6
    assert set(planted.found(b"".join(full))) >= {
        "given name",
        "family name",
        "address",
        "phone",
        "meeting link",
    }
    assert set(planted.found(b"".join(thin))) <= {"word", "header"}, "the call's own word and content-type"


def copies(gateway: Gateway, to: Path) -> dict[str, bytes]:
    """Copy the database: by the gateway's own command, or all that PostgreSQL gives out."""
    if stores.chosen() == "postgres":
        found = stores.contents(gateway.directory)
        assert sum(map(len, found.values())) > 10_000
        return found
    assert (gateway.directory / "gateway.db-wal").stat().st_size > 10_000
    command = [sys.executable, "-m", "gateway", "backup", str(to)]
    subprocess.run(command, env=gateway.settings | {"PATH": ""}, check=True)
    check_mode(to)
    return {"backup": to.read_bytes()}


def check_modes(gateway: Gateway) -> None:
    for path in [gateway.directory, *gateway.directory.iterdir()]:
        check_mode(path)


def check_mode(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("mask", ["0000", "0277"])
def test_the_umask_of_who_starts_it_does_not_matter(tmp_path: Path, mask: str) -> None:
    command = ("sh", "-c", f'umask {mask}; exec "{sys.executable}" -m gateway serve')
    gateway = Gateway(tmp_path / "data", command=command).start()
    try:
        check_modes(gateway)
    finally:
        gateway.kill()


def test_a_canary_that_is_planted_is_found(planted: Planted) -> None:
    name, address = planted("given name"), planted.email("address")
    assert planted.found(f"...{name.upper()}...".encode()) == ["given name"]
    assert planted.found(address.replace("@", "%40").encode()) == ["address"]
    assert planted.found(address.replace("@", "\\u0040").encode()) == ["address"]
    assert planted.found(b"nothing") == []
