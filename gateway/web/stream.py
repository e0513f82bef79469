"""/v1/events/stream: the log as it grows, as server-sent events (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Stream

from gateway.store.model import Key, StoredEvent
from gateway.web.api.calls import call
from gateway.web.api.events import Which, narrowed, position, read
from gateway.web.api.reading import Asker, wired
from gateway.web.auth import Standing
from gateway.web.problems import Refusal
from gateway.web.services import Services

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment shows that the connection lives."""
LOOK_AGAIN = 1.0
"""Seconds after which a stream looks again, even if nobody told it that something was committed."""
BREATH = 0.05
"""Seconds between two looks: under load one reading serves many commits."""
BATCH = 100
"""Events read at a time. The next ones are read when these were taken: a slow reader fills no memory."""
MOST_STREAMS = 200

HELLO = b": the log from here on\n\n"
ALIVE = b": still here\n\n"
REVOKED = b'event: goodbye\ndata: {"reason":"the key was revoked"}\n\n'
GOODBYE = b'event: goodbye\ndata: {"reason":"the gateway is stopping"}\n\n'


@get("/events/stream", media_type="text/event-stream", **call("events:read", 410))
async def stream_events(request: Asker, asked: NamedDependency[Which]) -> Stream:
    """Send events as they happen, as server-sent events: `id` is the cursor, `event` the type, `data` the envelope.

    Begins with what happens from now on; with `after`, or the header `Last-Event-ID` that clients send when they come
    again, after that. A comment comes in 15 silent seconds, `event: goodbye` when the gateway stops or the key is
    revoked.
    410: what follows the cursor is not kept any more.
    """
    services = wired(request)
    if services.streams >= MOST_STREAMS:
        raise Refusal(503, f"{MOST_STREAMS} streams are open, and that is the most.", headers={"retry-after": "30"})
    since = request.headers.get("last-event-id") or asked.after
    after = (await services.store.bounds())[1] if since is None else await position(services, since)
    narrowed(asked)
    told = _told(services, after, asked, request.auth)
    return Stream(_counted(services, told), media_type="text/event-stream")


async def _counted(services: Services, told: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    services.streams += 1
    try:
        async for part in told:
            yield part
    finally:
        services.streams -= 1


async def _told(services: Services, after: int, asked: Which, key: Key) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    standing = Standing(services.store, key)
    yield HELLO
    spoke = clock()
    while services.not_ready is None:
        events, after = await read(services, after, asked, BATCH)
        if (events or clock() - spoke >= KEEP_ALIVE) and not await standing.stands():
            yield REVOKED
            return
        if events:
            yield b"".join(map(_message, events))
            spoke = clock()
        elif clock() - spoke >= KEEP_ALIVE:
            yield ALIVE
            spoke = clock()
        else:
            await services.store.changed(LOOK_AGAIN)
        await asyncio.sleep(BREATH)
    yield GOODBYE


def _message(event: StoredEvent) -> bytes:
    """Write one event. An envelope is one line: JSON escapes the breaks of its texts."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.seq, event.type.encode(), event.body)


HANDLERS = [stream_events]
