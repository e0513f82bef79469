"""No minute has more requests to one account than it allows."""

import asyncio
from typing import Any

import pytest

from gateway.contract.http import Answer
from gateway.registration import pace
from gateway.registration.pace import Pace, PacedHttp


class Clock:
    """A loop's clock that sleeping moves."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        patch.setattr(pace.asyncio, "sleep", self.sleep)  # type: ignore[attr-defined]  # -- the module's own name
        patch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("per_minute", [1, 10, 60, 100])
async def test_no_minute_has_more_requests_than_are_allowed(per_minute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        clock, paced, at = Clock(patch), Pace(), []
        for _ in range(4 * per_minute):
            await paced.wait("account", per_minute)
            at.append(clock.now)
        most = max(sum(start <= moment < start + 60 for moment in at) for start in at)
    assert most <= per_minute + 1  # the one that falls on the very end of a minute


async def test_a_few_go_at_once_and_accounts_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        clock, paced = Clock(patch), Pace()
        for account in ("one", "two"):
            for _ in range(25):
                await paced.wait(account, 100)
        assert clock.now == 1000.0
        await paced.wait("one", 100)
        assert clock.now > 1000.0


async def test_every_request_waits_its_turn() -> None:
    class Api:
        async def request(self, *asked: Any, **more: Any) -> Answer:
            return Answer(200, repr((asked, more)).encode())

    class Waits(Pace):
        waited = 0

        async def wait(self, account: Any, per_minute: int) -> None:
            self.waited += per_minute

    waits = Waits()
    answer = await PacedHttp(Api(), waits, "account", 7).request("GET", "/x", query={"page": "1"})
    assert (waits.waited, b"'query': {'page': '1'}" in answer.body) == (7, True)
