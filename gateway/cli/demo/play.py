"""The play: vendors' simulators call a real gateway, and a consumer gets what comes out."""

import asyncio
import base64
import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from gateway.cli.demo.consumer import Consumer, Got
from gateway.cli.demo.stage import HOST, gateway_process, served
from gateway.cli.reach import Failed, Gateway
from gateway.contract.provider import ByHand, Provider
from gateway.contract.signatures import Hmac, Unsigned, sign
from gateway.contract.simulator import Call, Scene, Simulator
from gateway.egress import gateway_client

T = TypeVar("T")

DEADLINE = 30.0
"""Seconds the consumer has to get everything, after the last call was answered."""

SECRET_BYTES = 32

Kind = Literal["sent", "forged", "repeated"]


@dataclass
class Actor:
    """One vendor: its plugin, its simulator, what connecting it answered, and how its calls are signed then."""

    provider: Provider
    simulation: Simulator
    connection: str = ""
    scheme: Hmac | Unsigned = field(init=False)

    def __post_init__(self) -> None:
        self.scheme = self.provider.signature

    @property
    def signs(self) -> bool:
        """Say whether its calls prove where they come from."""
        return isinstance(self.scheme, Hmac) and any(hook.secret for hook in self.simulation.hooks.values())


class Said(Struct, frozen=True, kw_only=True):
    """One call of a vendor, and the gateway's answer. `type`: the event it must become, None: none."""

    provider: str
    title: str
    vendor: str
    word: str
    kind: Kind
    type: str | None
    status: int
    answer: dict[str, Any]


class Outcome(Struct, frozen=True, kw_only=True):
    """All that was said and got. `connections`: id -> (provider's name, whether its calls are signed)."""

    connections: dict[str, tuple[str, bool]]
    said: list[Said]
    got: list[Got]
    quarantined: list[str]
    logged: list[str]
    planned: int


async def perform(actors: Sequence[Actor], consumer: Consumer) -> Outcome:
    """Run the whole play on a temporary directory, and clear the stage whatever happens. Raises Failed."""
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-"))
        sink = await stack.enter_async_context(served(consumer))
        ports = [await stack.enter_async_context(served(actor.simulation.app)) for actor in actors]
        url, key = await stack.enter_async_context(gateway_process(Path(directory), [sink, *ports]))
        gateway = Gateway(stack.enter_context(gateway_client(url, key)), url)
        consumer.secret = (await _asked(gateway.post, "/v1/destinations", _destination(sink)))["secret"]
        for actor, port in zip(actors, ports, strict=True):
            await _connect(gateway, actor, f"http://{HOST}:{port}")
        said = [await _say(url, step) for step in steps(actors)]
        with contextlib.suppress(TimeoutError):  # what is missing then, the verdict says
            async with asyncio.timeout(DEADLINE):
                await consumer.has(sum(one.kind == "sent" and one.type is not None for one in said))
        return await _outcome(gateway, actors, said, consumer)


async def _asked(call: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.to_thread(call, *arguments)


def _destination(port: int) -> dict[str, Any]:
    return {"url": f"http://{HOST}:{port}/events", "name": "the demo's consumer"}


async def _connect(gateway: Gateway, actor: Actor, base_url: str) -> None:
    """Connect a vendor: through its API, or by pasting the URL into its settings where it has none."""
    settings = actor.simulation.settings(base_url)
    actor.scheme = _scheme(actor.provider, settings)
    body = {
        "provider": actor.provider.name,
        "name": f"{actor.provider.title} (demo)",
        "credentials": dict(actor.simulation.credentials),
        "settings": settings,
    }
    by_hand = isinstance(actor.provider.webhooks, ByHand)
    secret = signing_secret(actor.scheme) if by_hand and isinstance(actor.scheme, Hmac) else None
    connection = await _asked(gateway.post, "/v1/connections", body | ({"signing_secret": secret} if secret else {}))
    actor.connection = connection["id"]
    if by_hand:
        actor.simulation.paste(connection["inbound_url"], secret)


def _scheme(provider: Provider, settings: dict[str, Any]) -> Hmac | Unsigned:
    try:
        return provider.scheme(msgspec.convert(settings, provider.settings))
    except msgspec.ValidationError as error:
        raise Failed(f"{provider.name}: its simulator's settings are not those of the plugin: {error}") from None


def signing_secret(scheme: Hmac) -> str:
    """Make a secret that can be read as the scheme says."""
    match scheme.key:
        case "text":
            return secrets.token_urlsafe(SECRET_BYTES)
        case "hex":
            return secrets.token_hex(SECRET_BYTES)
        case "base64":
            return base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


# --- the calls -----------------------------------------------------------------------------------------------------


class Step(Struct, frozen=True):
    """What happens next at which vendor, and whether the call is its own."""

    actor: Actor
    scene: Scene
    kind: Kind


def steps(actors: Sequence[Actor]) -> Iterator[Step]:
    """Interleave the vendors' stories; in the second round one call is forged first, and one comes twice.

    The forged call has the very body that the vendor sends next: only the signature tells them apart.
    """
    forged = next((actor for actor in actors if actor.signs), None)
    repeated = actors[-1]
    for number, round_ in enumerate(zip_longest(*(actor.simulation.story() for actor in actors))):
        for actor, scene in zip(actors, round_, strict=True):
            if scene is None:
                continue
            if number == 1 and actor is forged:
                yield Step(actor, scene, "forged")
            yield Step(actor, scene, "sent")
            if number == 1 and actor is repeated:
                yield Step(actor, scene, "repeated")


async def _say(url: str, step: Step) -> Said:
    calls = step.actor.simulation.calls(step.scene.word, step.scene.body)
    status, answer = 0, {"title": "no webhook of this vendor subscribes to the event"}
    for call in calls:
        status, answer = await _asked(_post, url, _forged(step.actor, call) if step.kind == "forged" else call)
    return Said(
        provider=step.actor.provider.name,
        vendor=step.actor.provider.title,
        title=step.scene.title,
        word=step.scene.word,
        kind=step.kind,
        type=step.scene.type,
        status=status,
        answer=answer,
    )


def _forged(actor: Actor, call: Call) -> Call:
    """Sign a call as somebody would who knows everything but the secret."""
    assert isinstance(actor.scheme, Hmac)  # only a signing vendor's calls are forged
    at = datetime.now(UTC)
    name, value = sign(actor.scheme, signing_secret(actor.scheme), url=call.url, body=call.body, at=at)
    kept = tuple(header for header in call.headers if header[0].lower() != name)
    return Call(call.url, (*kept, (name, value)), call.body)


def _post(url: str, call: Call) -> tuple[int, dict[str, Any]]:
    with gateway_client(url, "") as client:
        del client.headers["authorization"]  # vendors have no key
        answer = client.post(call.url, content=call.body, headers=list(call.headers))
    return answer.status_code, msgspec.json.decode(answer.content, type=dict[str, Any])


async def _outcome(gateway: Gateway, actors: Sequence[Actor], said: list[Said], consumer: Consumer) -> Outcome:
    whole = {"limit": 500}
    quarantine = await _asked(gateway.get, "/v1/quarantine", whole)
    events = await _asked(gateway.get, "/v1/events", whole)
    deliveries = await _asked(gateway.get, "/v1/deliveries", whole)
    return Outcome(
        connections={actor.connection: (actor.provider.name, actor.signs) for actor in actors},
        said=said,
        got=list(consumer.got),
        quarantined=[item["receipt"] for item in quarantine["items"]],
        logged=[item["id"] for item in events["items"]],
        planned=len(deliveries["items"]),
    )
