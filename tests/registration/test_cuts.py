"""Cut anywhere, before or after any call and any commit: the next run ends with one webhook of ours that works.

The process dies as `kill -9` has it: nothing after the cut is run. `tests/e2e/test_registration.py` does some of it
with real processes.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.contract.provider import Wanted, Webhook
from gateway.registration.rotate import RotateRequest
from gateway.store.model import Connection
from tests.registration.conftest import Bench, bench
from tests.registration.vendors import Changing, Office

PUBLIC_URL, NEW_URL = "https://gateway.example", "https://new.example"


class Killed(BaseException):
    """The process is gone. No `except` of the gateway's catches it."""


@dataclass
class Knife:
    """Cut at the step of this number, counted from 0. `fell`: there was such a step."""

    number: int
    passed: int = 0
    fell: bool = False

    def __call__(self, name: str) -> None:
        if self.fell or self.passed == self.number:
            self.fell = True
            raise Killed(name)
        self.passed += 1


@contextlib.contextmanager
def cutting(desk: Bench, number: int) -> Iterator[Knife]:
    """Have steps counted at the vendor and at the store, and one of them be the last."""
    knife, put, put_token = Knife(number), desk.store.put_connection, desk.store.put_token

    def cut(write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def writing(*arguments: Any) -> Any:
            knife("before commit")
            written = await write(*arguments)
            knife("after commit")
            return written

        return writing

    desk.office.at = knife
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.store, "put_connection", cut(put))
        patch.setattr(desk.store, "put_token", cut(put_token))
        try:
            yield knife
        finally:
            desk.office.at = lambda _: None


Act = Callable[[Bench, Connection], Awaitable[object]]


@dataclass
class Case:
    """Something that is done to a connection, and how things are before it.

    `kind`: the vendor. `drift`: what somebody changed there. `room`: how many more webhooks the account takes.
    """

    act: Act
    provider: str = "signing"
    kind: type[Office] = Office
    drift: Any = None
    room: int = 10
    own_url: bool = False
    public_url: str = PUBLIC_URL


async def repair(desk: Bench, made: Connection) -> object:
    return await desk.registrar.repairs.repair(made.id)


async def rotate(desk: Bench, made: Connection) -> object:
    return await desk.registrar.rotation.rotate(made.id, RotateRequest())


async def rotate_url(desk: Bench, made: Connection) -> object:
    await desk.registrar.rotation.rotate_url()
    return await desk.registrar.repairs.watch(made.id)


EVENTS = {"events": ("made",)}
CASES = {
    "made again": Case(repair, drift="gone"),
    "replaced": Case(repair, drift=EVENTS),
    "updated": Case(repair, kind=Changing, provider="plain", drift=EVENTS),
    "replaced where there is no room": Case(repair, drift=EVENTS, room=0),
    "switched on again where there is no room": Case(repair, kind=Changing, drift={"active": False}, room=0),
    "secret changed in place where there is no room": Case(rotate, kind=Changing, room=0),
    "secret rotated": Case(rotate),
    "secret rotated where there is no room": Case(rotate, room=0),
    "own URL rotated": Case(rotate, provider="plain", own_url=True),
    "own URL rotated where there is no room": Case(rotate, provider="plain", own_url=True, kind=Changing, room=0),
    "shared URL rotated": Case(rotate_url),
    "shared URL rotated, unsigned": Case(rotate_url, provider="plain"),
    "moved to another address": Case(repair, public_url=NEW_URL),
    "moved to another address, unsigned": Case(repair, provider="plain", public_url=NEW_URL),
    "moved where there is no room": Case(repair, provider="plain", kind=Changing, public_url=NEW_URL, room=0),
}
FEWEST = 4
"""So many steps the shortest of them has."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
async def test_whatever_is_cut_where_is_finished_by_the_next_run(tmp_path: Path, name: str) -> None:
    number = 0
    while await cut_once(tmp_path / str(number), CASES[name], number):
        number += 1
    assert number >= FEWEST


async def cut_once(directory: Path, case: Case, number: int) -> bool:
    """Do it, die at one step, start again, look; False when there was no such step any more."""
    office = case.kind()
    async with bench(directory, office) as before:
        theirs = strangers(before)
        made = await before.connect(case.provider, own_url=case.own_url)
    disturb(office, made, case)
    async with bench(directory, office, public_url=case.public_url) as dying:
        with cutting(dying, number) as knife, contextlib.suppress(Killed):
            await case.act(dying, made)
    async with bench(directory, office, public_url=case.public_url) as after:
        await every_secret_is_known(after, made.id)
        await after.watch.round()
        if (await after.row(made.id)).status == "needs_repair":
            assert case.public_url != PUBLIC_URL, "only for another address a person must say it again"
            await repair(after, made)
        for _ in range(2):
            await all_is_well(after, made.id, theirs)
            await after.watch.round()
    return knife.fell


def strangers(desk: Bench) -> list[Webhook]:
    """Put webhooks there that are somebody else's, one of them on our own URL and one with our kind of label."""
    wanted = Wanted(url="https://else.example/x", events=("made",), secret=None, label="booking-webhook-gateway con_x")
    signed = replace(wanted, url=desk.inboxes.shared_url(), secret="not one of ours")
    return [desk.office.add(wanted), desk.office.add(signed)]


def disturb(office: Office, made: Connection, case: Case) -> None:
    assert made.remote is not None
    if case.drift == "gone":
        del office.hooks[made.remote.id]
    elif case.drift:
        office.hooks[made.remote.id] = replace(office.hooks[made.remote.id], **case.drift)
    office.limit = len(office.hooks) + case.room


async def every_secret_is_known(desk: Bench, connection_id: str) -> None:
    """See that calls of whatever exists are accepted, before anything is put right."""
    row = await desk.row(connection_id)
    for hook in desk.office.hooks.values():
        if hook.url in desk.inboxes.urls_of(row) and hook.id not in ("hook-1", "hook-2"):
            assert hook.secret is None or hook.secret in row.secrets


async def all_is_well(desk: Bench, connection_id: str, theirs: list[Webhook]) -> None:
    """See that exactly one webhook of ours is there, that its calls are accepted, and that the row knows it."""
    row = await desk.row(connection_id)
    (ours,) = [hook for hook in desk.office.hooks.values() if hook not in theirs]
    assert (ours.url, set(ours.events)) == (desk.inboxes.url_of(row), set(desk.office.events))
    assert (ours.secret, ours.active) == (row.secrets[0] if row.secrets else None, None)
    assert row.remote is not None
    assert (row.remote.id, row.remote.url, row.status) == (ours.id, ours.url, "waiting")
    assert desk.reachable(row)
    assert (row.repairing, row.problem) == (None, None)
    assert all(desk.office.hooks[hook.id] == hook for hook in theirs)
