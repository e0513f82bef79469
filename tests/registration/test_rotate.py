"""New secrets and new URLs: two are accepted, webhooks move by themselves, and the old one ends in time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.contract.errors import ApiUnavailable
from gateway.registration.rotate import GRACE_MS, MOST_TOKENS, QUIET_MS, RotateRequest
from gateway.registration.rules import Conflict, ConnectionChange, Invalid
from gateway.store.model import Connection
from tests.registration.conftest import Bench, bench
from tests.registration.vendors import Office
from tests.store.samples import HandClock

SCHEME = {"header": "x-sig", "encoding": "hex"}
SIGNED = {"settings": {"signature": SCHEME}, "signing_secret": "their own secret"}
MINUTE_MS = 60_000


@pytest.fixture
def time() -> HandClock:
    return HandClock()


@pytest.fixture
async def desk(tmp_path: Path, office: Office, time: HandClock) -> AsyncIterator[Bench]:
    async with bench(tmp_path, office, clock=time) as made:
        yield made


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


async def rotate(desk: Bench, made: Connection, **asked: object) -> Connection:
    rotated = await desk.registrar.rotation.rotate(made.id, RotateRequest(**asked))  # type: ignore[arg-type]
    assert rotated is not None
    return rotated.looked.connection


# --- secrets -------------------------------------------------------------------------------------------------------


async def test_a_new_secret_is_made_shown_once_and_in_use_and_the_old_one_is_accepted_for_a_day(
    desk: Bench, time: HandClock
) -> None:
    made = await desk.connect("signing")
    rotated = await desk.registrar.rotation.rotate(made.id, RotateRequest())
    assert rotated is not None
    row = rotated.looked.connection
    assert row.secrets == (rotated.generated, made.secrets[0])
    assert [hook.secret for hook in desk.ours()] == [rotated.generated]
    for _ in range(2):
        await desk.watch.round()
    time.at += GRACE_MS - MINUTE_MS
    await desk.watch.round()
    assert len((await desk.row(made.id)).secrets) == 2
    time.at += 2 * MINUTE_MS
    await desk.watch.round()
    row = await desk.row(made.id)
    assert (row.secrets, row.replaced) == ((rotated.generated,), ())


async def test_a_secret_can_be_given(desk: Bench) -> None:
    made = await desk.connect("signing")
    rotated = await desk.registrar.rotation.rotate(made.id, RotateRequest(signing_secret="chosen by me"))
    assert rotated is not None
    assert (rotated.generated, rotated.looked.connection.secrets[0]) == (None, "chosen by me")
    with pytest.raises(Invalid, match="8 characters"):
        await rotate(desk, made, signing_secret="short")


async def test_the_same_secret_twice_on_one_url_is_refused(desk: Bench) -> None:
    await desk.connect("signing", signing_secret="the same one")
    other = await desk.connect("signing")
    with pytest.raises(Conflict, match="has this secret already"):
        await rotate(desk, other, signing_secret="the same one")


async def test_a_dry_run_shows_the_way_and_changes_nothing(desk: Bench) -> None:
    made = await desk.connect("signing")
    rotated = await desk.registrar.rotation.rotate(made.id, RotateRequest(dry_run=True))
    assert rotated is not None
    assert (rotated.looked.plan.kind, rotated.generated) == ("replace", None)
    assert await desk.row(made.id) == made
    assert list(desk.office.hooks) == ["hook-1"]


async def test_while_the_vendor_is_down_nothing_is_begun(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.fails["list"] = [ApiUnavailable("down", status=503)]
    with pytest.raises(ApiUnavailable):
        await rotate(desk, made)
    assert (await desk.row(made.id)).secrets == made.secrets


async def test_a_vendor_that_fails_half_way_is_asked_again_by_the_watch(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.fails["create"] = [ApiUnavailable("slow down", status=429)]
    with pytest.raises(ApiUnavailable):
        await rotate(desk, made)
    row = await desk.row(made.id)
    assert len(row.secrets) == 2
    await desk.watch.round()
    assert [hook.secret for hook in desk.ours()] == [row.secrets[0]]


async def test_two_rotations_one_after_the_other_leave_one_webhook_with_the_last_secret(desk: Bench) -> None:
    made = await desk.connect("signing")
    for number in range(3):
        row = await rotate(desk, made)
        assert len(row.secrets) == number + 2
        assert [hook.secret for hook in desk.ours()] == [row.secrets[0]]


async def test_while_a_person_has_to_decide_nothing_is_rotated(tmp_path: Path, office: Office) -> None:
    async with bench(tmp_path, office) as before:
        made = await before.connect("signing")
    async with bench(tmp_path, office, public_url="https://new.example") as after:
        with pytest.raises(Conflict, match="`repair` says"):
            await rotate(after, made)


async def test_the_old_secret_ends_when_the_operator_says_so(desk: Bench) -> None:
    made = await desk.connect("signing")
    row = await rotate(desk, made)
    row = await rotate(desk, made, finish=True, dry_run=True)
    assert len(row.secrets) == 2
    row = await rotate(desk, made, finish=True)
    assert len(row.secrets) == 1
    assert row.secrets[0] == desk.ours()[0].secret
    with pytest.raises(Conflict, match="no old one"):
        await rotate(desk, made, finish=True)


async def test_it_cannot_end_while_the_webhook_uses_it(desk: Bench) -> None:
    made = await desk.connect("signing")
    desk.office.fails["create"] = [ApiUnavailable("slow down", status=429)]
    with pytest.raises(ApiUnavailable):
        await rotate(desk, made)
    with pytest.raises(Conflict, match="still uses the old one"):
        await rotate(desk, made, finish=True)


async def test_where_webhooks_are_made_by_hand_the_old_secret_ends_only_when_the_operator_says_so(
    desk: Bench, time: HandClock
) -> None:
    made = await desk.connect("pasted", **SIGNED)
    with pytest.raises(Invalid, match="Pasted GmbH makes the secret"):
        await rotate(desk, made)
    row = await rotate(desk, made, signing_secret="their new secret")
    assert row.secrets == ("their new secret", "their own secret")
    time.at += 100 * GRACE_MS
    await desk.watch.round()
    assert (await desk.row(made.id)).secrets == row.secrets
    assert (await rotate(desk, made, finish=True)).secrets == ("their new secret",)


async def test_a_secret_for_calls_that_are_not_signed_is_refused(desk: Bench) -> None:
    made = await desk.connect("plain", own_url=True)
    with pytest.raises(Invalid, match="not signed"):
        await rotate(desk, made, signing_secret="eight or more")


# --- a URL of its own ----------------------------------------------------------------------------------------------


async def test_a_connections_own_url_is_renewed_and_the_old_one_is_accepted_for_a_day(
    desk: Bench, time: HandClock
) -> None:
    made = await desk.connect("plain", own_url=True)
    old = token_of(desk.inboxes.url_of(made))
    row = await rotate(desk, made)
    assert [token_of(hook.url) for hook in desk.ours()] == [row.token]
    assert desk.inboxes.by_token(old) is not None
    time.at += GRACE_MS + MINUTE_MS
    await desk.watch.round()
    assert desk.inboxes.by_token(old) is None
    assert desk.inboxes.by_token(str(row.token)) is not None


async def test_where_it_was_pasted_by_hand_the_old_url_lives_as_long_as_it_is_called(
    desk: Bench, time: HandClock
) -> None:
    made = await desk.connect("pasted", own_url=True)
    old = token_of(desk.inboxes.url_of(made))
    await rotate(desk, made)
    for _ in range(3):
        time.at += QUIET_MS - MINUTE_MS
        assert desk.inboxes.by_token(old) is not None  # a call
        await desk.watch.round()
    time.at += QUIET_MS + MINUTE_MS
    await desk.watch.round()
    assert desk.inboxes.by_token(old) is None


async def test_on_the_shared_url_there_is_nothing_of_its_own_to_renew(desk: Bench) -> None:
    made = await desk.connect("plain")
    with pytest.raises(Conflict, match="gateway url rotate"):
        await rotate(desk, made)


async def test_what_does_not_exist_or_comes_or_goes_is_not_rotated(desk: Bench) -> None:
    assert await desk.registrar.rotation.rotate("con_none", RotateRequest()) is None
    made = await desk.connect("signing")
    desk.office.fails["list"] = [ApiUnavailable("down", status=503)]
    await desk.registrar.disconnect(made.id)
    with pytest.raises(Conflict, match="removing"):
        await rotate(desk, made)


# --- the shared URL ------------------------------------------------------------------------------------------------


async def test_the_shared_url_is_renewed_webhooks_move_one_by_one_and_the_old_token_ends_a_day_after_the_last(
    desk: Bench, time: HandClock
) -> None:
    one, two = await desk.connect("signing"), await desk.connect("plain")
    old = token_of(desk.inboxes.shared_url())
    time.at += MINUTE_MS
    await desk.registrar.rotation.rotate_url()
    new = token_of(desk.inboxes.shared_url())
    assert new != old
    (before,) = await desk.registrar.rotation.older()
    assert (set(before.waiting), before.by_hand, before.retires_at) == ({one.id, two.id}, (), None)
    desk.office.fails["create"] = [ApiUnavailable("slow down", status=429)]
    await desk.watch.round()
    (between,) = await desk.registrar.rotation.older()
    assert len(between.waiting) == 1
    assert desk.inboxes.by_token(old) is not None
    desk.watch.wake()
    await desk.watch.round()
    assert {token_of(hook.url) for hook in desk.office.hooks.values()} == {new}
    (after,) = await desk.registrar.rotation.older()
    assert after.retires_at == time.at + GRACE_MS
    time.at += GRACE_MS
    await desk.watch.round()
    assert await desk.registrar.rotation.older() == []
    assert desk.inboxes.by_token(old) is None


async def test_the_old_token_ends_at_once_when_the_operator_says_so_but_not_before_all_have_moved(
    desk: Bench, time: HandClock
) -> None:
    made = await desk.connect("plain")
    time.at += 1
    await desk.registrar.rotation.rotate_url()
    with pytest.raises(Conflict, match=f"Not moved yet: {made.id}"):
        await desk.registrar.rotation.finish_url()
    await desk.watch.round()
    await desk.registrar.rotation.finish_url()
    assert await desk.registrar.rotation.older() == []


async def test_a_url_that_people_pasted_ends_when_nothing_calls_it_any_more(desk: Bench, time: HandClock) -> None:
    made = await desk.connect("pasted")
    old = token_of(desk.inboxes.shared_url())
    time.at += MINUTE_MS
    await desk.registrar.rotation.rotate_url()
    await desk.watch.round()
    (state,) = await desk.registrar.rotation.older()
    assert (state.by_hand, state.retires_at) == ((made.id,), time.at + QUIET_MS)
    time.at += QUIET_MS - MINUTE_MS
    assert desk.inboxes.by_token(old) is not None  # a call
    await desk.watch.round()
    time.at += QUIET_MS - MINUTE_MS
    await desk.watch.round()
    assert len(await desk.registrar.rotation.older()) == 1
    time.at += 2 * MINUTE_MS
    await desk.watch.round()
    assert await desk.registrar.rotation.older() == []


async def test_who_connects_after_the_new_url_was_shown_is_not_waited_for(desk: Bench, time: HandClock) -> None:
    time.at += MINUTE_MS
    await desk.registrar.rotation.rotate_url()
    time.at += MINUTE_MS
    await desk.connect("pasted")
    assert [state.by_hand for state in await desk.registrar.rotation.older()] == [()]


async def test_tokens_do_not_pile_up(desk: Bench, time: HandClock) -> None:
    for _ in range(MOST_TOKENS - 1):
        time.at += 1
        await desk.registrar.rotation.rotate_url()
    with pytest.raises(Conflict, match="--finish"):
        await desk.registrar.rotation.rotate_url()


async def test_the_newest_token_is_newest_whatever_the_clock_did(desk: Bench, time: HandClock) -> None:
    old = desk.inboxes.shared_url()
    time.at -= 10 * GRACE_MS
    await desk.registrar.rotation.rotate_url()
    assert desk.inboxes.shared_url() != old


async def test_tokens_that_are_settings_are_the_operators_to_change(tmp_path: Path, office: Office) -> None:
    one, two = "A" * 40, "B" * 40
    async with bench(tmp_path, office, given=[one]) as before:
        made = await before.connect("plain")
        with pytest.raises(Conflict, match="GATEWAY_INBOUND_TOKENS"):
            await before.registrar.rotation.rotate_url()
        assert await before.registrar.rotation.older() == []
    async with bench(tmp_path, office, given=[two, one]) as after:
        await after.watch.round()
        assert [token_of(hook.url) for hook in office.hooks.values()] == [two]
        assert (await after.row(made.id)).status == "waiting"


async def test_a_secret_that_is_exchanged_at_once_is_not_kept_as_an_old_one(desk: Bench) -> None:
    made = await desk.connect("pasted", **SIGNED)
    await rotate(desk, made, signing_secret="their new secret")
    changed = await desk.registrar.change(made.id, ConnectionChange(signing_secret="and yet another"))
    assert changed is not None
    assert (changed.secrets, changed.replaced) == (("and yet another",), ())
