"""Connect, change, disconnect: rows here and webhooks at the provider, never one without the other unnoticed."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.contract.errors import (
    ApiRefused,
    ApiUnavailable,
    CredentialRefused,
    EgressRefused,
    ProviderApiError,
    WebhookLimit,
)
from gateway.contract.provider import Wanted
from gateway.registration.remote import AnotherWebhook
from gateway.registration.rules import Conflict, ConnectionChange, ConnectRequest, Invalid
from gateway.store.model import Connection
from tests.registration.conftest import Bench, removing
from tests.registration.vendors import Answering, full

SCHEME = {"header": "x-sig", "encoding": "hex"}

# --- connecting ---------------------------------------------------------------------------------------------------


async def test_connecting_makes_the_webhook_and_notes_what_the_provider_says(desk: Bench) -> None:
    made = await desk.connect("signing", name="Sales")
    (hook,) = desk.office.hooks.values()
    assert hook.url == desk.inboxes.shared_url()
    assert hook.secret == made.secrets[0]
    assert hook.events == ("made", "moved", "gone")
    assert made.remote is not None
    assert (made.status, made.name, made.account, made.remote.id) == ("waiting", "Sales", "acme", hook.id)
    assert made.webhook_ids == (hook.id,)
    assert await desk.rows() == [made]


async def test_the_row_is_there_before_the_provider_is_asked(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Connection] = []
    create = desk.office.create

    async def looking(http: Any, wanted: Wanted) -> Any:
        seen.extend(await desk.rows())
        return await create(http, wanted)

    monkeypatch.setattr(desk.office, "create", looking)
    made = await desk.connect("signing")
    assert [(row.id, row.status, row.secrets) for row in seen] == [(made.id, "registering", made.secrets)]


async def test_only_the_events_asked_for_are_subscribed_to(desk: Bench) -> None:
    await desk.connect("plain", settings={"events": ["gone"]})
    assert [hook.events for hook in desk.office.hooks.values()] == [("gone",)]


async def test_without_registering_nobody_is_asked_and_no_credential_is_needed(desk: Bench) -> None:
    made = await desk.connect("signing", register=False, credentials={})
    assert (made.status, made.remote, desk.office.asked) == ("waiting", None, [])


async def test_a_secret_that_was_made_is_handed_out_once(desk: Bench) -> None:
    key = {"api_key": "k"}
    made = await desk.registrar.connect(ConnectRequest(provider="signing", credentials=key))
    given = ConnectRequest(provider="signing", credentials=key, signing_secret="given by me")
    assert made.generated == made.connection.secrets[0]
    assert (await desk.registrar.connect(given)).generated is None


async def test_a_second_unsigned_connection_of_a_provider_gets_its_own_url(desk: Bench) -> None:
    first, second = await desk.connect("plain"), await desk.connect("plain")
    assert first.token is None
    assert second.token is not None
    assert {hook.url for hook in desk.office.hooks.values()} == {
        desk.inboxes.url_of(first),
        desk.inboxes.url_of(second),
    }
    assert desk.inboxes.url_of(first) != desk.inboxes.url_of(second)


async def test_two_that_are_connected_at_once_do_not_share_what_they_must_not(desk: Bench) -> None:
    made = await asyncio.gather(*(desk.connect("plain") for _ in range(4)))
    assert [connection.token for connection in made].count(None) == 1


async def test_a_provider_that_can_sign_is_unsigned_only_on_its_own_url(desk: Bench) -> None:
    made = await desk.connect("signing", unsigned=True)
    assert made.token is not None
    assert made.secrets == ()
    assert [hook.secret for hook in desk.office.hooks.values()] == [None]


async def test_an_own_url_can_be_asked_for(desk: Bench) -> None:
    assert (await desk.connect("plain", own_url=True)).token is not None


async def test_one_secret_cannot_prove_two_connections_on_one_url(desk: Bench) -> None:
    await desk.connect("signing", signing_secret="the same one")
    with pytest.raises(Conflict, match="signing_secret"):
        await desk.connect("signing", signing_secret="the same one")
    assert len(await desk.rows()) == len(desk.office.hooks) == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"provider": "nobody"}, "provider"),
        ({"credentials": {}}, "credentials.api_key"),
        ({"credentials": {"api_key": "k", "more": 1}}, "credentials.more"),
        ({"settings": {"colour": "red"}}, "settings.colour"),
        ({"settings": {"events": ["burnt"]}}, "settings.events[0]"),
        ({"settings": {"base_url": "http://127.0.0.1:1"}}, "settings.base_url"),
        ({"signing_secret": "short"}, "signing_secret"),
    ],
)
async def test_a_request_that_is_wrong_names_the_field_and_leaves_nothing(
    desk: Bench, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await desk.connect(**{"provider": "signing", **fields})
    assert refused.value.field == field
    assert await desk.rows() == []
    assert desk.office.asked == []


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (CredentialRefused("no such key", status=401), "`credentials`"),
        (full(), "Delete a webhook there"),
        (ApiRefused("url: not a URL", status=422), "GATEWAY_PUBLIC_URL"),
        (ApiUnavailable("slow down", status=429, retry_after=7), "later"),
        (ApiUnavailable("no answer: refused", reached=False), "check `--set base_url=...`."),
    ],
)
async def test_a_refusal_is_told_in_the_providers_words_and_leaves_nothing(
    desk: Bench, refusal: ProviderApiError, advice: str
) -> None:
    desk.office.fails["create"] = [refusal]
    with pytest.raises(type(refusal)) as told:
        await desk.connect("signing")
    assert refusal.words.removeprefix("no answer: ") in told.value.words
    assert told.value.words.startswith(f"Signing Inc. {'answered' if refusal.status else 'could not be reached'}: ")
    assert "site=" not in told.value.words, "this provider has no such setting"
    assert advice in told.value.words
    assert told.value.retry_after == refusal.retry_after
    assert await desk.rows() == []
    assert desk.office.asked == ["create"]


async def test_what_a_provider_repeats_of_our_secrets_is_not_told(desk: Bench) -> None:
    token = desk.inboxes.shared_url().rpartition("/")[2]
    desk.office.fails["create"] = [ApiRefused(f"{token} the-api-key my-own-secret", status=422)]
    with pytest.raises(ApiRefused) as told:
        await desk.connect("signing", signing_secret="my-own-secret")
    assert "*** *** ***" in told.value.words


async def test_an_address_that_may_not_be_reached_is_a_wrong_setting(desk: Bench) -> None:
    desk.office.fails["create"] = [EgressRefused("10.0.0.1 is not public")]
    with pytest.raises(Invalid, match=r"10\.0\.0\.1"):
        await desk.connect("signing")
    assert await desk.rows() == []


@pytest.mark.parametrize("provider", ["signing", "plain"])
async def test_a_webhook_whose_making_was_not_answered_is_found_and_taken(desk: Bench, provider: str) -> None:
    theirs = desk.office.add(Wanted(url=desk.inboxes.shared_url(), events=("made",), secret=None, label="by hand"))
    desk.office.loses_answers = True
    made = await desk.connect(provider)
    assert made.remote is not None
    assert made.status == "waiting"
    assert set(desk.office.hooks) == {theirs.id, made.remote.id}
    assert desk.office.asked.count("create") == 1


@pytest.mark.parametrize("office", [Answering], indirect=True)
@pytest.mark.parametrize("how", ["normalises", "names"])
async def test_an_answer_about_another_webhook_makes_no_connection(desk: Bench, how: str) -> None:
    theirs = desk.office.add(Wanted(url="https://else.example/x", events=("made",), secret=None, label="x"))
    setattr(desk.office, how, theirs.id)
    with pytest.raises(AnotherWebhook, match="delete by hand what nobody needs"):
        await desk.connect("signing")
    assert (await desk.rows(), "delete" in desk.office.asked) == ([], False)
    assert desk.office.hooks[theirs.id] == theirs


async def test_while_nobody_can_say_whether_a_webhook_was_made_the_row_stays(desk: Bench) -> None:
    desk.office.loses_answers = True
    desk.office.fails["list"] = [ApiUnavailable("down", status=503)] * 3
    with pytest.raises(ApiUnavailable, match="may have been made"):
        await desk.connect("signing")
    (row,) = await desk.rows()
    assert row.status == "removing"
    assert not desk.reachable(row)
    async with removing(desk.registrar):
        await desk.gone()
    assert desk.office.hooks == {}


async def test_a_plugin_that_breaks_is_an_api_that_cannot_be_used(desk: Bench) -> None:
    desk.office.fails["create"] = [KeyError("uuid")]
    with pytest.raises(ApiUnavailable, match="KeyError"):
        await desk.connect("signing")
    assert await desk.rows() == []


# --- changing -----------------------------------------------------------------------------------------------------


async def test_a_name_is_changed_without_asking_the_provider(desk: Bench) -> None:
    made = await desk.connect("signing")
    changed = await desk.registrar.change(made.id, ConnectionChange(name="New"))
    assert changed is not None
    assert (changed.name, desk.office.asked) == ("New", ["create"])


async def test_a_new_credential_is_tried_at_once(desk: Bench) -> None:
    made = await desk.connect("signing")
    changed = await desk.registrar.change(made.id, ConnectionChange(name="New", credentials={"api_key": "fresh"}))
    assert changed is not None
    assert (changed.name, changed.credentials, changed.secrets) == ("New", {"api_key": "fresh"}, made.secrets)
    assert desk.office.asked == ["create", "list"]
    desk.office.fails["list"] = [CredentialRefused("no such key: stale", status=401)]
    changed = await desk.registrar.change(made.id, ConnectionChange(credentials={"api_key": "stale-key"}))
    assert changed is not None
    assert (changed.credentials, changed.status) == ({"api_key": "stale-key"}, "broken")
    assert "no such key" in str(changed.problem)


async def test_a_provider_that_says_nothing_about_a_new_credential_changes_no_status(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.fails["list"] = [ApiUnavailable("no answer: down", reached=False)]
    changed = await desk.registrar.change(made.id, ConnectionChange(credentials={"api_key": "fresh"}))
    assert changed is not None
    assert (changed.credentials, changed.status) == ({"api_key": "fresh"}, made.status)


async def test_changing_what_does_not_exist_says_so(desk: Bench) -> None:
    assert await desk.registrar.change("con_none", ConnectionChange(name="x")) is None


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (ConnectionChange(settings={"base_url": "https://elsewhere.example"}), "delete the connection and make it"),
        (ConnectionChange(signing_secret="another one"), "gateway connections rotate"),
    ],
)
async def test_what_a_repair_cannot_bring_is_refused_and_says_what_to_do(
    desk: Bench, change: ConnectionChange, advice: str
) -> None:
    made = await desk.connect("signing")
    with pytest.raises(Conflict, match=advice):
        await desk.registrar.change(made.id, change)
    assert await desk.rows() == [made]


async def test_other_events_are_subscribed_to_by_the_watch(desk: Bench) -> None:
    made = await desk.connect("signing")
    await desk.registrar.change(made.id, ConnectionChange(settings={"events": ["gone"]}))
    await desk.watch.round()
    assert [hook.events for hook in desk.ours()] == [("gone",)]


async def test_a_signature_can_be_set_later_where_webhooks_are_made_by_hand(desk: Bench) -> None:
    made = await desk.connect("pasted")
    with pytest.raises(Invalid, match="signing_secret"):
        await desk.registrar.change(made.id, ConnectionChange(settings={"signature": SCHEME}))
    change = ConnectionChange(settings={"signature": SCHEME}, signing_secret="eight or more")
    changed = await desk.registrar.change(made.id, change)
    assert changed is not None
    assert changed.secrets == ("eight or more",)
    back = await desk.registrar.change(made.id, ConnectionChange(settings={"signature": None}))
    assert back is not None
    assert (back.secrets, back.settings) == ((), {})


async def test_a_change_that_would_make_the_shared_url_undecidable_is_refused(desk: Bench) -> None:
    signed = {"settings": {"signature": SCHEME}, "signing_secret": "eight or more"}
    await desk.connect("pasted", **signed)
    other = await desk.connect("pasted", settings={"signature": SCHEME}, signing_secret="another secret")
    with pytest.raises(Conflict, match="own_url"):
        await desk.registrar.change(other.id, ConnectionChange(settings={"signature": None}))
    with pytest.raises(Conflict, match="signing_secret"):
        await desk.registrar.change(other.id, ConnectionChange(signing_secret="eight or more"))


def test_a_full_account_is_an_error_of_its_own() -> None:
    assert isinstance(full(), WebhookLimit)


async def test_a_name_can_be_changed_whatever_its_neighbours_are(desk: Bench) -> None:
    made = await desk.connect("plain")
    twin = replace(made, id="con_twin", version=0)  # as if an older version had let it in
    await desk.store.put_connection(twin)
    changed = await desk.registrar.change(made.id, ConnectionChange(name="New"))
    assert changed is not None
    assert changed.name == "New"


async def test_a_provider_that_hangs_while_a_registration_is_undone_is_not_waited_for(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering, list_hooks = asyncio.Event(), desk.office.list

    async def hangs(http: Any) -> Any:
        await answering.wait()
        return await list_hooks(http)

    desk.office.loses_answers = True
    monkeypatch.setattr(desk.office, "list", hangs)
    monkeypatch.setattr("gateway.registration.registrar.AT_ONCE_SECONDS", 0.0)
    monkeypatch.setattr("gateway.registration.remote.FIND_SECONDS", 0.0)
    with pytest.raises(ApiUnavailable, match="may have been made"):
        await desk.connect("plain")
    answering.set()
    async with removing(desk.registrar):
        await desk.gone()
    assert desk.office.hooks == {}


async def test_a_call_that_arrives_while_a_row_is_changed_does_not_undo_the_change(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await desk.connect("signing")
    put, meanwhile = desk.store.put_connection, iter([replace(made, status="active")])

    async def late(connection: Connection) -> Connection:
        for change in meanwhile:
            await put(change)
        return await put(connection)

    monkeypatch.setattr(desk.store, "put_connection", late)
    changed = await desk.registrar.change(made.id, ConnectionChange(name="New"))
    assert changed is not None
    assert (changed.name, changed.status) == ("New", "active")


async def test_a_row_that_goes_away_while_it_is_changed_says_so(desk: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await desk.connect("signing")
    put = desk.store.put_connection

    async def late(connection: Connection) -> Connection:
        await desk.store.remove_connection(connection.id)
        return await put(connection)

    monkeypatch.setattr(desk.store, "put_connection", late)
    with pytest.raises(Conflict, match="removed meanwhile"):
        await desk.registrar.change(made.id, ConnectionChange(name="New"))


async def test_a_connection_whose_plugin_is_gone_can_be_removed_and_not_changed(desk: Bench) -> None:
    made = await desk.connect("plain")
    orphan = replace(made, id="con_orphan", provider="uninstalled", version=0)
    await desk.store.put_connection(orphan)
    with pytest.raises(Conflict, match="not installed"):
        await desk.registrar.change(orphan.id, ConnectionChange(name="New"))
    assert await desk.registrar.disconnect(orphan.id) is True
