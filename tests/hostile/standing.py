"""A real gateway with connections of every kind, raw sockets to it, and a look at what it kept."""

import base64
import hashlib
import hmac
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.bench.load import meeting, signed
from tests.e2e.running import Gateway

SECRET = "a signing secret of this suite"
OTHER_SECRET = "another secret, never connected"
HEX_KEY = "0f" * 32
SERVE = (sys.executable, "-m", "gateway", "serve")
EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "15"))
"""Tries of generated input; to look longer: `HOSTILE_EXAMPLES=500 .venv/bin/pytest --timeout 0 tests/hostile`."""
PATIENCE = 30.0
"""Seconds until a call that gets no answer counts as hanging; nothing here waits for it when all is well."""

Fields = tuple[tuple[bytes, bytes], ...]


@dataclass
class Answer:
    """One HTTP answer. `word`: what it says in the end, when it was held back before."""

    status: int
    fields: Mapping[bytes, bytes]
    body: bytes
    word: str = ""

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def said(self) -> str:
        """Name what became of a call: its status word, or the number."""
        return self.word or str(self.json()["status"]) if self.status == 200 and self.body else str(self.status)


@dataclass
class Standing:
    """A gateway that runs, and the URLs on it by what stands behind them."""

    gateway: Gateway
    urls: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    port: int = 0
    served: int = 0

    @classmethod
    def up(cls, directory: Path, command: Sequence[str] = SERVE) -> Self:
        """Start one and connect every kind of connection."""
        gateway = Gateway(directory, {"GATEWAY_EGRESS_ALLOW": "127.0.0.1/32:9"}, command)
        gateway.start()
        standing = cls(gateway, port=urlsplit(gateway.url).port or 0)
        key = {"credentials": {"api_key": "x" * 20}, "register": False}
        scheme = {"header": "x-signature", "encoding": "hex", "prefix": "sha256=", "key": "hex"}
        timed = {"header": "x-stamped", "encoding": "hex", "fields": ["t", "v1"], "signed": "{t}.{body}"}
        standing._connect("signed", provider="harmonizely", signing_secret=SECRET, **key)
        # Whoever holds a call back to ask the vendor gets no answer there, and does not wait for one.
        unasked = {"settings": {"base_url": "http://127.0.0.1:9", "confirm_seconds": 0}, **key}
        standing._connect("unsigned", provider="meetergo", **unasked)
        standing._connect("by hand", provider="harmony")
        standing._connect("signed, own", provider="harmonizely", signing_secret=SECRET, own_url=True, **key)
        standing._connect("unsigned, own", provider="meetergo", own_url=True, **unasked)
        standing._connect("never signed, own", provider="harmonizely", unsigned=True, own_url=True, **key)
        standing._connect("by hand, own", provider="harmony", own_url=True)
        standing._connect(
            "by hand and signed",
            provider="harmony",
            own_url=True,
            signing_secret=HEX_KEY,
            settings={"signature": scheme},
        )
        standing._connect(
            "by hand and stamped",
            provider="harmony",
            own_url=True,
            signing_secret=SECRET,
            settings={"signature": {**timed, "tolerance": 300}},
        )
        return standing

    def _connect(self, name: str, **fields: Any) -> None:
        made = self.gateway.call("POST", "/v1/connections", fields)
        self.urls[name], self.ids[name] = made["inbound_url"], made["id"]

    def path(self, name: str) -> bytes:
        """Name the path of a URL."""
        return urlsplit(self.urls[name]).path.encode()

    # --- calling ---------------------------------------------------------------------------------------------------

    def dial(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def raw(self, *pieces: bytes) -> list[Answer]:
        """Send bytes, say that this was all, and read every answer until the gateway hangs up."""
        with self.dial() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it hung up before it had heard all
            return answers(until_closed(connection))

    def post(self, name: str, body: bytes, fields: Fields = (), path: bytes | None = None) -> Answer:
        """Send one well-framed call and read its answer."""
        with self.dial() as connection:
            connection.sendall(framed(path or self.path(name), body, fields))
            return next_answer(connection)

    def settled(self, name: str, body: bytes, fields: Fields = ()) -> Answer:
        """Send a call; one that is held back is asked for again until it is held no more."""
        first = answer = self.post(name, body, fields)
        while answer.said == "held":
            time.sleep(0.05)
            answer = self.post(name, body, fields)
        return answer if first.said != "held" or answer.said != "duplicate" else replace(answer, word="accepted")

    def control(self) -> None:
        """See that an honest call is still accepted."""
        self.served += 1
        with self.dial() as connection:
            connection.sendall(signed(self.urls["signed"], SECRET, meeting(f"control-{self.served}")))
            answer = next_answer(connection)
        assert answer.said == "accepted", (answer.status, answer.body)

    # --- looking ---------------------------------------------------------------------------------------------------

    def kept(self) -> Any:
        """Tell the sums of what is stored."""
        stats = self.gateway.call("GET", "/v1/stats")
        return stats["receipts"], stats["events"]

    def bytes_of(self, answer: Answer) -> bytes:
        """Read again what a 2xx said it kept."""
        said = answer.json()
        if said["status"] == "quarantined":
            return self.fetch(f"/v1/quarantine/{said['receipt']}/raw?exact=true")
        return self.fetch(f"/v1/events/{said['events'][0]}/raw?exact=true")

    def fetch(self, path: str) -> bytes:
        """Read from the API as it is; raises urllib.error.HTTPError for anything but a 2xx."""
        asked = urllib.request.Request(self.gateway.url + path, headers={"authorization": f"Bearer {self.gateway.key}"})
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            body: bytes = answer.read()
        return body

    def down(self) -> None:
        """Stop; whatever came in, nothing unexpected may stand in the log."""
        said = self.gateway.log.read_text()
        self.gateway.kill()
        assert "unexpected_error" not in said, said[-2000:]
        assert "Traceback" not in said, said[-2000:]


# --- signatures ----------------------------------------------------------------------------------------------------


def digest(secret: bytes, message: bytes) -> bytes:
    return hmac.digest(secret, message, hashlib.sha256)


def proof(body: bytes, secret: str = SECRET, encode: Callable[[bytes], bytes] = base64.b64encode) -> Fields:
    """Sign as Harmonizely does."""
    return ((b"webhook-signature", encode(digest(secret.encode(), body))),)


# --- HTTP by hand --------------------------------------------------------------------------------------------------


def framed(path: bytes, body: bytes, fields: Fields = (), method: bytes = b"POST") -> bytes:
    """Write a request as it should be."""
    lines = [method + b" " + path + b" HTTP/1.1", b"host: x", b"content-length: %d" % len(body)]
    return b"\r\n".join([*lines, *(name + b": " + value for name, value in fields)]) + b"\r\n\r\n" + body


def until_closed(connection: socket.socket) -> bytes:
    said = b""
    try:
        while piece := connection.recv(65536):
            said += piece
    except ConnectionResetError:
        pass
    return said


def next_answer(connection: socket.socket) -> Answer:
    """Read one answer off a connection that stays open."""
    said = b""
    while True:
        piece = connection.recv(65536)
        said += piece
        found = answers(said)
        if (
            found
            and (found[0].status >= 200)
            and len(found[0].body) >= int(found[0].fields.get(b"content-length", b"0"))
        ):
            return found[0]
        if not piece:
            raise ConnectionError(f"no answer, only {said!r}")


def answers(said: bytes) -> list[Answer]:
    """Take apart what was said; every answer of the gateway states its length."""
    found = []
    while said.startswith(b"HTTP/1.1 ") and b"\r\n\r\n" in said:
        head, _, said = said.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
        length = int(fields.get(b"content-length", b"0"))
        found.append(Answer(int(lines[0].split(b" ")[1]), fields, said[:length]))
        said = said[length:]
    return found
