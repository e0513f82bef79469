"""The play interleaves the vendors' stories, forges one call and repeats one, and clears the stage afterwards."""

import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from gateway.cli.demo.play import Actor, _forged, signing_secret, steps
from gateway.cli.demo.stage import gateway_process, served
from gateway.cli.reach import Failed
from gateway.contract.provider import ByHand, Provider
from gateway.contract.signatures import Hmac, Unsigned, sign, usable, verify
from gateway.contract.simulator import Scene, Simulator

SCHEME = Hmac(header="x-sig", encoding="hex")


class Vendor(Provider):
    name = "vendor"
    signature: ClassVar[Hmac | Unsigned] = SCHEME
    title = "A vendor"
    docs = "https://example.com"
    webhooks = ByHand("paste {url}")
    types = ()

    def recognises(self, *_: object) -> bool:
        return False

    def translate(self, *_: object) -> list[Any]:
        return []


class Unsigning(Vendor):
    signature = Unsigned("https://example.com says so")


class Theatre(Simulator):
    """A vendor with a story of so many scenes."""

    credentials = {}  # noqa: RUF012 -- as the contract declares it

    def __init__(self, scenes: int) -> None:
        super().__init__()
        self.scenes = scenes

    @property
    def app(self) -> Any:
        return None

    def settings(self, base_url: str) -> dict[str, Any]:
        return {"base_url": base_url}

    def headers(self, hook: Any, word: str, body: bytes) -> tuple[tuple[str, str], ...]:
        del word
        stated = sign(SCHEME, hook.secret, url=hook.url, body=body, at=datetime.now(UTC)) if hook.secret else None
        return (("content-type", "application/json"), *([stated] if stated else []))

    def story(self) -> Sequence[Scene]:
        return [Scene(title=str(n), word="w", body=b"{}", type="booking.scheduled") for n in range(self.scenes)]


def actor(scenes: int, secret: str | None = None) -> Actor:
    simulation = Theatre(scenes)
    simulation.paste("http://127.0.0.1:1/in/token", secret)
    return Actor(Vendor() if secret else Unsigning(), simulation)


def told(*actors: Actor) -> list[tuple[int, str, str]]:
    return [(actors.index(step.actor), step.scene.title, step.kind) for step in steps(actors)]


def test_stories_are_interleaved_with_one_forged_and_one_repeated_call() -> None:
    assert told(actor(2), actor(3, "secret"), actor(2)) == [
        (0, "0", "sent"),
        (1, "0", "sent"),
        (2, "0", "sent"),
        (0, "1", "sent"),
        (1, "1", "forged"),
        (1, "1", "sent"),
        (2, "1", "sent"),
        (2, "1", "repeated"),
        (1, "2", "sent"),
    ]


@pytest.mark.parametrize("key", ["text", "hex", "base64"])
def test_a_signing_secret_is_one_that_the_scheme_can_read(key: Literal["text", "hex", "base64"]) -> None:
    scheme = Hmac(header="x-sig", encoding="hex", key=key)
    assert usable(scheme, signing_secret(scheme))
    assert signing_secret(scheme) != signing_secret(scheme)


def test_only_a_vendor_that_signs_can_be_forged() -> None:
    assert "forged" not in {kind for _, _, kind in told(actor(3))}


def test_a_forged_call_is_the_vendors_own_but_for_the_signature() -> None:
    signing = actor(1, "the-real-secret")
    (call,) = signing.simulation.calls("w", b'{"a": 1}')
    forged = _forged(signing, call)
    assert (forged.url, forged.body) == (call.url, call.body)
    assert [name for name, _ in forged.headers] == [name for name, _ in call.headers]
    for one, genuine in ((call, True), (forged, False)):
        headers = [(name, value.encode()) for name, value in one.headers]
        at = datetime.now(UTC)
        assert verify(SCHEME, ["the-real-secret"], url=one.url, headers=headers, body=one.body, at=at) is genuine


async def test_a_stage_is_cleared_when_the_play_ends_badly() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive, send

    async def play(ports: list[int]) -> None:
        async with served(app) as port:
            socket.create_connection(("127.0.0.1", port)).close()
            ports.append(port)
            raise ZeroDivisionError

    ports: list[int] = []
    with pytest.raises(ZeroDivisionError):
        await play(ports)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]))


async def test_a_gateway_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"did not start: gateway: GATEWAY_EGRESS_ALLOW: .* the port"):
        async with gateway_process(tmp_path, [99999]):
            pass
