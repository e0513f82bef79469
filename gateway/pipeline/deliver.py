"""Step 3: one claimed delivery becomes one attempt: sign, send, judge the answer."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

from msgspec import Struct, field

from gateway.contract.errors import ConfigurationError, EgressRefused
from gateway.egress import NoAnswer, Reply
from gateway.metrics import Metrics
from gateway.pipeline.render import render
from gateway.pipeline.retry import SUCCESS, seconds_asked, verdict
from gateway.store.model import Claimed, Destination, Result, SigningSecret
from gateway.tracing import NotTracing, Tracing

CONTENT_TYPES = {"standard": "application/json", "cloudevents": "application/cloudevents+json"}
MOST_HEADERS = 32
LONGEST_HEADER = 8192
_REDIRECTS = range(300, 400)
_PHRASES = {each.value: each.phrase for each in HTTPStatus}

# Ours, or a matter between two neighbours on the wire, or what decides how the bytes are read.
_RESERVED = frozenset(
    (
        *("accept-encoding", "connection", "content-encoding", "content-length", "content-type", "expect", "host"),
        *("http2-settings", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te"),
        *("trailer", "transfer-encoding", "upgrade", "webhook-id", "webhook-signature", "webhook-timestamp"),
    )
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE = re.compile(r"[!-~]([\t -~]*[!-~])?|")


class Door(Protocol):
    """The part of Egress that a delivery needs."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply: ...


class Terms(Struct, frozen=True, kw_only=True):
    """What is the same for all deliveries.

    `schedule`: seconds before each retry. `timeout`: seconds for one whole attempt. `pause_after`: seconds of nothing
    but failures after which a destination is paused; None: never. `clock`: seconds since 1970 as the world counts
    them, because consumers compare the signed time with theirs. `unit`: uniform in [0, 1). `schemas_at`: the address
    under which consumers find `/schemas`, None: nowhere. `metrics`: where attempts are counted. `tracing`: who is told
    of them.
    """

    schedule: Sequence[float]
    timeout: float
    pause_after: float | None = None
    schemas_at: str | None = None
    clock: Callable[[], float] = time.time
    unit: Callable[[], float] = random.random
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=NotTracing)


async def deliver(claimed: Claimed, destination: Destination, door: Door, terms: Terms) -> Result:
    """Try once; whatever the consumer does becomes a Result, within the timeout."""
    with terms.tracing.attempt(claimed.event_id, claimed.event_type, destination.id, claimed.attempt) as attempted:
        result = await _deliver(claimed, destination, door, terms, attempted.headers)
        attempted.outcome, attempted.status = result.outcome, result.status
    return result


async def _deliver(
    claimed: Claimed, destination: Destination, door: Door, terms: Terms, traced: Mapping[str, str]
) -> Result:
    started = _Start(claimed, terms)
    try:
        async with asyncio.timeout(terms.timeout):
            body = render(claimed.body, destination.format, destination.profile, terms.schemas_at)
            headers = {**_headers(claimed, destination, body, started.at), **traced}
            reply = await door.post(destination.url, headers, body)
    except TimeoutError:
        return started.failed(f"no whole answer within {terms.timeout:g} s")
    except (NoAnswer, EgressRefused) as error:
        return started.failed(str(error))
    return started.answered(reply)


def failed(claimed: Claimed, terms: Terms, words: str) -> Result:
    """Count an attempt that broke in our own hands: it must end dead one day, like any other."""
    return _Start(claimed, terms).failed(words)


def sign(secrets: Sequence[str], event_id: str, timestamp: int, body: bytes) -> str:
    """Make the `webhook-signature` of Standard Webhooks 1.0: one `v1,...` for each secret (`whsec_` and base64).

    `timestamp` in seconds since 1970. Raises ValueError for a secret that cannot be read.
    """
    message = b"%b.%d.%b" % (event_id.encode("ascii"), timestamp, body)
    digests = (hmac.digest(_key(secret), message, hashlib.sha256) for secret in secrets)
    return " ".join("v1," + base64.b64encode(digest).decode("ascii") for digest in digests)


def check_headers(headers: Mapping[str, str]) -> None:
    """Pass a destination's own headers; raises ConfigurationError that names the wrong one, never its value."""
    if len(headers) > MOST_HEADERS:
        raise ConfigurationError(f"headers: at most {MOST_HEADERS}")
    if len({name.lower() for name in headers}) < len(headers):
        raise ConfigurationError("headers: a name is given twice")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError(f"headers: {name[:40]!r} is not a header name")
        if name.lower() in _RESERVED:
            raise ConfigurationError(f"headers: {name} is set by the gateway itself")
        if len(value) > LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
            raise ConfigurationError(f"headers: the value of {name} must be printable ASCII, at most {LONGEST_HEADER}")


class _Start:
    """The beginning of an attempt, to which every end refers."""

    def __init__(self, claimed: Claimed, terms: Terms) -> None:
        self._claimed = claimed
        self._terms = terms
        self._ticks = time.monotonic()
        self.at = terms.clock()

    def failed(self, words: str) -> Result:
        return self._end(None, 0.0, words)

    def answered(self, reply: Reply) -> Result:
        asked = seconds_asked(reply.retry_after, datetime.fromtimestamp(self._terms.clock(), UTC))
        return self._end(reply.status, asked, _words(reply.status))

    def _end(self, status: int | None, asked: float, words: str | None) -> Result:
        claimed, terms = self._claimed, self._terms
        said = verdict(claimed.tries, status, asked, terms.schedule, terms.unit())
        return Result(
            delivery=claimed.delivery,
            attempt=claimed.attempt,
            outcome="retry" if said.outcome == "pause" else said.outcome,
            wait=said.wait,
            started_at=int(self.at * 1000),
            duration_ms=round((time.monotonic() - self._ticks) * 1000),
            status=status,
            error=words,
        )


def _headers(claimed: Claimed, destination: Destination, body: bytes, at: float) -> dict[str, str]:
    """Put ours after the destination's own, which so can replace none of them."""
    timestamp, secrets = int(at), _live(destination.secrets, at)
    if not secrets:
        raise ValueError("the destination has no live signing secret")
    own = {name.lower(): value for name, value in destination.headers.items()}
    return own | {
        "content-type": CONTENT_TYPES[destination.format],
        "webhook-id": claimed.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, claimed.event_id, timestamp, body),
    }


def _live(secrets: Sequence[SigningSecret], at: float) -> list[str]:
    return [each.secret for each in secrets if each.expires_at is None or each.expires_at > at * 1000]


@lru_cache(maxsize=1024)
def _key(secret: str) -> bytes:
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a signing secret is not base64") from None
    if not key:
        raise ValueError("a signing secret is empty")
    return key


def _words(status: int) -> str | None:
    """Say what a status means in the standard's words; the consumer's own are never kept."""
    if status in SUCCESS:
        return None
    words = f"{status} {_PHRASES.get(status, '')}".strip()
    return f"{words}: redirects are not followed" if status in _REDIRECTS else words
