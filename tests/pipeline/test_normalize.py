"""From a receipt to events: ids, order and what becomes of a plugin's mistakes, on a real store."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import (
    Booking,
    BookingStatus,
    Cancellation,
    Cancelled,
    Data,
    Previous,
    Rescheduled,
    Scheduled,
    decode_event,
)
from gateway.contract.provider import Account, ByHand, Draft, Inbound, Provider, Receipt, Settings
from gateway.contract.signatures import Unsigned
from gateway.pipeline.normalize import accept, retry
from gateway.pipeline.receive import Candidate, Inbox, receive
from gateway.store.model import Accepted
from gateway.store.store import Store
from tests.store.samples import open_store

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
DATA: dict[str, Callable[[Booking], Data]] = {
    "scheduled": lambda booking: Scheduled(booking=booking),
    "rescheduled": lambda booking: Rescheduled(booking=booking, previous=Previous()),
    "cancelled": lambda booking: Cancelled(booking=booking, cancellation=Cancellation()),
}


class Invented(Provider):
    """Its bodies are lists of facts: {"word", "booking", "title"?, "at"?}; `fault` is what it raises."""

    name = title = docs = "invented"
    signature = Unsigned("invented, see this file")
    webhooks = ByHand("paste {url}")
    types = ("booking.scheduled", "booking.rescheduled", "booking.cancelled")
    fault: Exception | None = None

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return isinstance(body, list)

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        if self.fault:
            raise self.fault
        return [self._draft(fact) for fact in json.loads(receipt.inbound.body)]

    def _draft(self, fact: dict[str, Any]) -> Draft:
        booking = Booking(id=fact["booking"], status=BookingStatus.SCHEDULED, title=fact.get("title"))
        at = AT + timedelta(seconds=fact["at"]) if "at" in fact else None
        return Draft(
            data=DATA[fact["word"]](booking),
            parts=(fact["word"], fact["booking"]),
            word=fact["word"],
            at=at,
            revision=at,
        )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = await open_store(tmp_path / "data")
    yield made
    await made.close()


@pytest.fixture
def inbox() -> Inbox:
    provider = Invented()
    candidate = Candidate(provider, Account("con_1", "acme", Settings()), provider.signature, ())
    return Inbox("url_1", "https://gateway.example/in/token", False, (candidate,))


def inbound(inbox: Inbox, *facts: dict[str, Any], salt: str = "") -> Inbound:
    body = json.dumps(facts).encode() + salt.encode()
    return Inbound(inbox.url, (("content-type", b"application/json"), ("cookie", b"theirs")), body, AT)


async def take(store: Store, inbox: Inbox, *facts: dict[str, Any], salt: str = "") -> Accepted:
    call = receive(inbound(inbox, *facts, salt=salt), inbox)
    return await accept(store, call, inbox)  # type: ignore[arg-type]  # -- nothing here is refused


async def test_the_same_fact_has_the_same_id_in_other_bytes_and_never_a_second_event(
    store: Store, inbox: Inbox
) -> None:
    fact = {"word": "scheduled", "booking": "b1"}
    first = await take(store, inbox, fact)
    again = await take(store, inbox, fact, salt=" ")
    assert (again.status, again.events) == ("duplicate", first.events)
    assert again.receipt != first.receipt


async def test_another_fact_under_a_taken_id_gets_an_id_of_its_own_and_says_so(store: Store, inbox: Inbox) -> None:
    first = await take(store, inbox, {"word": "scheduled", "booking": "b1", "title": "one"})
    other = await take(store, inbox, {"word": "scheduled", "booking": "b1", "title": "two"})
    assert other.status == "accepted"
    assert set(other.events).isdisjoint(first.events)
    (event,) = [e for e in await store.events(limit=10) if e.id in other.events]
    decoded = decode_event(event.body)
    assert "id_disambiguated" in decoded.warnings  # type: ignore[union-attr]  # -- a known type
    again = await take(store, inbox, {"word": "scheduled", "booking": "b1", "title": "two"}, salt=" ")
    assert (again.status, again.events) == ("duplicate", other.events), "minted once, however often it comes"


async def test_one_call_may_hold_several_facts_new_and_known(store: Store, inbox: Inbox) -> None:
    one, two = {"word": "scheduled", "booking": "b1"}, {"word": "cancelled", "booking": "b1"}
    first = await take(store, inbox, one)
    both = await take(store, inbox, one, two)
    assert both.status == "accepted"
    assert both.events[0] == first.events[0]
    assert len(await store.events(limit=10)) == 2


async def test_a_call_that_means_nothing_is_understood_and_has_no_events(store: Store, inbox: Inbox) -> None:
    nothing = await take(store, inbox)
    assert (nothing.status, nothing.events) == ("accepted", ())


@pytest.mark.parametrize("order", list(permutations(["scheduled", "rescheduled", "cancelled"])))
async def test_sequence_orders_a_booking_however_its_calls_arrive(
    store: Store, inbox: Inbox, order: tuple[str, ...]
) -> None:
    """By the provider's clock where it has one, and by what happened where that stands still."""
    for ticks in ({"scheduled": 0, "rescheduled": 60, "cancelled": 120}, dict.fromkeys(DATA, 0)):
        booking = f"b{len(set(ticks.values()))}"
        for word in order:
            await take(store, inbox, {"word": word, "booking": booking, "at": ticks[word]})
        events = await store.events(limit=10, booking=f"invented:con_1:{booking}")
        by_sequence = sorted((decode_event(e.body) for e in events), key=lambda e: e.sequence)  # type: ignore[union-attr]  # -- known types
        assert [e.type if hasattr(e, "type") else type(e).__struct_config__.tag for e in by_sequence] == [
            "booking.scheduled",
            "booking.rescheduled",
            "booking.cancelled",
        ]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (NotUnderstood("no id - at `$.id`"), "not_understood: no id - at `$.id`"),
        (KeyError("ada@example.com"), "plugin_error: KeyError at translate:"),
        (RecursionError("deep"), "plugin_error: RecursionError at translate:"),
    ],
)
async def test_a_plugins_mistake_is_a_reason_without_values_and_can_be_retried(
    store: Store, inbox: Inbox, fault: Exception, reason: str
) -> None:
    plugin = inbox.candidates[0].provider
    assert isinstance(plugin, Invented)
    plugin.fault = fault
    held = await take(store, inbox, {"word": "scheduled", "booking": "b1"})
    assert held.status == "quarantined"
    assert held.reason is not None
    assert held.reason.startswith(reason)
    assert "ada@example.com" not in held.reason
    stored = await store.receipt(held.receipt)
    assert stored is not None
    assert (await retry(store, stored, inbox)).status == "quarantined", "as long as the plugin is as it was"
    plugin.fault = None
    retried = await retry(store, stored, inbox)
    assert (retried.status, len(retried.events)) == ("accepted", 1)


async def test_a_retried_call_is_what_it_was_but_for_credentials(store: Store, inbox: Inbox) -> None:
    plugin = inbox.candidates[0].provider
    assert isinstance(plugin, Invented)
    plugin.fault = NotUnderstood("not yet")
    held = await take(store, inbox, {"word": "scheduled", "booking": "b1"})
    seen: list[Inbound] = []
    plugin.translate = lambda receipt: seen.append(receipt.inbound) or ()  # type: ignore[method-assign, func-returns-value]  # -- only looks
    stored = await store.receipt(held.receipt)
    assert stored is not None
    await retry(store, stored, inbox)
    kept = inbound(inbox, {"word": "scheduled", "booking": "b1"})
    assert seen == [Inbound(kept.url, kept.headers[:1], kept.body, kept.received_at)]


async def test_an_unclaimed_call_finds_its_connection_when_there_is_one(store: Store, inbox: Inbox) -> None:
    nobody = Inbox(
        inbox.token, inbox.url, False, (Candidate(Deaf(), Account("con_2", None, Settings()), Deaf.signature, ()),)
    )
    held = await take(store, nobody, {"word": "scheduled", "booking": "b1"})
    assert (held.status, held.reason) == ("quarantined", "unrecognised")
    stored = await store.receipt(held.receipt)
    assert stored is not None
    assert (await retry(store, stored, nobody)).status == "quarantined"
    assert (await retry(store, stored, inbox)).status == "accepted"


class Deaf(Invented):
    """Recognises nothing."""

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return False
