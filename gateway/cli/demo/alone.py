"""One vendor of the demo by itself: it waits for a webhook, and calls it when somebody says so."""

import contextlib
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import msgspec
import uvicorn

from gateway.cli import show
from gateway.cli.demo.play import signing_secret
from gateway.cli.demo.stage import HOST
from gateway.cli.reach import Failed
from gateway.contract.provider import ByHand, Provider
from gateway.contract.signatures import Hmac
from gateway.contract.simulator import Call, Scene, Simulator
from gateway.egress import ClientError, stranger
from gateway.registry import load_providers, load_simulator

LOOK_SECONDS = 0.2
"""How often it looks whether a webhook was made."""
SETTLING_SECONDS = 1.0
"""How long whoever made a webhook gets to write that down, before it is called."""


class Vendor:
    """A provider's simulator, served at `base_url`. `secret`: what it signs with where a person pastes the webhook."""

    def __init__(self, provider: Provider, simulation: Simulator, base_url: str) -> None:
        self.provider, self.simulation, self.base_url = provider, simulation, base_url
        self.by_hand = isinstance(provider.webhooks, ByHand)
        self.settings = simulation.settings(base_url)
        scheme = provider.scheme(msgspec.convert(self.settings, provider.settings))
        self.secret = signing_secret(scheme) if self.by_hand and isinstance(scheme, Hmac) else None
        self._story = chain.from_iterable(simulation.story() for _ in repeat(None))

    def command(self) -> str:
        """Write the command that connects it; what is secret stands in the environment, as it should."""
        given = {name.upper(): value for name, value in self.simulation.credentials.items()}
        words = ["gateway", "connect", self.provider.name]
        for name in self.simulation.credentials:
            words += ["--credential", f"{name}=env:{name.upper()}"]
        if self.secret:
            given["SECRET"] = self.secret
            words += ["--signing-secret", "env:SECRET"]
        for name, value in self.settings.items():
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            words += ["--set", f"{name}={text}"]
        return " ".join([*(f"{name}={shlex.quote(value)}" for name, value in given.items()), shlex.join(words)])

    def introduction(self) -> dict[str, Any]:
        """Say where it is and what it wants, for programs."""
        return {
            "provider": self.provider.name,
            "base_url": self.base_url,
            "credentials": dict(self.simulation.credentials),
            "settings": self.settings,
            "connect": self.command(),
        }

    def paste(self, url: str) -> None:
        """Set the webhook up as a person does on a settings page; the one before is gone."""
        self.simulation.hooks.clear()
        self.simulation.paste(url, self.secret)

    def tell(self) -> Iterator[dict[str, Any]]:
        """Let the next thing happen, and say what each webhook's receiver answered."""
        scene = next(self._story)
        for call in self.simulation.calls(scene.word, scene.body):
            yield _said(scene, *_post(call))

    def tell_all(self) -> Iterator[dict[str, Any]]:
        """Let the whole story happen."""
        for _ in self.simulation.story():
            yield from self.tell()


def run(name: str, port: int, pasted: str | None, *, send: bool, as_json: bool) -> int:
    """Be a vendor until told to stop; the exit status. Raises Failed."""
    provider = load_providers().get(name)
    if provider is None:
        raise Failed(f"there is no provider {name!r}: there is {', '.join(load_providers())}")
    simulation = load_simulator(provider)()
    with _served(simulation.app, port) as taken:
        vendor = Vendor(provider, simulation, f"http://{HOST}:{taken}")
        if pasted is not None:
            vendor.paste(pasted)
        _introduce(vendor, send=send, as_json=as_json)
        if send:
            return _send(vendor, as_json=as_json)
        with contextlib.suppress(KeyboardInterrupt):
            _listen(vendor, as_json=as_json)
    return 0


@contextlib.contextmanager
def _served(app: Any, port: int) -> Iterator[int]:
    """Serve an ASGI application on a thread of its own, so that this one can wait for somebody to press Enter."""
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise Failed(f"port {port} of {HOST}: {error.strerror}: take another with --port") from None
    config = uvicorn.Config(app, log_config=None, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _introduce(vendor: Vendor, *, send: bool, as_json: bool) -> None:
    if as_json:
        show.print_json_line(vendor.introduction())
        sys.stdout.flush()
        return
    show.say(f"Simulated {show.clean(vendor.provider.title)}, at {vendor.base_url}")
    for name, value in vendor.simulation.credentials.items():
        show.say(f"  {show.clean(name)}  {show.clean(value)}")
    show.say(f"\nConnect it:\n  {show.clean(vendor.command())}")
    if not vendor.by_hand:
        port = vendor.base_url.rpartition(":")[2]
        show.say(f"The gateway must be allowed to ask it: GATEWAY_EGRESS_ALLOW={HOST}/32:{port} gateway serve")
    elif not vendor.simulation.hooks:
        show.say("Then paste the inbound URL here, as you would into its settings.")
    if send:
        show.say("\nIt makes its calls as soon as there is a webhook.")
    else:
        show.say("\nEnter makes the next call of a booking's life; Ctrl-C ends it.")
    sys.stdout.flush()


def _listen(vendor: Vendor, *, as_json: bool) -> None:
    """Do what is typed: a URL is the webhook, anything else the sign to go on. Ends with what is typed at a terminal;
    where nobody sits, it stays until it is ended."""
    for line in sys.stdin:
        url = line.strip()
        if url.startswith(("http://", "https://")):
            vendor.paste(url)
            _remark("It calls that URL from now on.", as_json=as_json)
        elif not vendor.simulation.hooks:
            _remark("There is no webhook yet: connect it first, as above.", as_json=as_json)
        else:
            _report(vendor.tell(), as_json=as_json)
    while not sys.stdin.isatty():
        time.sleep(LOOK_SECONDS)


def _send(vendor: Vendor, *, as_json: bool) -> int:
    while not vendor.simulation.hooks:
        time.sleep(LOOK_SECONDS)
    time.sleep(SETTLING_SECONDS)
    return int(not _report(vendor.tell_all(), as_json=as_json))


def _report(said: Iterator[dict[str, Any]], *, as_json: bool) -> bool:
    """Print what happened, and say whether every call was taken."""
    taken, told = True, False
    for one in said:
        taken, told = taken and one["status"] == 200, True  # noqa: PLR2004 -- what a call that is kept is answered
        if as_json:
            show.print_json_line(one)
        else:
            show.say(f"{show.clean(one['title'])} ({show.clean(one['word'])}) -> {_answer(one)}")
    if not told:
        _remark("No webhook subscribed to what happened now.", as_json=as_json)
    sys.stdout.flush()
    return taken


def _answer(one: dict[str, Any]) -> str:
    answer = one["answer"]
    word = answer.get("status") if isinstance(answer.get("status"), str) else answer.get("title")
    reason = answer.get("reason") or answer.get("detail")
    return show.clean(f"{one['status'] or 'no answer'} {word or ''}".strip() + (f": {reason}" if reason else ""))


def _remark(words: str, *, as_json: bool) -> None:
    print(words, file=sys.stderr if as_json else sys.stdout, flush=True)


def _said(scene: Scene, status: int, answer: dict[str, Any]) -> dict[str, Any]:
    return {"title": scene.title, "word": scene.word, "status": status, "answer": answer}


def _post(call: Call) -> tuple[int, dict[str, Any]]:
    try:
        with stranger() as client:
            answer = client.post(call.url, content=call.body, headers=list(call.headers))
        return answer.status_code, msgspec.json.decode(answer.content or b"{}", type=dict[str, Any])
    except ClientError as error:
        return 0, {"detail": str(error)}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return answer.status_code, {"detail": "not as a gateway answers"}
