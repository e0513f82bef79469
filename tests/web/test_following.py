"""A gateway follows what others change: by the bell, and before it refuses anybody."""

import asyncio

import pytest

from gateway.contract.errors import StoreUnavailable
from gateway.web.following import Following


class World:
    """A store whose version others raise, and inboxes that count how often they are read."""

    def __init__(self) -> None:
        self.version = self.read = 0
        self.down = False

    async def look_at_version(self) -> int:
        if self.down:
            raise StoreUnavailable("gone")
        return self.version

    async def changed(self, timeout: float) -> bool:  # noqa: ASYNC109 -- the store's own signature
        await asyncio.sleep(timeout)
        return False

    async def refresh(self) -> None:
        self.read += 1


async def test_who_asks_waits_until_what_was_changed_before_is_known() -> None:
    world = World()
    following = Following(world, world)  # type: ignore[arg-type]  # -- what it asks of both, and no more
    running = asyncio.create_task(following.run())
    await following.latest()
    assert world.read == 0
    world.version = 1
    await asyncio.gather(*(following.latest() for _ in range(50)))
    assert world.read == 1
    running.cancel()


async def test_who_asks_while_the_database_is_away_is_told_so() -> None:
    world = World()
    following = Following(world, world)  # type: ignore[arg-type]  # -- as above
    world.down = True
    asked = following.latest()
    with pytest.raises(StoreUnavailable):
        await following.run()
    with pytest.raises(StoreUnavailable):
        await asked
