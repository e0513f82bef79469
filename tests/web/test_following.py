"""A gateway follows what others change: by the bell, and before it refuses anybody."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.contract.errors import StoreUnavailable
from gateway.web import following as module
from gateway.web.following import Following

NEVER = 3600.0


class World:
    """A store whose version others raise, and inboxes that count how often they are read."""

    def __init__(self) -> None:
        self.version = self.read = 0
        self.error: Exception | None = None
        self.bell = asyncio.Event()
        self.takes = 0.0
        self.looks: list[tuple[float, float]] = []
        self.looking, self.refreshed = asyncio.Event(), asyncio.Event()

    async def look_at_version(self) -> int:
        if self.error is not None:
            raise self.error
        began, version = asyncio.get_running_loop().time(), self.version
        self.looking.set()
        await asyncio.sleep(self.takes)
        self.looks.append((began, asyncio.get_running_loop().time()))
        return version

    async def changed(self, timeout: float) -> bool:  # noqa: ASYNC109 -- the store's own signature
        self.bell.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.bell.wait(), timeout)
        return self.bell.is_set()

    async def refresh(self) -> None:
        self.read += 1
        self.refreshed.set()


@asynccontextmanager
async def followed(world: World) -> AsyncIterator[Following]:
    following = Following(world, world)  # type: ignore[arg-type]  # -- what it asks of both, and no more
    running = asyncio.create_task(following.run())
    yield following
    running.cancel()


async def test_who_asks_waits_until_what_was_changed_before_is_known() -> None:
    world = World()
    async with followed(world) as following:
        await following.latest()
        assert world.read == 0
        world.version = 1
        await asyncio.gather(*(following.latest() for _ in range(50)))
        assert world.read == 1
        assert len(world.looks) <= 3


async def test_a_look_that_began_before_does_not_answer() -> None:
    world = World()
    world.takes = 0.05
    async with followed(world) as following:
        await world.looking.wait()
        world.version = 1
        await following.latest()
        assert world.read == 1


async def test_who_asks_does_not_wait_for_the_time_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a caller that is refused a thousand times, one after the other, waits for a thousand looks and no more."""
    monkeypatch.setattr(module, "LOOK_SECONDS", NEVER)
    monkeypatch.setattr(module, "BREATH_SECONDS", NEVER)
    world = World()
    async with followed(world) as following:
        for _ in range(1000):
            await following.latest()
            world.bell.set()


async def test_half_of_the_time_nobody_looks_however_much_is_asked() -> None:
    world = World()
    world.takes = 0.01
    async with followed(world) as following:
        for _ in range(10):
            await following.latest()
    for (began, ended), (next_one, _) in zip(world.looks, world.looks[1:], strict=False):
        assert next_one - ended >= ended - began


async def test_a_bell_that_rings_during_a_look_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", NEVER)
    world = World()
    world.takes = 0.05
    async with followed(world):
        await world.looking.wait()
        world.version = 1
        world.bell.set()
        await world.refreshed.wait()


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), ValueError("made by a newer gateway")])
async def test_who_asks_while_nothing_can_be_looked_up_is_told_so(error: Exception) -> None:
    world = World()
    following = Following(world, world)  # type: ignore[arg-type]  # -- as above
    world.error = error
    asked = following.latest()
    with pytest.raises(type(error)):
        await following.run()
    with pytest.raises(StoreUnavailable):
        await asked
