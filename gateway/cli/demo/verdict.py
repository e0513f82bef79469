"""Whether what came out is right. Pure: an outcome in, everything that is wrong out."""

from collections import Counter
from collections.abc import Iterator

from gateway.cli.demo.consumer import Got
from gateway.cli.demo.play import Outcome, Said


def wrongs(outcome: Outcome) -> list[str]:
    """List what is not as it should be, in sentences; nothing is wrong when the list is empty."""
    return [*_answers(outcome), *_events(outcome), *_order(outcome), *_quarantine(outcome)]


def _answers(outcome: Outcome) -> Iterator[str]:
    first: dict[tuple[str, str], str] = {}
    for one in outcome.said:
        receipt = one.answer.get("receipt", "")
        if one.kind == "sent":
            first[one.provider, one.title] = receipt
        expected = _expected(one)
        if (one.status, one.answer.get("status")) != expected:
            yield f"{_name(one)}: answered {_said(one.status, one.answer.get('status'))}, not {_said(*expected)}"
        elif one.kind == "repeated" and receipt != first.get((one.provider, one.title)):
            yield f"{_name(one)}: is not filed under the first call's receipt"
    if not any(one.kind == "forged" for one in outcome.said):
        yield "no call was forged: no vendor here signs its calls"


def _expected(one: Said) -> tuple[int, str | int]:
    """Name the HTTP status and the word `status` of the answer that a call must get."""
    match one.kind:
        case "forged":
            return 401, 401  # a problem's `status` is the number again
        case "repeated":
            return 200, "duplicate"
        case "sent":
            return 200, "accepted" if one.type else "quarantined"


def _said(status: int, word: object) -> str:
    return f"{status} {word}" if isinstance(word, str) else str(status)


def _name(one: Said) -> str:
    return f"{one.vendor}, {one.kind}, {one.title!r}"


def _events(outcome: Outcome) -> Iterator[str]:
    """Compare what the consumer got with what the gateway said it accepted, and with the gateway's own log."""
    promised = [event for one in outcome.said if one.kind == "sent" for event in one.answer.get("events", ())]
    arrived = Counter(got.event.get("id", "") for got in outcome.got)
    for event in promised:
        if arrived[event] != 1:
            yield f"{event}: was accepted once and arrived {arrived[event]} times"
    yield from (f"{event}: arrived and was never accepted" for event in arrived.keys() - set(promised))
    yield from (f"{got.webhook_id}: the signature is wrong" for got in outcome.got if not got.signed)
    yield from (
        f"{got.webhook_id}: is not the event's id" for got in outcome.got if got.webhook_id != got.event.get("id")
    )
    if sorted(outcome.logged) != sorted(promised):
        yield f"the log has {len(outcome.logged)} events, {len(promised)} were accepted"
    if outcome.planned != len(promised):
        yield f"{outcome.planned} deliveries were planned for {len(promised)} events"


def _order(outcome: Outcome) -> Iterator[str]:
    """Compare types: those of bookings in order, the others, which have no order, by number."""
    for connection, (provider, signs) in outcome.connections.items():
        got = [one for one in outcome.got if _origin(one).get("connection") == connection]
        types = [str(one.event.get("type")) for one in got]
        told = [one.type for one in outcome.said if (one.provider, one.kind) == (provider, "sent") and one.type]
        if _of_bookings(types) != _of_bookings(told) or Counter(types) != Counter(told):
            yield f"{provider}: the consumer got {', '.join(types) or 'nothing'}, not {', '.join(told)}"
        proof = "signature" if signs else "token"
        if any(_origin(one).get("verification") != proof for one in got):
            yield f"{provider}: an event does not say that it is proven by {proof}"
        if len({one.event.get("key") for one in got if one.event.get("key")}) > 1:
            yield f"{provider}: the events of one booking have several keys"


def _origin(got: Got) -> dict[str, object]:
    origin = got.event.get("origin")
    return origin if isinstance(origin, dict) else {}


def _of_bookings(types: list[str]) -> list[str]:
    return [one for one in types if one.startswith("booking.")]


def _quarantine(outcome: Outcome) -> Iterator[str]:
    broken = {one.answer.get("receipt") for one in outcome.said if one.kind == "sent" and one.type is None}
    if broken != set(outcome.quarantined):
        yield f"{len(outcome.quarantined)} receipts are in quarantine, {len(broken)} bodies were broken"
