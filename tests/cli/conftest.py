"""A gateway's API as interface.md documents it, served on loopback, and the command line run in this process."""

import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.cli.main import main

KEY = "gwk_" + "k" * 43
INBOUND = "http://127.0.0.1:8080/in/" + "t" * 43
CONNECTION: dict[str, Any] = {
    "id": "con_" + "a" * 26, "provider": "harmonizely", "name": "Sales", "status": "waiting", "silent": False,
    "inbound_url": INBOUND, "account": None, "settings": {"site": "simplymeet"}, "verification": "signature",
    "remote": {"id": "wh-1", "url": INBOUND, "events": ["meetingScheduled"], "checked_at": "2026-03-01T09:30:00Z"},
    "instructions": None, "last_received_at": "2026-03-01T09:30:00.123Z", "rejected": 0, "last_rejected_at": None,
    "created_at": "2026-03-01T09:00:00Z",
}  # fmt: skip
DESTINATION: dict[str, Any] = {
    "id": "dst_" + "b" * 26, "name": "crm", "url": "https://crm.example.com/hooks", "types": ["booking.*"],
    "providers": None, "connections": None, "headers": {}, "format": "standard", "profile": "full", "rate": None,
    "paused": True, "paused_reason": "410 Gone", "created_at": "2026-03-01T09:00:00Z",
}  # fmt: skip
EVENT: dict[str, Any] = {
    "id": "evt_" + "c" * 32, "type": "booking.attendee_removed", "timestamp": "2026-02-27T08:00:00Z",
    "origin": {"provider": "harmonizely", "connection": CONNECTION["id"], "received_at": "2026-03-01T09:30:00.123Z"},
    "key": "harmonizely:x:1",
    "data": {"booking": {"title": "Demo", "attendees": [{"name": "Bernice"}], "hosts": [], "notes": None}},
}  # fmt: skip
DELIVERY: dict[str, Any] = {
    "id": "dlv_" + "d" * 26, "event": EVENT["id"], "event_type": EVENT["type"], "destination": DESTINATION["id"],
    "key": EVENT["key"], "status": "dead", "attempt": 12, "due_at": None, "last_status": 500, "last_error": None,
    "created_at": "2026-03-01T09:30:00Z", "finished_at": "2026-03-01T09:30:00Z",
    "attempts": [{"number": 1, "started_at": "2026-03-01T09:30:00Z", "duration_ms": 3, "status": 500, "error": None}],
}  # fmt: skip
QUARANTINED: dict[str, Any] = {
    "receipt": "rcp_" + "e" * 26, "connection": CONNECTION["id"], "reason": "$.data.uuid: expected str",
    "received_at": "2026-03-01T09:30:00Z", "size": 17, "sha256": "0" * 64,
}  # fmt: skip
API_KEY: dict[str, Any] = {"id": "key_1", "name": "ci", "scopes": ["events:read"], "created_at": "2026-03-01T09:00:00Z"}
PROVIDER: dict[str, Any] = {
    "name": "harmonizely", "title": "Harmonizely / SimplyMeet.me", "docs": "https://example.com", "signature": "hmac",
    "webhooks": "api", "bookings": False, "settings": [], "events": ["meetingScheduled"],
    "credentials": [
        {"name": "api_key", "required": True, "secret": True, "description": "from their settings"},
        {"name": "user_id", "required": False, "secret": False, "description": ""},
    ],
}  # fmt: skip


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    key: str | None
    body: Any


@dataclass
class StandIn:
    """Answer what was put in `answers`, by method and path, and remember what was asked.

    An answer that is a function is called with the query.
    """

    url: str = ""
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, method: str, path: str, body: Any = None, status: int = 200) -> None:
        self.answers[method, path] = (status, body)

    def page(self, path: str, *items: Any, next_: str | None = None) -> None:
        self.answer("GET", path, {"items": list(items), "next": next_})

    def problem(self, method: str, path: str, status: int, detail: str) -> None:
        self.answer(method, path, {"title": "Refused", "status": status, "detail": detail}, status)


def _handler(standin: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            key = (self.headers.get("authorization") or "").removeprefix("Bearer ")
            body = json.loads(content) if content else None
            standin.asked.append(Asked(self.command, parts.path, parse_qs(parts.query), key, body))
            nothing = (404, {"title": "Not Found", "status": 404, "detail": "There is no such thing."})
            status, answer = standin.answers.get((self.command, parts.path), nothing)
            answer = answer(parse_qs(parts.query)) if callable(answer) else answer
            sent = answer if isinstance(answer, bytes) else b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            if status == 403:
                self.send_header("www-authenticate", f'Bearer scope="{answer["detail"].split()[-1].rstrip(".")}"')
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_HEAD = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815 -- the names are http.server's

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is http.server's
            pass

    return Handler


@pytest.fixture
def standin() -> Iterator[StandIn]:
    found = StandIn()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(found)) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ended]


class Terminal(io.StringIO):
    """Standard input with a person behind it."""

    def isatty(self) -> bool:
        return True


Terminals = Callable[[int], None]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminals:
    """Make standard output a terminal of so many columns."""

    def become(columns: int) -> None:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))

    return become


def plain(out: str) -> list[str]:
    """Read what a terminal shows: its lines, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", out).splitlines()


@pytest.fixture
def bare_cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Run a command in an empty directory that knows of no gateway."""
    monkeypatch.chdir(tmp_path)
    for name in ("GATEWAY_URL", "GATEWAY_KEY", "GATEWAY_CONFIG", "GATEWAY_DATA_DIR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: str | io.StringIO = "", **environ: str) -> Ended:
        monkeypatch.setattr("sys.stdin", stdin if isinstance(stdin, io.StringIO) else io.StringIO(stdin))
        with monkeypatch.context() as patch:
            for name, value in environ.items():
                patch.setenv(name, value)
            try:
                status = main(arguments)
            except SystemExit as exit_:  # click's own, for a group without a command
                status = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Ended(status, captured.out, captured.err)

    return run


@pytest.fixture
def cli(bare_cli: Cli, standin: StandIn, tmp_path: Path) -> Cli:
    """Run a command in a directory where a gateway runs: the stand-in."""
    data = tmp_path / "gateway-data"
    data.mkdir()
    (data / "gateway.url").write_text(standin.url + "\n")
    (data / "admin.key").write_text(KEY + "\n")
    return bare_cli
