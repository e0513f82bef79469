"""Several gateways on one PostgreSQL that can fail, each with a provider of its own, before one consumer."""

import asyncio
import itertools
import json
import signal
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import psycopg

from gateway.store.engines.postgres import LEADER
from tests.e2e.running import Gateway
from tests.faults.checker import MOST_IN_FLIGHT, Answers, Story, Verdict, judge
from tests.faults.consumer import Consumer, Got
from tests.faults.provider import SECRET, Provider, Told, free_port
from tests.faults.world import PAGE
from tests.postgres import Server

KEYS = "A" * 43
ADMIN = "the-admin-key-of-all-these-gateways-" + "k" * 16
TOKEN = "the_one_inbound_token_of_all_these_gateways"
FAILS_A_ROUND = 5
"""One delivery in five is answered 503."""


class Fleet:
    """Use it with `async with`: all are then ready, one connection and two destinations are set up at the first."""

    def __init__(self, folder: Path, size: int, *, rest: float = 0.05, workers: int = 3) -> None:
        self.server = Server()
        self.url = self.server.url()
        self.consumer = Consumer(answer=self._answer)
        self.gateways = [Gateway(folder / f"data{number}", self._settings()) for number in range(size)]
        self.providers: list[Provider] = []
        self.secrets: dict[str, str] = {}
        self.ended: list[int] = []
        """Moments of the load, one for each time that a gateway could not write down what it had sent."""
        self._taken: Counter[tuple[str, str]] = Counter()
        self._turn = itertools.count(1)
        self._rest, self._workers = rest, workers

    def _settings(self) -> dict[str, str]:
        return {
            "GATEWAY_DATABASE_URL": self.url,
            "GATEWAY_SECRET_KEYS": KEYS,
            "GATEWAY_ADMIN_KEY": ADMIN,
            "GATEWAY_INBOUND_TOKENS": TOKEN,
            "GATEWAY_PORT": str(free_port()),
            "GATEWAY_DELIVERY_TIMEOUT": "1",
            "GATEWAY_RETRY_SCHEDULE": ",".join(["0.2"] * 30),
            "GATEWAY_LOG_LEVEL": "error",
        }

    def _answer(self, got: Got) -> tuple[int, float]:
        if next(self._turn) % FAILS_A_ROUND == 0:
            return 503, 0.0
        self._taken[got.path, got.id] += 1
        return 200, 0.0

    @property
    def taken_again(self) -> int:
        """How often something came that had been answered 200 before."""
        return sum(count - 1 for count in self._taken.values())

    @property
    def in_flight(self) -> int:
        """How many may have been under way at the moments at which nobody could write down how they went."""
        return len(self.ended) * MOST_IN_FLIGHT * len(self.secrets)

    async def __aenter__(self) -> Self:
        url = await self.consumer.listen()
        for gateway in self.gateways:
            gateway.directory.mkdir(mode=0o700)
            (gateway.directory / "admin.key").write_text(ADMIN)  # where those who call look for it
            gateway.environment["GATEWAY_EGRESS_ALLOW"] = f"127.0.0.1/32:{self.consumer.port}"
        await asyncio.gather(*(asyncio.to_thread(gateway.start) for gateway in self.gateways))
        made = {"provider": "harmonizely", "credentials": {"api_key": "x"}, "signing_secret": SECRET, "register": False}
        await self.call(0, "POST", "/v1/connections", made)
        for path in ("/0", "/1"):
            self.secrets[path] = (await self.call(0, "POST", "/v1/destinations", {"url": url + path}))["secret"]
        self.providers = [
            Provider(f"{gateway.url}/in/{TOKEN}", workers=self._workers + number, rest=self._rest, patient=1.0)
            for number, gateway in enumerate(self.gateways)  # each its own number of workers: its own bookings
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(provider.stop() for provider in self.providers))
        self.consumer.close()
        for gateway in self.gateways:
            if gateway.process is not None:
                await asyncio.to_thread(gateway.kill)
        self.server.remove()

    async def call(self, number: int, method: str, path: str, body: object = None) -> Any:
        gateway = self.gateways[number]
        return await asyncio.to_thread(gateway.call, method, path, body)

    async def kill(self, number: int) -> None:
        """Kill one at once, and start it again."""
        self.ended.append(len(self.consumer.got))
        await asyncio.to_thread(self.gateways[number].kill)
        await asyncio.to_thread(self.gateways[number].start)

    def signal(self, number: int, how: signal.Signals) -> None:
        process = self.gateways[number].process
        assert process is not None
        process.send_signal(how)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with psycopg.connect(self.url, autocommit=True) as db:
            return db.execute(query.encode()).fetchall()

    def leader(self) -> int | None:
        """Name the session that leads, as the server does."""
        locks = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND (objid::bigint & 65535) = {}"
        rows = self.ask(locks.format(LEADER & 0xFFFF))
        return rows[0][0] if rows else None

    async def led(self, but: int | None = None) -> int:
        """Wait until a session leads, another one than this; raises TimeoutError."""
        async with asyncio.timeout(30):
            while (leader := self.leader()) in (None, but):  # noqa: ASYNC110 -- another process tells nobody
                await asyncio.sleep(0.1)
        assert leader is not None
        return leader

    async def until(self, number: int, path: str, status: int) -> None:
        """Wait until this one answers a GET so; raises TimeoutError."""
        async with asyncio.timeout(15):
            while await asyncio.to_thread(_status, self.gateways[number].url + path) != status:  # noqa: ASYNC110 -- another process tells nobody
                await asyncio.sleep(0.1)

    def follow(self, number: int, count: int) -> list[str]:
        """Read the log at this one by long polls until so many events are seen; their ids."""
        seen: list[str] = []
        after = "0"
        while len(seen) < count:
            page = self.gateways[number].call("GET", f"/v1/events?after={after}&wait=5&limit=20")
            seen += [event["id"] for event in page["items"]]
            after = page["next"]
        return seen

    def stream(self, number: int, count: int) -> list[str]:
        """Do the same by its stream."""
        asked = urllib.request.Request(
            self.gateways[number].url + "/v1/events/stream?after=0", headers={"authorization": f"Bearer {ADMIN}"}
        )
        seen: list[str] = []
        with urllib.request.urlopen(asked, timeout=60) as answer:
            while len(seen) < count:
                line = answer.readline()
                if line.startswith(b"data: "):
                    seen.append(json.loads(line[6:])["id"])
        return seen

    async def drained(self, seconds: float = 75.0) -> None:
        async with asyncio.timeout(seconds):
            while any(each["pending"] for each in (await self.call(0, "GET", "/v1/stats"))["deliveries"].values()):  # noqa: ASYNC110 -- another process tells nobody
                await asyncio.sleep(0.2)

    async def judge(self) -> Verdict:
        """Stop the load, let everything arrive, and hold all of it against the promises."""
        tolds = await asyncio.gather(*(provider.stop() for provider in self.providers))
        await self.drained()
        await self.consumer.quiet()
        told = Told([call for each in tolds for call in each.calls])
        answers = Answers(
            await self.all("/v1/events"),
            await self.all("/v1/deliveries"),
            await self.all("/v1/quarantine"),
            await self.call(0, "GET", "/v1/stats"),
        )
        verdict = judge(replace(Story(told.calls, self.consumer.got, answers, self.secrets), again=True))
        verdict.wrong["answered"] += [odd for each in tolds for odd in each.odd]
        return verdict

    async def all(self, path: str, number: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await self.call(number, "GET", f"{path}?limit={PAGE}{after}")
            found += page["items"]
            if not page["items"] or page["next"] is None:
                return found
            after = f"&after={page['next']}"


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
