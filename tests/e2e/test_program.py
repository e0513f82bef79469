"""`gateway serve` from the outside: first start, settings, what lies on disk, and how it ends."""

import asyncio
import json
import re
import signal
import socket
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import stores
from tests.bench.load import drive, meeting, request, signed
from tests.e2e.running import Collector, Gateway

SIGNING_SECRET = "a signing secret for this test"
CANARY = "canary5ecret0f4meetergo"
PERSON = "grace.canary@example.com"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path / "data")
    yield made
    if made.process is not None:
        made.kill()


def get(url: str) -> tuple[int, bytes]:
    """Ask without a key."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


def connect(gateway: Gateway, provider: str, **fields: Any) -> Any:
    credentials = {} if provider == "harmony" else {"api_key": "canary-api-key-of-theirs"}
    made = {"provider": provider, "credentials": credentials, "register": False, **fields}
    return gateway.call("POST", "/v1/connections", made)


async def send(*requests: bytes, url: str) -> None:
    figures = await drive(url, list(requests), 1, b'"status"')
    assert figures.refused == 0


def test_a_first_start_makes_everything_private_and_says_where_it_is(gateway: Gateway) -> None:
    said = "".join(gateway.start().said)
    token = re.search(rf"{gateway.url}/in/([\w-]{{43}})\n", said)
    assert token, said
    assert str(gateway.directory / "admin.key") in said
    assert gateway.key not in said
    for path in [gateway.directory, *gateway.directory.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert get(gateway.url + "/live")[0] == 200
    assert get(gateway.url + "/ready")[0] == 200
    assert gateway.call("GET", "/v1/providers")["items"]
    again = gateway.kill(signal.SIGTERM), gateway.start().said[-5:]
    assert again[0] == 0
    assert token[1] in "".join(again[1]), "the token stays"


def test_it_drains_on_sigterm_and_gives_back_what_it_claimed(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stalled:
        gateway.environment["GATEWAY_EGRESS_ALLOW"] = f"127.0.0.1/32:{stalled.getsockname()[1]}"
        url = connect(gateway.start(), "harmonizely", signing_secret=SIGNING_SECRET)["inbound_url"]
        gateway.call("POST", "/v1/destinations", {"url": f"http://127.0.0.1:{stalled.getsockname()[1]}/"})
        asyncio.run(send(signed(url, SIGNING_SECRET, meeting("b1")), url=url))
        stalled.accept()[0].close()
        assert gateway.kill(signal.SIGTERM) == 0
        lines = [json.loads(line)["event"] for line in gateway.log.read_text().splitlines()]
        assert (lines[-1], "stopping" in lines) == ("stopped", True)
        gateway.start()
        (waiting,) = gateway.call("GET", "/v1/deliveries")["items"]
    assert waiting["status"] == "pending"


@pytest.mark.embedded  # one process has it
def test_a_second_process_on_one_directory_is_refused_in_one_line(gateway: Gateway) -> None:
    gateway.start()
    second = Gateway(gateway.directory)
    with pytest.raises(RuntimeError, match="is in use by another gateway process"):
        second.start()
    assert second.process is not None
    assert second.process.wait(10) == 1
    assert "Traceback" not in second.log.read_text()


@pytest.mark.embedded  # with PostgreSQL there is no such file: keys are given
def test_a_lost_key_file_is_never_replaced_by_a_new_one(gateway: Gateway) -> None:
    gateway.start()
    gateway.kill()
    keys = gateway.directory / "secret.keys"
    content = keys.read_bytes()
    keys.unlink()
    with pytest.raises(RuntimeError, match="put the file back"):
        gateway.start()
    assert gateway.process is not None
    assert gateway.process.wait(10) == 1
    assert not keys.exists()
    keys.write_bytes(content)
    assert gateway.start().call("GET", "/v1/providers")["items"]


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere"])
def test_a_directory_that_cannot_be_used_is_one_line(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    gateway = Gateway(tmp_path / "log", {"GATEWAY_DATA_DIR": str(tmp_path / place)})
    with pytest.raises(RuntimeError, match=r"GATEWAY_DATA_DIR: .* cannot be made") as told:
        gateway.start()
    assert "Traceback" not in str(told.value)
    assert gateway.process is not None
    assert gateway.process.wait(10) == 1


def test_the_public_listener_serves_providers_and_nothing_else(gateway: Gateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gateway.environment |= {
        "GATEWAY_PUBLIC_LISTEN": f"127.0.0.1:{port}",
        "GATEWAY_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    url = connect(gateway.start(), "meetergo")["inbound_url"]
    assert url.startswith(f"http://127.0.0.1:{port}/in/")
    asyncio.run(send(request(url, b'{"webhookType": "booking_created", "id": "b1"}'), url=url))
    assert get(f"http://127.0.0.1:{port}/live")[0] == 200
    assert get(f"http://127.0.0.1:{port}/ready")[0] == 200
    for path in ("/v1/events", "/docs", "/openapi.json", "/", "/in", "/live/x", "/v1/../in/"):
        assert get(f"http://127.0.0.1:{port}{path}")[0] == 404, path


async def test_secrets_and_people_lie_nowhere_in_clear(gateway: Gateway) -> None:
    """meetergo's `secret` above all: it cancels a booking without a login."""
    consumer = Collector()
    consumer_url = await consumer.listen()
    gateway.environment |= {
        "GATEWAY_EGRESS_ALLOW": f"127.0.0.1/32:{consumer_url.rpartition(':')[2].partition('/')[0]}",
        "GATEWAY_LOG_LEVEL": "debug",
    }
    gateway.start()
    url = connect(gateway, "meetergo")["inbound_url"]
    destination = gateway.call(
        "POST", "/v1/destinations", {"url": consumer_url, "headers": {"x-canary": "canary-header"}}
    )
    bodies: list[dict[str, object]] = [
        {"webhookType": "booking_created", "id": "b1", "secret": CANARY, "attendees": [{"email": PERSON}]},
        {"webhookType": "never_heard_of", "id": "b2", "secret": CANARY, "email": PERSON},
        {"webhookType": "booking_created", "secret": CANARY, "attendees": [{"email": PERSON}]},
        {"webhookType": "booking_created", "id": {"secret": CANARY}, "start": PERSON},
    ]
    bodies[0] |= {"start": "2026-03-02T09:00:00+01:00", "end": "2026-03-02T09:30:00+01:00"}
    await send(*(request(url, json.dumps(body).encode()) for body in bodies), url=url)
    await consumer.until(lambda got: len(got) == 2)
    said = [json.dumps(gateway.call("GET", f"/v1/{what}")) for what in ("events", "deliveries", "quarantine", "stats")]
    events = gateway.call("GET", "/v1/events")["items"]
    said += [gateway_raw(gateway, event["id"]) for event in events]
    quarantined = gateway.call("GET", "/v1/quarantine")["items"]
    said += [json.dumps(gateway.call("GET", f"/v1/quarantine/{one['receipt']}")) for one in quarantined]
    assert PERSON in said[0], "consumers and the log do get the person"
    assert gateway.kill(signal.SIGTERM) == 0
    consumer.close()
    delivered = b"".join(one.body for one in consumer.got)
    kept = {
        path.name: path.read_bytes()
        for path in gateway.directory.iterdir()
        if path.name not in ("admin.key", "secret.keys")
    } | stores.contents(gateway.directory)
    token = url.rpartition("/")[2]
    for secret in (CANARY, "canary-api-key-of-theirs", "canary-header", destination["secret"], token, gateway.key):
        assert secret not in "".join(said), secret
        assert secret.encode() not in delivered, secret
        assert secret not in gateway.log.read_text(), secret
        for name, content in kept.items():
            assert secret.encode() not in content, (name, secret)
    assert PERSON not in gateway.log.read_text()
    assert not any(PERSON.encode() in content for content in kept.values())


def gateway_raw(gateway: Gateway, event: str) -> str:
    asked = urllib.request.Request(
        f"{gateway.url}/v1/events/{event}/raw", headers={"authorization": f"Bearer {gateway.key}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        said: str = answer.read().decode()
        return said
