"""Delete at providers what was disconnected here, whatever comes between."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.contract.errors import (
    ApiUnavailable,
    CredentialRefused,
    StoreUnavailable,
)
from gateway.contract.provider import Wanted
from gateway.registration.removals import ABANDONED_MS, DOUBTFUL_MS
from gateway.registration.rules import Conflict, ConnectionChange
from gateway.store.model import Connection
from tests.registration.conftest import Bench, bench, removing
from tests.registration.vendors import Office


async def test_disconnecting_deletes_the_webhook_and_the_row(desk: Bench) -> None:
    made = await desk.connect("signing")
    assert await desk.registrar.disconnect(made.id) is True
    assert desk.office.hooks == {}
    assert await desk.rows() == []


async def test_disconnecting_what_does_not_exist_says_so(desk: Bench) -> None:
    assert await desk.registrar.disconnect("con_none") is None


async def test_a_connection_without_a_webhook_goes_without_asking(desk: Bench) -> None:
    made = await desk.connect("pasted")
    assert await desk.registrar.disconnect(made.id) is True
    assert desk.office.asked == []


async def test_its_url_is_dead_at_once_and_its_webhook_is_deleted_with_retries(desk: Bench) -> None:
    made = await desk.connect("signing", own_url=True)
    url = desk.inboxes.url_of(made)
    desk.office.fails["delete"] = [ApiUnavailable("down", status=503)] * 4
    assert await desk.registrar.disconnect(made.id) is False
    assert desk.inboxes.by_token(url.rpartition("/")[2]) is None
    assert [row.status for row in await desk.rows()] == ["removing"]
    async with removing(desk.registrar):
        await desk.gone()
    assert desk.office.hooks == {}


async def test_removing_goes_on_after_a_restart(tmp_path: Path, office: Office) -> None:
    async with bench(tmp_path, office) as before:
        made = await before.connect("signing")
        office.fails["delete"] = [ApiUnavailable("down", status=503)]
        assert await before.registrar.disconnect(made.id) is False
    async with bench(tmp_path, office) as after, removing(after.registrar):
        await after.gone()
    assert office.hooks == {}


async def test_a_registration_that_died_half_way_is_undone_after_a_restart(tmp_path: Path, office: Office) -> None:
    async with bench(tmp_path, office) as before:
        made = await before.connect("signing")
        half = replace(
            made, status="registering", remote=None, webhook_ids=(), created_at=made.created_at - ABANDONED_MS - 1
        )
        await before.store.put_connection(half)
    async with bench(tmp_path, office) as after, removing(after.registrar):
        await after.gone()
    assert office.hooks == {}


async def test_a_registration_that_is_going_on_is_left_alone(desk: Bench) -> None:
    made = await desk.connect("signing")
    await desk.store.put_connection(replace(made, status="registering", remote=None))
    with pytest.raises(Conflict, match="being registered"):
        await desk.registrar.disconnect(made.id)
    other = await desk.connect("plain")
    desk.office.fails["delete"] = [ApiUnavailable("down", status=503)]
    async with removing(desk.registrar):
        await desk.registrar.disconnect(other.id)
        await desk.gone(other.id)
    assert [row.status for row in await desk.rows()] == ["registering"]


async def test_a_credential_given_later_lets_a_removal_end(desk: Bench) -> None:
    made = await desk.connect("plain")
    desk.office.fails["delete"] = [CredentialRefused("expired", status=401)]
    assert await desk.registrar.disconnect(made.id) is False
    with pytest.raises(Conflict, match="removing"):
        await desk.registrar.change(made.id, ConnectionChange(settings={"events": ["gone"]}))
    await desk.registrar.change(made.id, ConnectionChange(credentials={"api_key": "fresh"}))
    async with removing(desk.registrar):
        await desk.gone()


async def test_nobody_is_asked_forever_about_a_webhook_that_was_perhaps_never_made(desk: Bench) -> None:
    made = await desk.connect("plain")
    old = made.created_at - DOUBTFUL_MS
    await desk.store.put_connection(replace(made, status="removing", remote=None, created_at=old))
    desk.office.fails["list"] = [ApiUnavailable("down", status=503)]
    async with removing(desk.registrar):
        await desk.gone()


async def test_who_disconnects_does_not_wait_for_a_provider_that_hangs(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await desk.connect("plain")
    delete, hanging = desk.office.delete, asyncio.Event()

    async def hangs(http: Any, webhook_id: str) -> None:
        await hanging.wait()
        await delete(http, webhook_id)

    monkeypatch.setattr(desk.office, "delete", hangs)
    monkeypatch.setattr("gateway.registration.registrar.AT_ONCE_SECONDS", 0.0)
    assert await desk.registrar.disconnect(made.id) is False
    hanging.set()
    async with removing(desk.registrar):
        await desk.gone()
    assert desk.office.hooks == {}


async def test_removing_outlives_trouble_with_the_store(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await desk.connect("plain")
    await desk.store.put_connection(replace(made, status="removing"))
    read, troubles = desk.store.connections, [StoreUnavailable("disk full", retry_after=0)] * 2

    async def troubled() -> list[Connection]:
        if troubles:
            raise troubles.pop()
        return await read()

    monkeypatch.setattr(desk.store, "connections", troubled)
    async with removing(desk.registrar):
        while await read():
            await desk.store.changed(1.0)
    assert desk.office.hooks == {}


@pytest.mark.parametrize("trouble", [CredentialRefused("expired", status=401), ApiUnavailable("down", status=503)])
async def test_a_connection_whose_provider_cannot_be_asked_can_be_forgotten(desk: Bench, trouble: Exception) -> None:
    made = await desk.connect("signing")
    desk.office.fails["list"] = [trouble]
    assert await desk.registrar.disconnect(made.id, force=True) is True
    assert await desk.rows() == []
    assert list(desk.office.hooks) == ["hook-1"]


async def test_forgetting_still_takes_away_what_can_be_taken_away(desk: Bench) -> None:
    made = await desk.connect("signing")
    assert await desk.registrar.disconnect(made.id, force=True) is True
    assert desk.office.hooks == {}


async def test_removing_takes_every_webhook_of_a_connection_and_nobody_elses(desk: Bench) -> None:
    theirs = desk.office.add(Wanted(url=desk.inboxes.shared_url(), events=("made",), secret="theirs", label="x"))
    made = await desk.connect("signing")
    desk.office.add(Wanted(url=desk.inboxes.shared_url(), events=("made",), secret=made.secrets[0], label="x"))
    assert await desk.registrar.disconnect(made.id) is True
    assert list(desk.office.hooks.values()) == [theirs]
