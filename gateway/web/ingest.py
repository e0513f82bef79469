"""`POST /in/{token}`: the one inbound URL. Token before body; the answer after the commit that holds the call."""

import asyncio
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import msgspec
import structlog

from gateway.contract.errors import StoreUnavailable
from gateway.contract.provider import Inbound
from gateway.metrics import UNKNOWN
from gateway.pipeline.normalize import LARGE, Arrived, Rows, as_made, rows
from gateway.pipeline.receive import Call, Inbox, Received, Refused, receive
from gateway.store.model import Accepted
from gateway.web.problems import DETAILS, failed_at
from gateway.web.services import Services
from gateway.web.unable import unable

Headers = Sequence[tuple[bytes, bytes]]
"""Lower-case names and their values, as they came."""

PATH = re.compile(rb"/in/([A-Za-z0-9_-]{32,256})")

_log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode
_JSON = b"content-type: application/json\r\n"


class Answer(NamedTuple):
    """What is answered. `fields`: header lines, each with its line break."""

    status: int
    fields: bytes
    body: bytes


Answering = Callable[[Answer], None]
Admitting = Callable[[Inbox | Answer], None]


class Ingest:
    """What becomes of a call: decided by its head, and again when its body is whole."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._count = services.metrics.called
        self.max_body = services.settings.max_body
        self._reader = ThreadPoolExecutor(1, "large-calls")
        self.too_large = problem(413, "Content Too Large", f"A body has at most {self.max_body} bytes.")

    def admit(self, method: bytes, path: bytes, headers: Headers, told: Admitting) -> None:
        """Find whose URL it is, or the answer to give without reading a byte of the body.

        `told` hears it: at once, or when a URL that nobody here knows was looked for among what others just made.
        """
        matched = PATH.fullmatch(path)
        if matched is None:
            told(self._unknown())
            return
        token, following = matched[1].decode("ascii"), self._services.following
        inbox = self._services.inboxes.by_token(token)
        if inbox is None and following is not None:
            following.latest().add_done_callback(lambda done: told(self._late(method, token, headers, done)))
        else:
            told(self._admit(method, inbox, headers))

    def _late(self, method: bytes, token: str, headers: Headers, latest: "asyncio.Future[None]") -> Inbox | Answer:
        try:
            latest.result()
        except StoreUnavailable as error:
            self._count(UNKNOWN, "unavailable")
            return _unavailable(error.retry_after)
        return self._admit(method, self._services.inboxes.by_token(token), headers)

    def _unknown(self) -> Answer:
        self._count(UNKNOWN, "refused", "token")
        return _NOTHING_HERE

    def _admit(self, method: bytes, inbox: Inbox | None, headers: Headers) -> Inbox | Answer:
        if inbox is None:
            return self._unknown()
        if method != b"POST":
            return _PROBED if method in (b"GET", b"HEAD") else _NOT_A_POST
        for name, value in headers:
            if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                self._count(UNKNOWN, "refused", "encoding")
                return _ENCODED
            if name == b"content-length" and int(value) > self.max_body:
                return self.too_large
        return inbox

    def take(self, inbox: Inbox, headers: Headers, body: bytes, answer: Answering) -> None:
        """Keep one call; `answer` is told once it is on disk, or refused. Raises nothing."""
        try:
            named = tuple([(name.decode("latin-1"), value) for name, value in headers])
            self._take(Inbound(inbox.url, named, body, datetime.now(UTC)), inbox, answer)
        except Exception as error:  # noqa: BLE001 -- a mistake of ours is a 500, and its text may hold anything
            answer(_failed(error))

    def _take(self, inbound: Inbound, inbox: Inbox, answer: Answering) -> None:
        if self._services.not_ready:
            self._count(UNKNOWN, "unavailable")
            answer(_unavailable(5))
            return
        self._receive(inbound, inbox, answer)

    def _receive(self, inbound: Inbound, inbox: Inbox, answer: Answering, *, latest: bool = False) -> None:
        """Decide whose call it is. `latest`: all is known that other processes changed in the configuration."""
        if len(inbound.body) > LARGE:
            received = asyncio.get_running_loop().run_in_executor(self._reader, receive, inbound, inbox)
            received.add_done_callback(lambda done: self._received(inbound, inbox, answer, latest, done))
        else:
            self._decide(inbound, receive(inbound, inbox), inbox, answer, latest)

    def _received(
        self, inbound: Inbound, inbox: Inbox, answer: Answering, latest: bool, received: "asyncio.Future[Call]"
    ) -> None:
        try:
            self._decide(inbound, received.result(), inbox, answer, latest)
        except Exception as error:  # noqa: BLE001 -- as above
            answer(_failed(error))

    def _decide(self, inbound: Inbound, call: Call, inbox: Inbox, answer: Answering, latest: bool) -> None:
        following = self._services.following
        if following is not None and not latest and not isinstance(call, Received):
            following.latest().add_done_callback(lambda done: self._again(inbound, answer, done))
            return
        if isinstance(call, Refused):
            self._count(_provider_of(call.connections, inbox), "refused", "signature")
            self._services.refusals.add(call.connections)
            answer(_UNPROVEN)
            return
        self._store(Arrived(call, inbox), answer)

    def _again(self, inbound: Inbound, answer: Answering, latest: "asyncio.Future[None]") -> None:
        """Decide anew on a call that nobody here knew: its connection may have been made elsewhere just now."""
        try:
            latest.result()
            now = self._services.inboxes.by_token(inbound.url.rpartition("/")[2])
            if now is None:
                answer(self._unknown())
            else:
                self._receive(inbound, now, answer, latest=True)
        except StoreUnavailable as error:
            self._count(UNKNOWN, "unavailable")
            answer(_unavailable(error.retry_after))
        except Exception as error:  # noqa: BLE001 -- as above
            answer(_failed(error))

    def _store(self, arrived: Arrived, answer: Answering) -> None:
        told = partial(self._stored, arrived, answer)
        if arrived.size <= LARGE:
            self._services.store.take_then(rows, arrived, told)
            return
        # A large call is read on a thread of its own, so that nobody's commit and no other caller waits for it.
        made = asyncio.get_running_loop().run_in_executor(self._reader, rows, [arrived])
        made.add_done_callback(partial(self._made, told))

    def _made(self, told: Callable[[Accepted | Exception], None], made: "asyncio.Future[list[Rows]]") -> None:
        try:
            (one,) = made.result()
        except Exception as error:  # noqa: BLE001 -- as above
            told(error)
        else:
            self._services.store.take_then(as_made, one, told)

    def _stored(self, arrived: Arrived, answer: Answering, accepted: Accepted | Exception) -> None:
        try:
            if isinstance(accepted, Exception):
                raise accepted
            if accepted.status == "conflict":
                self._store(arrived.again(accepted.conflicts), answer)
                return
            self._count(arrived.provider, accepted.status)
            if accepted.status == "accepted":
                self._told(arrived, accepted)
            said = Answer(200, _JSON, _encode(_said(accepted)))
        except StoreUnavailable as error:
            self._count(arrived.provider, "unavailable")
            unable.tell(error)
            said = _unavailable(error.retry_after)
        except Exception as error:  # noqa: BLE001 -- as above
            said = _failed(error)
        answer(said)

    def _told(self, arrived: Arrived, accepted: Accepted) -> None:
        tracing = self._services.tracing
        if tracing.on:
            inbound = arrived.inbound
            tracing.accepted(accepted.events, arrived.provider, inbound.received_at, inbound.header("traceparent"))


def problem(status: int, title: str, detail: str, fields: bytes = b"") -> Answer:
    """Make an RFC 9457 answer. It has no `instance`, which would repeat the token, and says nothing of what exists."""
    body = _encode({"type": "about:blank", "title": title, "status": status, "detail": detail})
    return Answer(status, b"content-type: application/problem+json\r\n" + fields, body)


_NOTHING_HERE = problem(404, "Not Found", "There is nothing here.")
_PROBED = Answer(200, b"", b"")
"""Some providers look whether the URL answers before they register it."""
_NOT_A_POST = problem(405, "Method Not Allowed", "Webhooks are sent with POST.", b"allow: POST, GET, HEAD\r\n")
_ENCODED = problem(415, "Unsupported Media Type", "Send the body without a content-encoding.")
_UNPROVEN = problem(401, "Unauthorized", "The call does not carry a valid signature.")


def _provider_of(connections: Sequence[str], inbox: Inbox) -> str:
    """Name the provider that a refused call pretended to be of, if that can be only one."""
    names = {each.provider.name for each in inbox.candidates if each.account.connection in connections}
    return names.pop() if len(names) == 1 else UNKNOWN


def _unavailable(retry_after: int) -> Answer:
    wait = b"retry-after: %d\r\n" % retry_after
    return problem(503, "Service Unavailable", "The call cannot be stored now. Send it again.", wait)


def _failed(error: Exception) -> Answer:
    _log.error("unexpected_error", error=type(error).__name__, where=failed_at(error), route="/in")
    return problem(500, "Internal Server Error", DETAILS[500])


def _said(accepted: Accepted) -> dict[str, object]:
    said: dict[str, object] = {"status": accepted.status, "receipt": accepted.receipt}
    if accepted.status in ("accepted", "duplicate"):
        said["events"] = accepted.events
    if accepted.status == "quarantined":
        said["reason"] = accepted.reason
        _log.warning("quarantined", receipt=accepted.receipt, reason=accepted.reason)
    return said
