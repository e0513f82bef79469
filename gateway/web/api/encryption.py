"""/v1/encryption: the keys that everything is sealed with."""

import asyncio
from typing import Any, Literal

from litestar import get, post
from msgspec import Struct

from gateway import sealing
from gateway.store.resealing import State
from gateway.web.api.calls import call
from gateway.web.api.pages import Time, moment, perhaps
from gateway.web.api.reading import Asker, wired
from gateway.web.problems import Refusal
from gateway.web.services import Services


class Rotation(Struct, frozen=True, kw_only=True):
    """How far the change to the newest key is: `looked_at` of `to_look_at` calls and events; how many seals were
    changed, and how many could not be opened by any key and stay as they are."""

    status: Literal["never", "running", "done"]
    begun_at: Time | None
    finished_at: Time | None
    looked_at: int
    to_look_at: int
    resealed: int
    broken: int


NEVER = Rotation(status="never", begun_at=None, finished_at=None, looked_at=0, to_look_at=0, resealed=0, broken=0)


@post("/encryption/rotate", status_code=202, **call("admin", 409))
async def rotate_encryption(request: Asker) -> Rotation:
    """Seal everything with a new key.

    Makes a key, puts it in front of the key file, seals with it from now on, and changes all older seals beside
    everything else. One that was begun goes on. Where GATEWAY_SECRET_KEYS is set, put a new key in front of it first,
    and start the gateway again.
    """
    services = wired(request)
    async with services.upkeep.turn:
        state = await services.store.resealing.state()
        if state is None or state.finished_at is not None:
            await _begin(services)
    services.upkeep.wake()
    return await _shown(services)


@get("/encryption/rotate", **call("admin"))
async def show_rotation(request: Asker) -> Rotation:
    """Say how far the change of keys is, or how the last one ended."""
    return await _shown(wired(request))


async def _begin(services: Services) -> None:
    resealing, settings = services.store.resealing, services.settings
    if await resealing.outdated():  # a newer key is in front already, but not everything is sealed with it
        await resealing.begin()
    elif settings.secret_keys is None:
        await resealing.begin(await asyncio.to_thread(sealing.add_key, settings.data_dir))
    else:
        raise Refusal(
            409,
            "The keys are given by GATEWAY_SECRET_KEYS, and everything is sealed with its first one: "
            "put a new key in front of it, start the gateway with it, and ask again.",
        )


async def _shown(services: Services) -> Rotation:
    state = await services.store.resealing.state()
    return NEVER if state is None else _view(state)


def _view(state: State) -> Rotation:
    done = state.finished_at is not None
    total = state.last_receipt + state.last_event
    return Rotation(
        status="done" if done else "running",
        begun_at=moment(state.begun_at),
        finished_at=perhaps(state.finished_at),
        looked_at=total if done else min(state.receipt + state.event, total),
        to_look_at=total,
        resealed=state.resealed,
        broken=state.broken,
    )


HANDLERS: list[Any] = [rotate_encryption, show_rotation]
