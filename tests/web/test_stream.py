"""/v1/events/stream: every event once, in order, as long as somebody listens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from gateway.web import stream
from tests.web.conftest import Gateway

Told = dict[str, str]


class Listener:
    """Reads server-sent events as a client does: fields by line, an event at each empty line."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments: list[str] = []
        self._lines = answer.aiter_lines()

    async def next(self) -> Told:
        """Wait for the next event."""
        told: Told = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                if not line and told:
                    return told
                name, _, value = line.partition(": ")
                if line and not name:
                    self.comments.append(value)
                elif line:
                    told[name] = value
        raise EOFError("the stream ended")


@contextlib.asynccontextmanager
async def listening(gateway: Gateway, headers: dict[str, str] | None = None, **query: Any) -> AsyncIterator[Listener]:
    async with gateway.http.stream("GET", "/v1/events/stream", params=query, headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        yield Listener(answer)


@pytest.fixture
async def inbound(gateway: Gateway) -> str:
    await gateway.connect()
    url: str = (await gateway.get("/v1/url"))["inbound_url"]
    return url


async def test_an_event_arrives_as_it_is_in_the_log(gateway: Gateway, inbound: str) -> None:
    async with listening(gateway) as listener:
        assert listener.answer.headers["content-type"].startswith("text/event-stream")
        said = await gateway.says(inbound, booking="b1")
        told = await listener.next()
    (event,) = (await gateway.get("/v1/events"))["items"]
    assert said["events"] == [event["id"]]
    assert (told["event"], msgspec.json.decode(told["data"])) == (event["type"], event)


async def test_it_begins_now(gateway: Gateway, inbound: str) -> None:
    await gateway.says(inbound, booking="before")
    async with listening(gateway) as listener:
        (event,) = (await gateway.says(inbound, booking="after"))["events"]
        assert msgspec.json.decode((await listener.next())["data"])["id"] == event


@pytest.mark.parametrize("how", ["header", "query", "event id"])
async def test_it_goes_on_where_it_was(gateway: Gateway, inbound: str, how: str) -> None:
    ids = [(await gateway.says(inbound, booking=f"b{number}"))["events"][0] for number in range(4)]
    async with listening(gateway, after="0") as listener:
        first = await listener.next()
    headers = {"last-event-id": first["id"]} if how == "header" else None
    after = {"header": "0", "query": first["id"], "event id": ids[0]}[how]
    async with listening(gateway, headers, after=after) as again:
        assert [msgspec.json.decode((await again.next())["data"])["id"] for _ in range(3)] == ids[1:]


async def test_every_event_comes_once_and_in_order_while_many_arrive(gateway: Gateway, inbound: str) -> None:
    async with listening(gateway) as listener:
        said = asyncio.gather(*(gateway.says(inbound, booking=f"b{number}") for number in range(150)))
        told = [await listener.next() for _ in range(150)]
        await said
    numbers = [int(each["id"]) for each in told]
    assert numbers == sorted(set(numbers))
    listed = (await gateway.get("/v1/events", limit=500))["items"]
    assert [msgspec.json.decode(each["data"]) for each in told] == listed


async def test_filters_narrow_it(gateway: Gateway, inbound: str) -> None:
    async with listening(gateway, types="booking.cancelled") as listener:
        await gateway.says(inbound, booking="b1")
        await gateway.says(inbound, booking="b1", word="gone")
        assert (await listener.next())["event"] == "booking.cancelled"


async def test_silence_is_filled_with_comments(gateway: Gateway, inbound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE", 0.0)
    async with listening(gateway) as listener:
        waiting = asyncio.create_task(listener.next())
        await asyncio.sleep(0.3)
        await gateway.says(inbound, booking="b1")
        await waiting
    assert "still here" in listener.comments


async def test_it_says_goodbye_when_the_gateway_stops(gateway: Gateway, inbound: str) -> None:
    del inbound
    async with listening(gateway) as listener:
        gateway.services.not_ready = "stopping"
        told = await listener.next()
        assert told["event"] == "goodbye"
        assert "id" not in told  # so that the client comes again where it was
        with pytest.raises(EOFError):
            await listener.next()


async def test_a_listener_that_leaves_is_forgotten_when_it_is_next_spoken_to(
    gateway: Gateway, inbound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE", 0.0)
    async with listening(gateway) as listener:
        await gateway.says(inbound, booking="b1")
        await listener.next()
        assert gateway.services.streams == 1
    async with asyncio.timeout(20):
        while gateway.services.streams:  # noqa: ASYNC110 -- the server's side of a hang-up has no event of its own
            await asyncio.sleep(0.01)


async def test_there_is_a_most_of_streams(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_STREAMS", 1)
    async with listening(gateway) as listener:
        waiting = asyncio.create_task(listener.next())
        await asyncio.sleep(0.1)
        answer = await gateway.http.get("/v1/events/stream")
        waiting.cancel()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


async def test_a_revoked_key_hears_nothing_more(gateway: Gateway, inbound: str) -> None:
    made = await gateway.post("/v1/keys", {"scopes": ["events:read"]}, 201)
    headers = {"authorization": f"Bearer {made['key']}"}
    async with listening(gateway, headers) as listener:
        await gateway.says(inbound, booking="before")
        await listener.next()
        assert (await gateway.http.delete(f"/v1/keys/{made['id']}")).status_code == 204
        await gateway.says(inbound, booking="after")
        assert (await listener.next())["event"] == "goodbye"
        with pytest.raises(EOFError):
            await listener.next()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"after": "nonsense"}, 400),
        ({"after": "999"}, 400),
        ({"after": "evt_" + "a" * 32}, 410),
        ({"limit": "5"}, 400),
        ({"types": "bookings.*"}, 400),
    ],
)
async def test_a_wrong_beginning_is_refused_before_it_begins(
    gateway: Gateway, query: dict[str, str], status: int
) -> None:
    assert (await gateway.http.get("/v1/events/stream", params=query)).status_code == status


async def test_reading_events_is_what_it_takes(gateway: Gateway) -> None:
    async with gateway.client("config:read") as other:
        assert (await other.get("/v1/events/stream")).status_code == 403
