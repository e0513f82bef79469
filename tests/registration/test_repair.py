"""What is different at a provider is put right, nothing is lost on the way, and who must decide is asked."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.contract.errors import ApiRefused, ApiUnavailable, CredentialRefused, EgressRefused, WebhookLimit
from gateway.contract.provider import Wanted, Webhook
from gateway.registration.plan import Decision
from gateway.registration.remote import AnotherWebhook
from gateway.registration.repair import REPAIRS_A_DAY
from gateway.registration.rotate import RotateRequest
from gateway.registration.rules import Conflict, ConnectionChange, Invalid
from gateway.store.model import Connection
from tests.registration.conftest import Bench, bench
from tests.registration.vendors import Answering, Changing, Office


def drifted(desk: Bench, made: Connection, **fields: Any) -> None:
    """Change a connection's webhook by hand at the vendor."""
    assert made.remote is not None
    desk.office.hooks[made.remote.id] = replace(desk.office.hooks[made.remote.id], **fields)


def strangers(desk: Bench, *, url: str = "https://else.example/x") -> list[Webhook]:
    """Put webhooks at the vendor that are somebody else's, one of them on our own URL."""
    wanted = Wanted(url=url, events=("made",), secret="not one of ours", label="x")
    return [desk.office.add(wanted), desk.office.add(replace(wanted, url=desk.inboxes.shared_url()))]


async def test_checking_changes_nothing_there_and_says_what_repair_would(desk: Bench) -> None:
    made = await desk.connect("signing")
    drifted(desk, made, events=("made",))
    before = dict(desk.office.hooks)
    looked = await desk.registrar.repairs.check(made.id)
    assert looked is not None
    assert (looked.plan.kind, looked.done, looked.connection.status) == ("replace", (), "waiting")
    dry = await desk.registrar.repairs.repair(made.id, dry_run=True)
    assert dry is not None
    assert (dry.plan, dry.done) == (looked.plan, ())
    assert desk.office.hooks == before


async def test_checking_what_does_not_exist_says_so(desk: Bench) -> None:
    assert await desk.registrar.repairs.check("con_none") is None
    assert await desk.registrar.repairs.repair("con_none") is None


@pytest.mark.parametrize("office", [Office, Changing], indirect=True)
@pytest.mark.parametrize("drift", [{"events": ("made",)}, {"active": False}, {"secret": None}])
async def test_drift_is_put_right_and_strangers_are_left_alone(desk: Bench, drift: Any) -> None:
    theirs = strangers(desk)
    made = await desk.connect("signing")
    drifted(desk, made, **drift)
    looked = await desk.registrar.repairs.repair(made.id)
    assert looked is not None
    (ours,) = [hook for hook in desk.office.hooks.values() if hook not in theirs]
    assert (set(ours.events), ours.active, ours.secret) == ({"made", "moved", "gone"}, None, made.secrets[0])
    assert looked.connection.remote is not None
    assert looked.connection.remote.id == ours.id
    assert [desk.office.hooks[hook.id] for hook in theirs] == theirs


async def test_a_webhook_that_is_gone_is_made_again(desk: Bench) -> None:
    made = await desk.connect("plain")
    desk.office.hooks.clear()
    await desk.watch.round()
    (hook,) = desk.ours()
    assert (await desk.row(made.id)).remote == replace_remote(made, hook.id)
    (told,) = await desk.told()
    assert "No webhook of this connection is there" in str(told)
    assert "Made hook-2" in str(told)


def replace_remote(made: Connection, webhook_id: str) -> Any:
    assert made.remote is not None
    return replace(made.remote, id=webhook_id, checked_at=pytest.approx(made.remote.checked_at, abs=60_000))


async def test_a_webhook_that_somebody_sent_elsewhere_is_left_to_them(desk: Bench) -> None:
    made = await desk.connect("signing")
    drifted(desk, made, url="https://else.example/x")
    await desk.watch.round()
    assert [hook.url for hook in desk.office.hooks.values()] == ["https://else.example/x", desk.inboxes.shared_url()]


async def test_doubles_go_and_one_stays(desk: Bench) -> None:
    made = await desk.connect("signing")
    for _ in range(3):
        desk.office.add(Wanted(url=desk.inboxes.shared_url(), events=("made",), secret=made.secrets[0], label="x"))
    await desk.watch.round()
    assert [hook.id for hook in desk.ours()] == ["hook-1"]


async def test_two_connections_at_one_account_do_not_take_each_others(desk: Bench) -> None:
    one, two = await desk.connect("signing"), await desk.connect("plain")
    desk.office.hooks.clear()
    for _ in range(2):
        await desk.watch.round()
    assert len(desk.ours()) == 2
    remotes = [(await desk.row(made.id)).remote for made in (one, two)]
    assert {remote.id for remote in remotes if remote} == set(desk.office.hooks)


# --- no room -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("office", [Changing], indirect=True)
async def test_where_there_is_no_room_a_webhook_is_changed_in_place(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.limit = 1
    drifted(desk, made, secret=None)
    looked = await desk.registrar.repairs.repair(made.id)
    assert looked is not None
    assert looked.done == ("The account has no room for one more webhook.", "Changed hook-1 in place.")
    assert desk.office.asked[-2:] == ["create", "update"]


@pytest.mark.parametrize("office", [Changing], indirect=True)
async def test_what_is_switched_off_is_made_anew_since_a_change_may_leave_it_off(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.limit = 1
    drifted(desk, made, active=False)
    await desk.registrar.repairs.repair(made.id)
    assert [hook.active for hook in desk.ours()] == [None]


async def test_where_there_is_no_room_and_no_other_way_the_old_one_goes_first_and_that_is_said(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.limit = 1
    drifted(desk, made, events=("made",))
    looked = await desk.registrar.repairs.repair(made.id)
    assert looked is not None
    assert "(If the account has no room for one more: hook-1 is deleted first" in looked.plan.steps[0].words
    assert "Deleted hook-1 first: what happened until the new one was there is missed." in looked.done
    assert [hook.events for hook in desk.ours()] == [("made", "moved", "gone")]


async def test_a_full_account_needs_its_operator_until_there_is_room(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.hooks.clear()
    theirs, desk.office.limit = strangers(desk), 2
    with pytest.raises(WebhookLimit, match="Delete a webhook there that is not needed any more; this is tried again"):
        await desk.registrar.repairs.repair(made.id)
    row = await desk.row(made.id)
    assert (row.status, "six is enough" in str(row.problem)) == ("needs_repair", True)
    assert list(desk.office.hooks.values()) == theirs
    desk.office.limit = 3
    await desk.watch.round()
    row = await desk.row(made.id)
    assert (row.status, row.problem) == ("waiting", None)
    assert [event.data.status for event in await desk.told()] == ["needs_repair", "waiting"]  # type: ignore[union-attr]


# --- answers that are not believed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("office", [Answering], indirect=True)
@pytest.mark.parametrize("loses_answers", [False, True])
async def test_a_vendor_that_keeps_one_webhook_for_a_url_is_left_with_it(desk: Bench, loses_answers: bool) -> None:
    assert isinstance(desk.office, Answering)
    made = await desk.connect("signing")
    desk.office.upserts = True
    if loses_answers:
        desk.office.at = lambda name: lost() if name == "after update" else None
        await desk.registrar.rotation.rotate(made.id, RotateRequest())
    else:
        with pytest.raises(AnotherWebhook, match="hook-1, which was there before, instead of a new one"):
            await desk.registrar.rotation.rotate(made.id, RotateRequest())
        assert (await desk.row(made.id)).status == "needs_repair"
    assert (list(desk.office.hooks), "delete" in desk.office.asked) == (["hook-1"], False)
    await desk.watch.round()
    row = await desk.row(made.id)
    assert (row.status, desk.office.hooks["hook-1"].secret) == ("waiting", row.secrets[0])


def lost() -> None:
    raise ApiUnavailable("no answer within 20 s")


@pytest.mark.parametrize("office", [Answering], indirect=True)
@pytest.mark.parametrize("drift", [{"events": ("made",)}, {"active": False}])
@pytest.mark.parametrize("number", [0, 1])
async def test_an_answer_about_somebody_elses_webhook_is_not_believed(desk: Bench, number: int, drift: Any) -> None:
    assert isinstance(desk.office, Answering)
    theirs, made = strangers(desk), await desk.connect("plain")
    drifted(desk, made, **drift)
    desk.office.names = theirs[number].id
    with pytest.raises(AnotherWebhook, match=f"{theirs[number].id}.*not noted as ours, and nothing was deleted"):
        await desk.registrar.repairs.repair(made.id)
    row = await desk.row(made.id)
    assert (row.webhook_ids, row.remote, row.status) == (made.webhook_ids, made.remote, "needs_repair")
    assert "delete" not in desk.office.asked
    desk.office.names = None
    assert await desk.registrar.disconnect(made.id) is True
    assert list(desk.office.hooks.values()) == theirs


@pytest.mark.parametrize("office", [Answering], indirect=True)
async def test_a_url_that_the_vendor_changes_is_no_success_and_is_not_tried_for_ever(desk: Bench) -> None:
    assert isinstance(desk.office, Answering)
    made = await desk.connect("signing")
    desk.office.hooks.clear()
    desk.office.normalises = True
    for _ in range(REPAIRS_A_DAY):
        with pytest.raises(AnotherWebhook, match=r"calls another path and not https://gateway\.example as asked"):
            await desk.registrar.repairs.watch(made.id)
    tries = desk.office.asked.count("create")
    await desk.registrar.repairs.watch(made.id)
    assert desk.office.asked.count("create") == tries
    row = await desk.row(made.id)
    assert (row.status, row.remote, row.webhook_ids) == ("needs_repair", made.remote, made.webhook_ids)


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (CredentialRefused("expired on Monday", status=401), "broken"),
        (ApiRefused("the user header is missing", status=400), "needs_repair"),
        (ApiUnavailable("come back later", status=503), "waiting"),
        (EgressRefused("10.0.0.1 is not public"), "needs_repair"),
    ],
)
async def test_a_refusal_is_told_and_kept_and_an_outage_changes_no_status(
    desk: Bench, refusal: Exception, status: str
) -> None:
    made = await desk.connect("signing")
    desk.office.fails["list"] = [refusal]
    with pytest.raises((type(refusal), Invalid), match=str(refusal).split(maxsplit=1)[0]):
        await desk.registrar.repairs.check(made.id)
    row = await desk.row(made.id)
    assert row.status == status
    assert str(refusal) in str(row.problem)
    await desk.registrar.repairs.check(made.id)
    row = await desk.row(made.id)
    assert (row.status, row.problem) == ("waiting", None)


async def test_a_refused_key_is_told_once_and_its_end_too(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.fails["list"] = [CredentialRefused("no", status=401)] * 3
    for _ in range(3):
        with pytest.raises(CredentialRefused):
            await desk.registrar.repairs.check(made.id)
    await desk.registrar.repairs.check(made.id)
    assert [event.data.status for event in await desk.told()] == ["broken", "waiting"]  # type: ignore[union-attr]


async def test_a_key_that_was_changed_is_tried_at_once(desk: Bench) -> None:
    made = await desk.connect("signing")
    woken: list[str | None] = []
    desk.registrar.wake = woken.append
    await desk.registrar.change(made.id, ConnectionChange(credentials={"api_key": "fresh"}))
    assert woken == [made.id]


@pytest.mark.parametrize("status", ["registering", "removing"])
async def test_what_comes_or_goes_is_not_repaired(desk: Bench, status: Any) -> None:
    made = await desk.connect("signing")
    await desk.store.put_connection(replace(made, status=status))
    with pytest.raises(Conflict, match=status):
        await desk.registrar.repairs.repair(made.id)


async def test_what_is_made_by_hand_is_not_looked_for(desk: Bench) -> None:
    for made in (await desk.connect("pasted"), await desk.connect("signing", register=False)):
        looked = await desk.registrar.repairs.check(made.id)
        assert looked is not None
        assert "made by hand" in looked.plan.left[0]
    assert desk.office.asked == []


async def test_who_changes_a_webhook_back_again_and_again_wins_and_a_person_is_told(desk: Bench) -> None:
    made = await desk.connect("signing")
    for _ in range(REPAIRS_A_DAY):
        drifted(desk, await desk.row(made.id), events=("made",))
        await desk.watch.round()
        assert len(desk.ours()[0].events) == 3
    drifted(desk, await desk.row(made.id), events=("made",))
    await desk.watch.round()
    row = await desk.row(made.id)
    assert row.status == "needs_repair"
    assert "put right 5 times in a day" in str(row.problem)
    assert desk.ours()[0].events == ("made",)
    await desk.registrar.repairs.repair(made.id)
    assert len(desk.ours()[0].events) == 3
    assert (await desk.row(made.id)).status == "waiting"


# --- another address, another life ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "left"), [(None, ["new"]), ("move", ["new"]), ("beside", ["https://gateway.example", "new"])]
)
@pytest.mark.parametrize("provider", ["signing", "plain"])
async def test_a_new_public_url_waits_for_a_person(
    tmp_path: Path, office: Office, provider: str, decision: Decision | None, left: list[str]
) -> None:
    async with bench(tmp_path, office) as before:
        made = await before.connect(provider)
        old = dict(office.hooks)
    async with bench(tmp_path, office, public_url="https://new.example") as after:
        await after.watch.round()
        row = await after.row(made.id)
        assert (row.status, office.hooks) == ("needs_repair", old)
        assert "This gateway was" in str(row.problem) or "where this gateway was before" in str(row.problem)
        await after.registrar.repairs.repair(made.id, decision)
        row = await after.row(made.id)
        assert (row.status, row.problem, row.repairing) == ("waiting", None, None)
        hosts = ["new" if "new.example" in hook.url else "https://gateway.example" for hook in office.hooks.values()]
        assert hosts == left
        await after.watch.round()
        assert len(office.hooks) == len(left)


async def test_a_restored_copy_touches_nothing_until_a_person_says_so(tmp_path: Path, office: Office) -> None:
    async with bench(tmp_path, office) as live:
        made = await live.connect("signing")
        await live.store.put_connection(replace(made, restored=True, status="needs_repair"))
        original = dict(office.hooks)
    async with bench(tmp_path, office, public_url="https://copy.example") as copy:
        office.hooks["hook-1"] = replace(office.hooks["hook-1"], events=("made",))
        original = dict(office.hooks)
        await copy.watch.round()
        assert office.hooks == original
        assert [event.data.status for event in await copy.told()] == ["needs_repair"]  # type: ignore[union-attr]
        looked = await copy.registrar.repairs.repair(made.id)
        assert looked is not None
        assert office.hooks["hook-1"] == original["hook-1"], "a gateway may still run there"
        assert len(office.hooks) == 2
        assert not (await copy.row(made.id)).restored
        assert await copy.registrar.disconnect(made.id) is True
        assert office.hooks == original


async def test_a_restored_connection_made_by_hand_is_well_again_when_a_person_says_so(desk: Bench) -> None:
    made = await desk.connect("pasted")
    await desk.store.put_connection(replace(made, restored=True, status="needs_repair"))
    looked = await desk.registrar.repairs.check(made.id)
    assert looked is not None
    assert looked.plan.decide is not None
    looked = await desk.registrar.repairs.repair(made.id)
    assert looked is not None
    assert (looked.plan.decide, looked.done) == (None, ("This gateway goes on with it.",))
    row = await desk.row(made.id)
    assert (row.status, row.restored) == ("waiting", False)
