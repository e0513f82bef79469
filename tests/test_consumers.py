"""What README.md tells consumers to write works as it stands there."""

import base64
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import pytest
from msgspec.structs import asdict
from playwright._impl._driver import compute_driver_executable
from standardwebhooks import Webhook

from gateway.contract import events as e
from tests.pipeline.test_render import AT, BOOKING, scheduled
from tests.web.conftest import Gateway
from tests.web.conftest import gateway as gateway  # noqa: PLC0414 -- a fixture

README = (Path(__file__).parent.parent / "README.md").read_text()
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NODE = str(compute_driver_executable()[0])
"""Node as the browser tests bring it along: none need be on the machine."""
SCHEDULED = scheduled()
COMMON = {**asdict(SCHEDULED)}
EVENT = e.BookingCancelled(**{**COMMON, "data": e.Cancelled(booking=BOOKING, cancellation=e.Cancellation())})
MOVED = e.BookingRescheduled(**{**COMMON, "data": e.Rescheduled(booking=BOOKING, previous=e.Previous(start=AT))})
OTHER = e.ProviderEvent(**{**COMMON, "data": e.Other(action="made")})
NEWER = msgspec.json.encode({**msgspec.json.decode(msgspec.json.encode(OTHER)), "type": "booking.teleported"})


def example(language: str, having: str) -> str:
    """Find the example in a language that has some words in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if having in block]
    return str(found)


@contextmanager
def running(command: Sequence[str]) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run a consumer on a free port, and wait until it listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    environ = {**os.environ, "PORT": str(port), "SECRET": SECRET}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            transport = httpx.HTTPTransport(retries=10)  # it doubles its pauses: half a minute in all
            with httpx.Client(transport=transport, trust_env=False) as client:
                assert client.post(url, content=b"{}").status_code == 401
            yield url, process
        finally:
            process.kill()


def signed(body: bytes) -> dict[str, str]:
    """Sign a body as it is delivered now."""
    at = datetime.now(UTC)
    signature = Webhook(SECRET).sign(EVENT.id, at, body.decode())
    return {"webhook-id": EVENT.id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_a_consumer_of_the_readme_believes_the_gateway_and_nobody_else(tmp_path: Path, language: str) -> None:
    suffix, program = {"python": (".py", sys.executable), "javascript": (".mjs", NODE)}[language]
    file = tmp_path / f"consumer{suffix}"
    file.write_text(example(language, "createServer" if language == "javascript" else "open_delivery"))
    body = msgspec.json.encode(EVENT)
    headers = signed(body)
    old = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 3600)}
    with running([program, str(file)]) as (url, process), httpx.Client(trust_env=False) as client:
        for one in (body, *map(msgspec.json.encode, (SCHEDULED, MOVED, OTHER)), NEWER):
            assert client.post(url, content=one, headers=signed(one)).status_code == 204
        assert client.post(url, content=body.replace(b"null", b"true", 1), headers=headers).status_code == 401
        assert client.post(url, content=body, headers=old).status_code == 401
        process.kill()
        told, _ = process.communicate()
    start = {"python": "2026-03-01 09:30:00+00:00", "javascript": "2026-03-01T09:30:00Z"}[language]
    assert told.splitlines() == [
        f"booking.cancelled: {BOOKING.id}, and what ended is: unknown",
        f"booking.scheduled: {BOOKING.id} at {start}",
        f"booking.rescheduled: {BOOKING.id} from {start} to {start}",
        f"provider.event: {EVENT.id}",
        f"booking.teleported: {EVENT.id}",
    ]


async def test_the_readmes_questions_are_answered(gateway: Gateway) -> None:
    await gateway.connect()
    (event,) = (await gateway.says((await gateway.get("/v1/url"))["inbound_url"], booking="b1"))["events"]
    lines = re.findall(r"^    curl (.*)$", README, flags=re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        *options, url = shlex.split(
            line.replace("$GATEWAY", gateway.url).replace("$KEY", await gateway.key("events:read"))
        )
        name, _, value = options[options.index("-H") + 1].partition(": ")
        headers = {name: value, "last-event-id": "0"}
        async with httpx.AsyncClient(trust_env=False) as asking, asking.stream("GET", url, headers=headers) as answer:
            assert answer.status_code == 200
            async for text in answer.aiter_text():
                if event in text:
                    break
            else:
                pytest.fail(f"no event in the answer to {line}")
