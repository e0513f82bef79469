"""Held calls: asked about, in order for each booking, counted at any time, and lost by nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.contract.errors import CredentialRefused, EgressRefused, StoreUnavailable
from gateway.contract.events import (
    BookingAttendeeRemoved,
    BookingCancelled,
    BookingScheduled,
    CancelScope,
    Verification,
)
from gateway.pipeline import confirm
from gateway.pipeline.confirm import SECOND_LOOK, Confirmation
from gateway.pipeline.normalize import retry
from gateway.pipeline.receive import Inbox
from gateway.store import sieve
from gateway.store.model import StoredReceipt
from tests.pipeline.asked import Desk, Ids, confirming, fact, types, unavailable
from tests.store.samples import HandClock, open_store


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = HandClock()
    made = Desk(await open_store(tmp_path / "data", clock), clock, settings=confirming("try"))
    yield made
    await made.store.close()


async def test_a_call_is_held_until_the_provider_confirms_it(desk: Desk) -> None:
    held = await desk.takes(fact("b1", title="as called"))
    assert (held.status, held.events) == ("held", ())
    assert await desk.sums() == (0, 0, 1, 0)
    assert await desk.told() == []
    desk.vendor.says(fact("b1", title="as it is"))
    await desk.confirms()
    (event,) = await desk.told()
    assert isinstance(event, BookingScheduled)
    assert event.origin.verification is Verification.CONFIRMED
    assert event.data.booking.title == "as it is"
    assert event.origin.raw is not None
    assert event.warnings == ()
    assert await desk.sums() == (1, 0, 0, 0)


async def test_the_same_bytes_again_are_held_and_then_a_duplicate(desk: Desk) -> None:
    first = await desk.takes(fact("b1"))
    assert await desk.takes(fact("b1")) == first
    desk.vendor.says(fact("b1"))
    await desk.confirms(2)
    again = await desk.takes(fact("b1"))
    assert (again.status, again.receipt, len(again.events)) == ("duplicate", first.receipt, 1)
    assert len(await desk.told()) == 1


@pytest.mark.parametrize(
    ("call", "truth", "reason"),
    [
        (fact("b1"), None, "knows no such booking"),
        (fact("b1", "gone", step=9), fact("b1"), "no change that late"),
        (fact("b1", "gone"), fact("b1", "moved", step=5), "not cancelled"),
        (fact("b1", day=2), fact("b1"), "another time"),
        (fact("b1", "moved", day=3, step=9), fact("b1"), "no change that late"),
        (fact("b1", "moved"), fact("b1"), "another change at that time"),
    ],
)
async def test_what_the_provider_contradicts_twice_is_quarantined(
    desk: Desk, call: dict[str, object], truth: dict[str, object] | None, reason: str
) -> None:
    await desk.takes(call)
    desk.vendor.says(*([truth] if truth else []))
    await desk.confirms()
    assert await desk.sums() == (0, 0, 1, 0), "it may have called before it wrote things down"
    desk.clock.advance(SECOND_LOOK)
    await desk.confirms()
    assert await desk.sums() == (0, 1, 0, 0)
    told = await desk.reason() or ""
    assert told.startswith("contradicted: the provider")
    assert reason in told
    assert await desk.told() == []


async def test_a_contradicted_call_is_asked_about_again_when_it_is_retried(desk: Desk) -> None:
    await desk.takes(fact("b1"))
    await desk.confirms()
    desk.clock.advance(SECOND_LOOK)
    await desk.confirms()
    (row,) = await desk.store.receipts(status="quarantined")
    stored = await desk.store.receipt(row.id)
    assert stored is not None
    assert (await retry(desk.store, stored, desk.inbox)).status == "held"
    assert await desk.sums() == (0, 0, 1, 0)
    desk.vendor.says(fact("b1"))
    await desk.confirms()
    assert types(await desk.told()) == ["booking.scheduled"]
    assert await desk.sums() == (1, 0, 0, 0)


async def test_what_a_booking_was_before_it_changed_cannot_be_confirmed_and_says_so(desk: Desk) -> None:
    await desk.takes(fact("b1"))
    desk.vendor.says(fact("b1", "moved", day=5, step=60))
    await desk.confirms()
    (event,) = await desk.told()
    assert isinstance(event, BookingScheduled)
    assert event.warnings == ("confirm_outdated",)
    assert event.origin.verification is Verification.TOKEN


@pytest.mark.parametrize("error", [unavailable(), CredentialRefused("no", status=401), EgressRefused("no")])
async def test_a_provider_that_does_not_answer_delays_and_then_the_call_is_passed_on(
    desk: Desk, error: Exception
) -> None:
    desk.vendor.down = error
    await desk.takes(fact("b1"))
    for _ in range(40):
        await desk.confirms()
        desk.clock.advance(30)
        if await desk.told():
            break
        assert await desk.sums() == (0, 0, 1, 0)
    assert desk.clock.at - (await desk.store.receipts(status="understood"))[0].received_at >= 900_000
    assert 5 <= len(desk.vendor.asked) <= 12, "with growing pauses"
    (event,) = await desk.told()
    assert isinstance(event, BookingScheduled)
    assert event.warnings == ("confirm_unavailable",)
    assert event.origin.verification is Verification.TOKEN


async def test_what_must_be_confirmed_is_quarantined_when_no_answer_comes(desk: Desk) -> None:
    desk.settings = confirming("must", 10)
    desk.vendor.down = unavailable()
    await desk.takes(fact("b1"))
    for _ in range(5):
        await desk.confirms()
        desk.clock.advance(5)
    assert await desk.reason() == "unconfirmed: telling did not answer (HTTP 503); retry it once that answers"
    assert await desk.told() == []


async def test_a_provider_is_not_asked_before_it_wants_to_be(desk: Desk) -> None:
    desk.vendor.down = unavailable(retry_after=60)
    await desk.takes(fact("b1"))
    await desk.confirms()
    desk.clock.advance(59)
    await desk.confirms()
    assert len(desk.vendor.asked) == 1
    desk.clock.advance(1)
    await desk.confirms()
    assert len(desk.vendor.asked) == 2


async def test_a_restart_loses_no_held_call_and_asks_at_once(tmp_path: Path) -> None:
    clock = HandClock()
    first = Desk(await open_store(tmp_path / "data", clock), clock, settings=confirming("must"))
    first.vendor.down = unavailable(retry_after=300)
    await first.takes(fact("b1"))
    await first.confirms()
    await first.store.close()
    again = Desk(await open_store(tmp_path / "data", clock), clock, settings=confirming("must"))
    again.vendor.says(fact("b1"))
    assert await again.sums() == (0, 0, 1, 0)
    working = asyncio.create_task(Confirmation(again.store, again, again.vendor, look=0.005).run())
    while not await again.told():
        await again.store.changed(1)
    working.cancel()
    assert await again.sums() == (1, 0, 0, 0)
    await again.store.close()


# --- order ---------------------------------------------------------------------------------------------------------


async def test_no_call_overtakes_an_earlier_one_about_the_same_booking(desk: Desk) -> None:
    """Also one that needs no asking: it is held behind the other."""
    await desk.takes(fact("b1"))
    desk.settings = confirming("no")
    behind = await desk.takes(fact("b1", "moved", day=2, step=60))
    other = await desk.takes(fact("b2"))
    assert (behind.status, other.status) == ("held", "accepted")
    assert (await desk.takes(fact("b1", "moved", day=2, step=60))).status == "held", "the same bytes do not either"
    desk.settings = confirming("try")
    desk.vendor.down = unavailable()
    await desk.confirms()
    assert types(await desk.told()) == ["booking.scheduled"]
    desk.vendor.down = None
    desk.vendor.says(fact("b1", "moved", day=2, step=60))
    desk.clock.advance(60)
    await desk.confirms(2)
    assert types(await desk.told()) == ["booking.scheduled", "booking.scheduled", "booking.rescheduled"]


async def test_calls_about_one_booking_leave_in_the_order_in_which_they_came(desk: Desk) -> None:
    for step in range(6):
        await desk.takes(fact("b1", "moved" if step else "made", day=1 + step, step=step))
    desk.vendor.says(fact("b1", "moved", day=6, step=5))
    working = asyncio.create_task(Confirmation(desk.store, desk, desk.vendor, look=0.005).run())
    while len(told := await desk.told()) < 6:
        await desk.store.changed(1)
    working.cancel()
    sequences = [event.sequence for event in told if isinstance(event, BookingScheduled) or hasattr(event, "sequence")]
    assert sequences == sorted(sequences)


async def test_calls_that_came_at_once_keep_their_order_too(desk: Desk) -> None:
    desk.settings = confirming("no")
    group = fact("b1", "gone", group=True, step=1)
    answers = await asyncio.gather(desk.takes(group), desk.takes(fact("b1", "moved", step=2)))
    assert [answer.status for answer in answers] == ["held", "held"]


# --- what else is asked about --------------------------------------------------------------------------------------


async def test_an_ambiguous_cancellation_is_settled_without_any_setting(desk: Desk) -> None:
    desk.settings = confirming("no")
    assert (await desk.takes(fact("b1", "gone", group=True, step=1))).status == "held"
    assert (await desk.takes(fact("b2", "gone", group=True, step=1))).status == "held"
    desk.vendor.says(fact("b1", "gone", group=True, step=1), fact("b2", "moved", group=True, step=1))
    await desk.confirms()
    whole, part = await desk.told()
    assert isinstance(whole, BookingCancelled)
    assert whole.data.cancellation.scope is CancelScope.BOOKING
    assert isinstance(part, BookingAttendeeRemoved)
    assert part.data.cancellation.scope is CancelScope.ATTENDEE
    assert {whole.warnings, part.warnings} == {()}


async def test_an_ambiguous_cancellation_of_a_connection_that_may_not_ask_stays_ambiguous(desk: Desk) -> None:
    desk.askable = False
    await desk.takes(fact("b1", "gone", group=True))
    (event,) = await desk.told()
    assert isinstance(event, BookingCancelled)
    assert event.warnings == ("cancel_scope_ambiguous",)
    assert desk.vendor.asked == []


async def test_a_provider_that_sends_ids_only_works_by_asking(desk: Desk) -> None:
    desk.provider, desk.settings = Ids(), confirming("no")
    form = "application/x-www-form-urlencoded"
    desk.vendor.says(fact("b1", title="as it is"))
    assert (await desk.takes(b"action=scheduled&id=b1", form)).status == "held"
    await desk.confirms()
    (event,) = await desk.told()
    assert isinstance(event, BookingScheduled)
    assert event.data.booking.title == "as it is"
    assert event.origin.verification is Verification.CONFIRMED
    assert (await desk.takes(b"no=id", form)).reason == "not_understood: no id - at `id`"
    desk.vendor.down = unavailable()
    await desk.takes(b"action=changed&id=b1", form)
    desk.clock.advance(901)
    await desk.confirms()
    reasons = [row.reason for row in await desk.store.receipts(status="quarantined")]
    assert reasons[1] == "unconfirmed: ids did not answer (HTTP 503); retry it once that answers"


# --- what changes meanwhile ----------------------------------------------------------------------------------------


async def test_when_confirming_is_turned_off_what_is_held_is_passed_on(desk: Desk) -> None:
    await desk.takes(fact("b1"))
    desk.settings = confirming("no")
    await desk.confirms()
    (event,) = await desk.told()
    assert isinstance(event, BookingScheduled)
    assert event.origin.verification is Verification.TOKEN
    assert desk.vendor.asked == []


async def test_when_the_connection_is_removed_what_is_held_for_it_is_quarantined(desk: Desk) -> None:
    await desk.takes(fact("b1"))
    desk.connected = False
    await desk.confirms()
    assert (await desk.reason() or "").startswith("connection_removed")
    assert await desk.sums() == (0, 1, 0, 0)


async def test_what_cannot_be_read_any_more_is_quarantined_and_blocks_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = await desk.takes(fact("b1"))
    await desk.takes(fact("b1", "moved", day=2, step=9))
    whole = desk.store.receipt

    async def receipt(receipt_id: str) -> StoredReceipt | None:
        found = await whole(receipt_id)
        return replace(found, inbound=None) if found and receipt_id == damaged.receipt else found

    monkeypatch.setattr(desk.store, "receipt", receipt)
    desk.vendor.says(fact("b1", "moved", day=2, step=9))
    await desk.confirms(2)
    assert await desk.reason() == "damaged: its bytes cannot be read any more"
    assert types(await desk.told()) == ["booking.rescheduled"]


async def test_more_than_can_be_held_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "FLOOD_ROWS", 2)
    for number in range(2):
        await desk.takes(fact(f"b{number}"))
    with pytest.raises(StoreUnavailable, match="held"):
        await desk.takes(fact("b3"))


async def test_a_slow_provider_delays_no_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection is worked on by itself, however much is held for the slow one."""
    quick = Desk(desk.store, desk.clock, settings=desk.settings, connection="con_2")

    class Both:
        async def fetch(self, connection_id: str, booking_id: str) -> bytes | None:
            if connection_id == "con_1":
                await asyncio.Event().wait()
            return await quick.vendor.fetch(connection_id, booking_id)

        def by_id(self, token_id: str, connection_id: str | None) -> Inbox:
            del token_id, connection_id
            return replace(desk.inbox, candidates=(*desk.inbox.candidates, *quick.inbox.candidates))

    monkeypatch.setattr(confirm, "MOST", 2)
    for number in range(5):
        await desk.takes(fact(f"b{number}"))
    working = asyncio.create_task(Confirmation(desk.store, Both(), Both(), look=0.005).run())
    for number in range(3):
        quick.vendor.says(fact(f"q{number}"))
        await quick.takes(fact(f"q{number}"))
        while len(await desk.told()) <= number:
            await desk.store.changed(1)
    assert await desk.sums() == (3, 0, 5, 0)
    working.cancel()
