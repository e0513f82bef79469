"""A gateway as it is run, on a machine that can fail, between a provider and a consumer that forget nothing."""

import asyncio
import signal
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from tests.bench.load import meeting
from tests.e2e.running import Gateway
from tests.faults.checker import Answers, Story, Verdict, judge
from tests.faults.consumer import Consumer
from tests.faults.machine import Machine
from tests.faults.provider import SECRET, Provider, free_port

PAGE = 500
SERVE = (sys.executable, "-m", "gateway", "serve")


class World:
    """Use it with `async with`: it is then connected, subscribed and ready; `provider.start()` begins the load."""

    def __init__(
        self,
        folder: Path,
        *,
        machine: Machine | None = None,
        destinations: int = 2,
        command: Sequence[str] = SERVE,
        workers: int = 16,
        rest: float = 0.0,
        patient: float = 0.5,
        **environment: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.machine = machine
        moment = machine.moment if machine else int
        self.consumer = Consumer(moment)
        self.gateway = Gateway(folder / "data", {"GATEWAY_PORT": str(free_port())} | environment, command)
        if machine:
            self.gateway.environment |= machine.environment
        self.secrets: dict[str, str] = {}
        self.destinations: list[str] = []
        self._count = destinations
        self._load: dict[str, Any] = {"workers": workers, "rest": rest, "patient": patient, "moment": moment}

    async def __aenter__(self) -> Self:
        self._url = await self.consumer.listen()
        self.gateway.environment["GATEWAY_EGRESS_ALLOW"] = f"127.0.0.1/32:{self.consumer.port}"
        await self.start()
        made = {"provider": "harmonizely", "credentials": {"api_key": "x"}, "signing_secret": SECRET, "register": False}
        self.provider = Provider((await self.call("POST", "/v1/connections", made))["inbound_url"], **self._load)
        for number in range(self._count):
            await self.subscribe(f"/{number}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.provider.stop()
        self.consumer.close()
        if self.gateway.process is not None:
            await self.kill()

    async def subscribe(self, path: str, **fields: object) -> str:
        """Add a destination at the consumer, and name it."""
        made = await self.call("POST", "/v1/destinations", {"url": self._url + path, **fields})
        self.secrets[path] = made["secret"]
        self.destinations.append(made["id"])
        return self.destinations[-1]

    async def call(self, method: str, path: str, body: object = None) -> Any:
        return await asyncio.to_thread(self.gateway.call, method, path, body)

    def ask(self, path: str) -> int:
        """Say how a GET is answered."""
        asked = urllib.request.Request(self.gateway.url + path, headers={"authorization": f"Bearer {self.gateway.key}"})
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code

    async def fresh_call(self, seconds: float = 30.0) -> None:
        """Make a call on a new connection, again and again until it is kept; raises TimeoutError."""
        body = meeting(str(uuid.uuid4()))
        async with asyncio.timeout(seconds):
            while not await self.provider.try_once(body):
                await asyncio.sleep(0.1)

    async def start(self) -> None:
        await asyncio.to_thread(self.gateway.start)

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End it; what arrives from now on is of another life."""
        status = await asyncio.to_thread(self.gateway.kill, how)
        self.consumer.life += 1
        return status

    async def drained(self, seconds: float = 60.0) -> None:
        """Wait until nothing is pending; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while any(each["pending"] for each in (await self.call("GET", "/v1/stats"))["deliveries"].values()):
                await asyncio.sleep(0.1)

    async def answers(self) -> Answers:
        """Ask /v1 for everything."""
        return await asyncio.to_thread(
            lambda: Answers(
                self._all("/v1/events"), self._all("/v1/deliveries"), self._all("/v1/quarantine"), self._stats()
            )
        )

    async def judge(self, *, waiting: bool = False, any_time: bool = False, again: bool = False) -> Verdict:
        """Stop the load, let everything arrive, and hold all of it against the promises."""
        told = await self.provider.stop()
        if not waiting:
            await self.drained()
        story = Story(told.calls, self.consumer.got, await self.answers(), self.secrets)
        verdict = judge(replace(story, waiting=waiting, any_time=any_time, again=again))
        verdict.wrong["answered"] += told.odd
        return verdict

    def _stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.gateway.call("GET", "/v1/stats")
        return stats

    def _all(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page = self.gateway.call("GET", f"{path}?limit={PAGE}")
        while page["items"]:
            found += page["items"]
            if page["next"] is None:
                break
            page = self.gateway.call("GET", f"{path}?limit={PAGE}&after={page['next']}")
        return found
