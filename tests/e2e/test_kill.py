"""SIGKILL under load, again and again: what was answered 200 arrives, in order, signed, and nothing else does.

KILLS=50 in the environment makes the long run.
"""

import asyncio
import json
import os
import random
import signal
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.bench.load import meeting, signed
from tests.e2e.running import Collector, Gateway

KILLS = int(os.environ.get("KILLS", "5"))
SECRET = "a signing secret for this test"
WORDS = ("meetingScheduled", "meetingRescheduled", "meetingCancelled")
WORKERS = 16


@dataclass
class Told:
    """What the provider was told: events of each booking in the order in which they were accepted."""

    accepted: dict[str, list[str]] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    count: int = 0
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def events(self) -> set[str]:
        return {event for events in self.accepted.values() for event in events}


async def provider(url: str, told: Told, until: int) -> None:
    """Be one connection of a provider: book, move and cancel, one call after the other, until the gateway is gone."""
    parts = urlsplit(url)
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while True:
            booking = str(uuid.uuid4())
            told.unanswered.add(booking)
            for word in WORDS:
                writer.write(signed(url, SECRET, meeting(booking, word)))
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split()[0])
                said = json.loads(await reader.readexactly(length))
                assert said["status"] == "accepted", said
                told.accepted.setdefault(booking, []).extend(said["events"])
                told.count += 1
                if told.count >= until:
                    told.enough.set()
            told.unanswered.discard(booking)
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


@pytest.mark.timeout(120 + 20 * KILLS)
async def test_nothing_accepted_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    rng = random.Random(KILLS)  # noqa: S311 -- a repeatable choice of moments
    told, consumer = Told(), Collector()
    consumer_url = await consumer.listen()
    port = urlsplit(consumer_url).port
    gateway = Gateway(tmp_path / "data", {"GATEWAY_EGRESS_ALLOW": f"127.0.0.1/32:{port}"}).start()
    made = {"provider": "harmonizely", "credentials": {"api_key": "x"}, "signing_secret": SECRET, "register": False}
    token = gateway.call("POST", "/v1/connections", made)["inbound_url"].rpartition("/")[2]
    secret = gateway.call("POST", "/v1/destinations", {"url": consumer_url})["secret"]
    for _ in range(KILLS):
        await run_until_killed(gateway, token, told, rng)
        gateway.start()
    await consumer.until(lambda got: {one.id for one in got} >= told.events)
    stats = gateway.call("GET", "/v1/stats")
    assert gateway.kill(signal.SIGTERM) == 0
    consumer.close()
    check(consumer, told, secret)
    check_sums(stats, told)


async def run_until_killed(gateway: Gateway, token: str, told: Told, rng: random.Random) -> None:
    """Send from many connections and kill at a moment that nobody chose."""
    told.enough.clear()
    url = f"{gateway.url}/in/{token}"
    until = told.count + rng.randint(1, 600)
    workers = [asyncio.create_task(provider(url, told, until)) for _ in range(WORKERS)]
    await told.enough.wait()
    await asyncio.to_thread(gateway.kill)
    await asyncio.gather(*workers)


def check(consumer: Collector, told: Told, secret: str) -> None:
    """Judge the consumer's log by what the provider was told."""
    consumer.check_signatures(secret)
    bytes_of: dict[str, bytes] = {}
    arrived: dict[str, list[str]] = {}
    for one in consumer.got:
        assert bytes_of.setdefault(one.id, one.body) == one.body, "a repeat has the same bytes"
        booking = json.loads(one.body)["data"]["booking"]["id"]
        if one.id not in arrived.setdefault(booking, []):
            arrived[booking].append(one.id)
    for booking, events in told.accepted.items():
        known = [event for event in arrived[booking] if event in events]
        assert known == events, "nothing lost, and in order of acceptance"
        assert len(arrived[booking]) <= len(events) + (booking in told.unanswered), "nothing that was never sent"
    assert set(arrived) <= set(told.accepted) | told.unanswered


def check_sums(stats: dict[str, object], told: Told) -> None:
    """Judge the sums of /v1/stats."""
    events = stats["events"]
    assert isinstance(events, int)
    assert len(told.events) <= events <= len(told.events) + len(told.unanswered)
