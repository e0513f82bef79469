"""Driven by hand: every command against a real gateway, which it finds by the data directory alone."""

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.demo.consumer import Consumer
from gateway.cli.demo.stage import served
from gateway.contract.signatures import Hmac
from gateway.contract.simulator import Simulator
from gateway.egress import gateway_client
from gateway.registry import load_providers, load_simulator
from providers.harmony.simulator import Simulation as Harmony
from tests.e2e.running import Gateway

ROOT = Path(__file__).parents[2]


@dataclass
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


@dataclass
class Stage:
    """A gateway, a consumer and the vendors' simulators."""

    directory: Path
    settings: dict[str, str]
    url: str
    consumer: Consumer
    sink: str
    vendors: dict[str, tuple[Simulator, str]]

    async def gateway(self, *arguments: str, stdin: str = "") -> Ended:
        """Run one command as a process of its own, in the directory where the data lies."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        process = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "gateway", *arguments],
            cwd=self.directory,
            env={**ours, "PYTHONPATH": str(ROOT), **self.settings, "GATEWAY_DATA_DIR": "data"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ended(process.returncode, process.stdout, process.stderr)

    async def connect(self, name: str, *arguments: str) -> Any:
        """Connect a vendor's simulator, its credentials out of a file."""
        simulator, base_url = self.vendors[name]
        given: list[str] = []
        for credential, value in simulator.credentials.items():
            (self.directory / credential).write_text(value + "\n")
            given += ["--credential", f"{credential}=@{credential}"]
        for setting, value in simulator.settings(base_url).items():
            given += ["--set", f"{setting}={value}"]
        return (await self.gateway("connect", name, *given, *arguments, "--json")).answer

    async def send(self, name: str, scene: int) -> Any:
        """Have a vendor make the calls of one scene."""
        simulator, _ = self.vendors[name]
        told = simulator.story()[scene]
        (call,) = simulator.calls(told.word, told.body)

        def post() -> Any:
            with gateway_client(self.url, "") as client:
                del client.headers["authorization"]
                return client.post(call.url, content=call.body, headers=list(call.headers)).json()

        return await asyncio.to_thread(post)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    consumer = Consumer()
    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(served(consumer))
        vendors: dict[str, tuple[Simulator, str]] = {}
        ports = [sink]
        for provider in load_providers().values():
            simulator = load_simulator(provider)()
            ports.append(await stack.enter_async_context(served(simulator.app)))
            vendors[provider.name] = (simulator, f"http://127.0.0.1:{ports[-1]}")
        allowed = ",".join(f"127.0.0.1/32:{port}" for port in ports)
        gateway = Gateway(tmp_path / "data", {"GATEWAY_EGRESS_ALLOW": allowed})
        await asyncio.to_thread(gateway.start)
        stack.push_async_callback(asyncio.to_thread, gateway.kill)
        yield Stage(tmp_path, gateway.settings, gateway.url, consumer, f"http://127.0.0.1:{sink}/hooks", vendors)


async def test_a_gateway_is_driven_by_hand_from_connect_to_disconnect(stage: Stage) -> None:
    ended = await stage.gateway("url")
    assert (ended.status, ended.err) == (0, "")
    inbound = ended.out.strip()
    assert inbound.startswith(f"{stage.url}/in/")
    assert {one["name"] for one in (await stage.gateway("providers", "--json")).answer["items"]} == set(stage.vendors)

    destination = (await stage.gateway("destinations", "add", stage.sink, "--types", "booking.*", "--json")).answer
    stage.consumer.secret = destination["secret"]
    assert (await stage.gateway("destinations", "test", destination["id"])).status == 0

    connection = await stage.connect("harmonizely", "--name", "Sales")
    assert (connection["status"], connection["inbound_url"]) == ("waiting", inbound)
    answer = await stage.send("harmonizely", 0)
    assert answer["status"] == "accepted"
    async with asyncio.timeout(30):
        await stage.consumer.has(2)
    assert [got.signed for got in stage.consumer.got] == [True, True]
    (event,) = answer["events"]
    assert stage.consumer.got[1].event["id"] == event

    assert event in (await stage.gateway("events")).out
    assert (await stage.gateway("events", "show", event, "--json")).answer == stage.consumer.got[1].event
    assert (await stage.gateway("events", "replay", event)).status == 0
    async with asyncio.timeout(30):
        await stage.consumer.has(3)
    assert stage.consumer.got[2] == stage.consumer.got[1]
    deliveries = (await stage.gateway("deliveries", "--event", event, "--json")).answer["items"]
    assert {one["event"] for one in deliveries} == {event}
    assert (await stage.gateway("deliveries", "show", deliveries[0]["id"])).status == 0

    shown = (await stage.gateway("connections", "show", connection["id"], "--json")).answer
    assert shown["status"] == "active"
    assert (await stage.gateway("connections", "remove", connection["id"])).out == f"Removed {connection['id']}.\n"
    assert stage.vendors["harmonizely"][0].hooks == {}
    assert (await stage.gateway("connections", "--json")).answer["items"] == []
    for command in ("pause", "resume", "rotate-secret", "remove"):
        ended = await stage.gateway("destinations", command, destination["id"])
        assert (ended.status, ended.err) == (0, "")


async def test_what_was_not_understood_can_be_seen_retried_and_given_up(stage: Stage) -> None:
    await stage.connect("meetergo")
    broken = len(stage.vendors["meetergo"][0].story()) - 1
    answer = await stage.send("meetergo", broken)
    assert answer["status"] == "quarantined"
    assert answer["receipt"] in (await stage.gateway("quarantine")).out
    assert (await stage.gateway("quarantine", "show", answer["receipt"], "--json")).answer["reason"] == answer["reason"]
    retried = await stage.gateway("quarantine", "retry", answer["receipt"])
    assert (retried.status, retried.out) == (1, "")
    assert answer["reason"] in retried.err
    retried = await stage.gateway("quarantine", "retry", "--all", "--json")
    assert (retried.status, json.loads(retried.out)["quarantined"]) == (1, 1)
    assert (await stage.gateway("quarantine", "discard", answer["receipt"])).status == 0
    assert (await stage.gateway("quarantine", "--json")).answer["items"] == []


async def test_a_vendor_without_an_api_is_connected_by_what_is_printed(stage: Stage) -> None:
    ended = await stage.gateway("connect", "harmony")
    assert ended.status == 0, ended.err
    url = next(word for word in ended.out.split() if word.startswith("http"))
    assert ended.out.count(url) >= 2, "the URL stands in the steps, where it is pasted from"
    stage.vendors["harmony"][0].paste(url)
    assert (await stage.send("harmony", 0))["status"] == "accepted"


async def test_the_signature_is_set_from_what_the_first_call_looks_like(stage: Stage) -> None:
    vendor = stage.vendors["harmony"][0]
    assert isinstance(vendor, Harmony)
    vendor.signature = Hmac(header="x-harmony-signature", encoding="hex", prefix="sha256=")
    row = (await stage.gateway("connect", "harmony", "--json")).answer
    change = ("connections", "change", row["id"], "--signing-secret", "-", "--set", "signature.encoding=hex", "--set")
    secret = "a-secret-that-harmony-showed-once"
    vendor.paste(row["inbound_url"], secret)
    assert (await stage.send("harmony", 0))["status"] == "accepted"

    shown = (await stage.gateway("connections", "show", row["id"])).out
    assert re.search("x-harmony-signature +sha256= and 64 hex characters", shown)
    assert "data.participants[].email" in shown
    assert "ada@example.com" not in shown
    wrong = await stage.gateway(*change, "signature.header=x-harmony-signature", stdin=secret)
    assert wrong.status == 1
    assert "prefix: `x-harmony-signature` holds sha256= and 64 hex characters" in wrong.err
    right = ("signature.header=x-harmony-signature", "--set", "signature.prefix=sha256=")
    changed = await stage.gateway(*change, *right, stdin=secret)
    assert changed.status == 0, changed.err
    assert "The latest call is signed with it" in changed.out
    assert (await stage.send("harmony", 1))["status"] == "accepted"
    shown = (await stage.gateway("connections", "show", row["id"])).out
    assert "It is signed as this connection says." in shown
    assert "Until then" not in shown
    assert secret not in shown + changed.out + wrong.err


async def test_keys_are_made_used_and_revoked(stage: Stage) -> None:
    made = (await stage.gateway("keys", "create", "--scope", "events:read", "--json")).answer
    (stage.directory / "key").write_text(made["key"])
    assert (await stage.gateway("events", "--key", "@key", "--json")).answer["items"] == []
    refused = await stage.gateway("connections", "--key", "@key")
    assert refused.status == 1
    assert "`gateway keys create --scope SCOPE`" in refused.err
    assert (await stage.gateway("keys", "revoke", made["id"])).status == 0
    assert (await stage.gateway("events", "--key", "@key")).status == 1


async def test_a_refusal_of_the_vendor_is_told_and_nothing_remains(stage: Stage) -> None:
    _, base_url = stage.vendors["meetergo"]
    ended = await stage.gateway(
        "connect", "meetergo", "--set", f"base_url={base_url}", "--credential", "api_key", stdin="rgo-wrong-key\n"
    )
    assert ended.status == 1
    assert ended.err.startswith("gateway: ")
    assert ended.err.count("\n") == 1
    assert "rgo-wrong-key" not in ended.err
    assert (await stage.gateway("connections", "--json")).answer["items"] == []


async def test_a_provider_that_there_is_not_is_told_with_those_that_there_are(stage: Stage) -> None:
    ended = await stage.gateway("connect", "nosuch")
    assert ended.status == 1
    assert ended.err == "gateway: there is no provider nosuch; there is harmonizely, harmony, meetergo\n"
    near = await stage.gateway("connect", "harmonizly")
    assert near.err.startswith("gateway: there is no provider harmonizly; did you mean `harmonizely`?")


@pytest.mark.embedded  # one process has it
async def test_a_second_gateway_on_the_directory_is_refused_in_one_line(stage: Stage) -> None:
    ended = await stage.gateway("serve")
    assert ended.status == 1
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
