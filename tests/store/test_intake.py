"""What becomes of a call: new, known, not understood, or about an id that another fact has."""

import asyncio

import pytest

from gateway.contract.errors import StoreUnavailable
from gateway.store import sieve
from gateway.store.store import Store
from tests.store.samples import START, accept, connection, digest, event, quarantined, receipt, subscribe


async def test_a_new_call_is_accepted_with_its_events_in_order(store: Store) -> None:
    accepted = await store.accept(receipt(1), [event(1), event(2)])

    assert accepted.status == "accepted"
    assert [each.id for each in await store.events()] == list(accepted.events)
    assert [each.seq for each in await store.events()] == [1, 2]
    assert {each.receipt for each in await store.events()} == {accepted.receipt}


async def test_the_same_bytes_again_are_the_first_receipt_and_emit_nothing(store: Store) -> None:
    first = await accept(store, 1)
    again = await accept(store, 1)

    assert (again.status, again.receipt, again.events) == ("duplicate", first.receipt, first.events)
    assert len(await store.events()) == 1


async def test_identical_calls_at_the_same_time_are_accepted_once(store: Store) -> None:
    answers = await asyncio.gather(*[accept(store, 1) for _ in range(50)])

    assert sorted(each.status for each in answers) == ["accepted"] + ["duplicate"] * 49
    assert len({each.receipt for each in answers}) == 1
    assert len(await store.events()) == 1


async def test_other_bytes_of_the_same_fact_are_kept_and_answered_as_duplicate(store: Store) -> None:
    first = await accept(store, 1)
    other = await store.accept(receipt(2), [event(1)])

    assert (other.status, other.events) == ("duplicate", first.events)
    assert other.receipt != first.receipt
    kept = await store.receipt(other.receipt)
    assert kept is not None
    assert (kept.status, kept.inbound) == ("understood", b"inbound 2")
    assert len(await store.events()) == 1


async def test_of_a_call_with_a_known_and_a_new_fact_only_the_new_one_is_emitted(store: Store) -> None:
    first = await accept(store, 1)
    both = await store.accept(receipt(2), [event(1), event(2)])

    assert both.status == "accepted"
    assert both.events[0] == first.events[0]
    assert [each.id for each in await store.events()] == [first.events[0], both.events[1]]


async def test_another_fact_with_the_same_id_is_a_conflict_and_leaves_nothing(store: Store) -> None:
    await accept(store, 1)
    before = await store.counts()

    answer = await store.accept(receipt(2), [event(2), event(1, data_digest=digest("other"))])

    assert (answer.status, answer.conflicts) == ("conflict", (1,))
    assert await store.counts() == before
    assert await store.receipt(answer.receipt) is None


@pytest.mark.parametrize("live", [(True, False), (False, True), (False, False)])
async def test_only_two_live_calls_can_be_in_conflict(store: Store, live: tuple[bool, bool]) -> None:
    await accept(store, 1, live=live[0])

    answer = await store.accept(receipt(2), [event(1, data_digest=digest("other"), live=live[1])])

    assert answer.status == "duplicate"


async def test_two_facts_with_one_id_inside_one_call_are_a_conflict(store: Store) -> None:
    answer = await store.accept(receipt(1), [event(1), event(1, data_digest=digest("other"))])

    assert (answer.status, answer.conflicts) == ("conflict", (1,))


async def test_one_fact_twice_inside_one_call_is_emitted_once(store: Store) -> None:
    answer = await store.accept(receipt(1), [event(1), event(1)])

    assert (answer.status, len(answer.events)) == ("accepted", 1)


async def test_concurrent_calls_about_one_id_see_each_other(store: Store) -> None:
    first, second, third = await asyncio.gather(
        store.accept(receipt(1), [event(1)]),
        store.accept(receipt(2), [event(1, data_digest=digest("other"))]),
        store.accept(receipt(3), [event(1)]),
    )

    assert (first.status, second.status, third.status) == ("accepted", "conflict", "duplicate")


async def test_a_call_without_events_is_accepted_and_known_again(store: Store) -> None:
    assert (await store.accept(receipt(1), [])).status == "accepted"
    assert (await store.accept(receipt(1), [])).status == "duplicate"


# --- quarantine ----------------------------------------------------------------------------------------------------


async def test_a_call_that_is_not_understood_is_kept_with_its_reason_and_bytes(store: Store) -> None:
    answer = await store.accept(quarantined(1, connection=None), [])

    assert (answer.status, answer.reason) == ("quarantined", "data.start: not a time")
    kept = await store.receipt(answer.receipt)
    assert kept is not None
    assert (kept.status, kept.connection, kept.inbound) == ("quarantined", None, b"inbound 1")


async def test_quarantined_bytes_that_come_again_are_translated_again(store: Store) -> None:
    first = await store.accept(quarantined(1), [])
    still = await store.accept(quarantined(1), [])
    understood = await accept(store, 1)

    assert (still.status, still.receipt) == ("quarantined", first.receipt)
    assert (understood.status, understood.receipt) == ("accepted", first.receipt)
    assert (await accept(store, 1)).status == "duplicate"
    assert (await store.counts()).quarantined == 0


async def test_a_quarantined_receipt_is_resolved_where_it_lies(store: Store) -> None:
    first = await store.accept(quarantined(1, connection=None), [])
    answer = await store.resolve(first.receipt, "con_2", [event(1, connection="con_2")])

    assert (answer.status, answer.receipt) == ("accepted", first.receipt)
    kept = await store.receipt(first.receipt)
    assert kept is not None
    assert (kept.status, kept.reason, kept.connection) == ("understood", None, "con_2")
    assert [each.receipt for each in await store.events()] == [first.receipt]


async def test_resolving_can_be_in_conflict_and_then_changes_nothing(store: Store) -> None:
    await accept(store, 1)
    first = await store.accept(quarantined(2), [])

    answer = await store.resolve(first.receipt, "con_1", [event(1, data_digest=digest("other"))])

    assert (answer.status, answer.conflicts) == ("conflict", (0,))
    kept = await store.receipt(first.receipt)
    assert kept is not None
    assert kept.status == "quarantined"


async def test_resolving_twice_emits_once(store: Store) -> None:
    first = await store.accept(quarantined(1), [])
    answers = await asyncio.gather(*[store.resolve(first.receipt, "con_1", [event(1)]) for _ in range(5)])

    assert sorted(each.status for each in answers) == ["accepted"] + ["duplicate"] * 4
    assert len(await store.events()) == 1


async def test_a_retry_that_fails_leaves_the_newest_reason(store: Store) -> None:
    first = await store.accept(quarantined(1), [])

    assert await store.fail_again(first.receipt, "data.end: missing")
    kept = await store.receipt(first.receipt)
    assert kept is not None
    assert kept.reason == "data.end: missing"


async def test_a_discarded_receipt_loses_its_bytes_and_is_known_for_ever(store: Store) -> None:
    first = await store.accept(quarantined(1), [])

    assert await store.discard(first.receipt)
    kept = await store.receipt(first.receipt)
    assert kept is not None
    assert (kept.status, kept.inbound) == ("discarded", None)
    assert (await accept(store, 1)).status == "duplicate"
    assert not await store.discard(first.receipt)
    assert not await store.fail_again(first.receipt, "late")
    assert (await store.resolve(first.receipt, "con_1", [event(1)])).status == "duplicate"
    assert await store.events() == []


@pytest.mark.parametrize("name", ["rcp_", "evt_nonsense", "rcp_ÄÖÜ", "rcp_" + "v" * 26, "rcp_" + "0" * 26, ""])
async def test_a_receipt_that_is_not_there_is_nobody_s(store: Store, name: str) -> None:
    assert await store.receipt(name) is None
    assert not await store.discard(name)
    assert not await store.fail_again(name, "late")
    assert (await store.resolve(name, "con_1", [event(1)])).status == "duplicate"
    assert await store.events() == []


async def test_a_held_receipt_waits_and_is_resolved(store: Store) -> None:
    first = await store.accept(receipt(1, status="held"), [])
    again = await store.accept(receipt(1, status="held"), [])

    assert (first.status, again.status) == ("held", "held")
    assert (await store.counts()).held == 1
    assert (await store.resolve(first.receipt, "con_1", [event(1)])).status == "accepted"


async def test_a_flood_of_one_url_is_turned_away_and_no_other_url_with_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sieve, "FLOOD_ROWS", 3)
    answers = await asyncio.gather(
        *[store.accept(quarantined(number), []) for number in range(5)], return_exceptions=True
    )
    turned_away = [each for each in answers if isinstance(each, StoreUnavailable)]

    assert len(turned_away) == 2
    assert (await store.counts()).quarantined == 3
    assert (await store.accept(quarantined(9, token="url_2"), [])).status == "quarantined"
    assert (await accept(store, 10)).status == "accepted"


async def test_a_flood_is_measured_in_bytes_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "FLOOD_BYTES", 250)
    await store.accept(quarantined(1), [])
    await store.accept(quarantined(2), [])

    with pytest.raises(StoreUnavailable, match="quarantine"):
        await store.accept(quarantined(3), [])


# --- what is noted beside ------------------------------------------------------------------------------------------


async def test_a_connection_becomes_active_with_its_first_call(store: Store) -> None:
    await store.put_connection(connection(status="waiting"))
    await store.put_connection(connection("con_2", status="waiting"))
    await accept(store, 7)

    assert [each.status for each in await store.connections()] == ["active", "waiting"]
    assert await store.activity() == {"con_1": START + 7}


async def test_a_broken_connection_stays_broken_when_it_is_heard_of(store: Store) -> None:
    await store.put_connection(connection(status="broken"))
    await accept(store, 1)

    assert [each.status for each in await store.connections()] == ["broken"]


async def test_receipts_add_up_at_any_time(store: Store) -> None:
    await accept(store, 1)
    await accept(store, 1)
    await store.accept(receipt(2), [event(1)])
    await store.accept(quarantined(3), [])
    waiting = await store.accept(quarantined(4), [])
    await store.discard(waiting.receipt)
    await store.accept(receipt(5, status="held"), [])
    await store.accept(receipt(6), [event(1, data_digest=digest("other"))])
    counts = await store.counts()

    assert (counts.understood, counts.quarantined, counts.held, counts.discarded) == (2, 1, 1, 1)
    assert (counts.duplicates, counts.events) == (2, 1)


async def test_events_are_planned_for_whoever_subscribed_when_they_came(store: Store) -> None:
    await accept(store, 1)
    await subscribe(store, "dst_all")
    await subscribe(store, "dst_bookings", types=("booking.*",))
    await subscribe(store, "dst_forms", types=("form.submitted", "member.added"))
    await subscribe(store, "dst_harmony", providers=("harmony",))
    await subscribe(store, "dst_other", connections=("con_2",))
    await subscribe(store, "dst_paused", paused=True)
    await accept(store, 2)
    await accept(store, 3, type="form.submitted", connection="con_2")

    planned = [(each.event_type, each.destination) for each in await store.deliveries()]
    assert sorted(planned) == [
        ("booking.scheduled", "dst_all"),
        ("booking.scheduled", "dst_bookings"),
        ("booking.scheduled", "dst_paused"),
        ("form.submitted", "dst_all"),
        ("form.submitted", "dst_forms"),
        ("form.submitted", "dst_other"),
        ("form.submitted", "dst_paused"),
    ]
