"""The bytes of a delivery: the same on every attempt, and without personal data where a destination asked for that."""

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract import events as e
from gateway.pipeline.render import render, thin

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
CANARY = "canary@example.com"
PERSON = e.Person(id="p-1", name=CANARY, email=CANARY, phone=CANARY, timezone="Europe/Berlin", locale="de")
ORIGIN = e.Origin(
    provider="meetergo", connection="con_1", verification=e.Verification.TOKEN, delivered_by=e.DeliveredBy.WEBHOOK,
    received_at=AT,
)  # fmt: skip
BOOKING = e.Booking(
    id="b-1",
    key="meetergo:con_1:b-1",
    status=e.BookingStatus.SCHEDULED,
    title=CANARY,
    start=AT,
    location=e.Location(kind=e.LocationKind.ONLINE, text=CANARY, url=CANARY, conference="zoom", phone=CANARY),
    hosts=(),
    attendees=(PERSON, PERSON),
    answers=(e.Answer(question=CANARY, question_id="q-1", value={"deep": [CANARY]}, text=CANARY),),
    notes=CANARY,
)


def scheduled(**changes: Any) -> e.BookingScheduled:
    fields: dict[str, Any] = {
        "id": "evt_1",
        "timestamp": AT,
        "timestamp_basis": e.Basis.PROVIDER,
        "sequence": e.sequence(AT, 1),
        "sequence_basis": e.Basis.PROVIDER,
        "origin": ORIGIN,
        "key": BOOKING.key,
        "extensions": {"meetergo": {"metadata": CANARY}},
        "data": e.Scheduled(booking=BOOKING),
    }
    return e.BookingScheduled(**{**fields, **changes})


BODY = msgspec.json.encode(scheduled())


def test_a_full_standard_delivery_is_the_stored_bytes() -> None:
    assert render(BODY, "standard", "full") is BODY


def test_a_thin_delivery_holds_nothing_personal_and_keeps_everything_else() -> None:
    event = msgspec.json.decode(render(BODY, "standard", "thin"))
    assert CANARY not in str(event)
    full = msgspec.json.decode(BODY)
    booking = event["data"]["booking"]
    assert list(event) == list(full)
    assert list(booking) == list(full["data"]["booking"])
    assert [person["id"] for person in booking["attendees"]] == ["p-1", "p-1"]
    assert booking["attendees"][0]["timezone"] == "Europe/Berlin"
    assert (booking["hosts"], booking["answers"][0]["question_id"]) == ([], "q-1")
    assert booking["location"] == {"kind": "online", "text": None, "url": None, "conference": "zoom", "phone": None}
    assert (booking["start"], event["key"], event["extensions"]) == (
        "2026-03-01T09:30:00Z",
        "meetergo:con_1:b-1",
        {"meetergo": None},
    )


def test_a_thin_event_is_still_an_event() -> None:
    event = e.decode_event(thin(BODY))
    assert isinstance(event, e.BookingScheduled)
    assert event.data.booking.id == "b-1"


@pytest.mark.parametrize("kind", get_args(e.AnyEvent))
def test_what_is_marked_in_any_type_is_null_when_thin(kind: type[e.AnyEvent]) -> None:
    filled = _filled(msgspec.inspect.type_info(kind), marked=False)
    body = msgspec.json.encode({"type": kind.__struct_config__.tag, **filled})
    assert body.count(b"personal") >= 1
    thinned = thin(body)
    assert b"personal" not in thinned
    assert thinned.count(b"kept") == body.count(b"kept")


def test_an_event_of_an_unknown_type_is_thinned_to_its_envelope() -> None:
    event = msgspec.json.decode(BODY) | {"type": "booking.teleported", "data": {"new": CANARY}}
    thinned = msgspec.json.decode(thin(msgspec.json.encode(event)))
    assert (thinned["data"], thinned["extensions"], thinned["id"]) == (None, None, "evt_1")


def test_a_cloudevent_names_source_subject_and_schema_and_carries_the_envelope() -> None:
    event = msgspec.json.decode(render(BODY, "cloudevents", "full", "https://hooks.example.com/"))
    assert event == {
        "specversion": "1.0",
        "id": "evt_1",
        "source": "/providers/meetergo/connections/con_1",
        "type": "booking.scheduled",
        "time": "2026-03-01T09:30:00Z",
        "datacontenttype": "application/json",
        "dataschema": "https://hooks.example.com/schemas/1.0/booking.scheduled.json",
        "subject": "meetergo:con_1:b-1",
        "partitionkey": "meetergo:con_1:b-1",
        "sequence": "20260301T093000000000Z-01",
        "data": msgspec.json.decode(BODY),
    }


def test_a_cloudevent_without_a_booking_leaves_the_key_out() -> None:
    event = msgspec.json.decode(render(msgspec.json.encode(scheduled(key=None)), "cloudevents", "full"))
    assert not {"subject", "partitionkey"} & event.keys()


def test_a_cloudevent_names_no_schema_where_consumers_find_none() -> None:
    assert "dataschema" not in msgspec.json.decode(render(BODY, "cloudevents", "full"))


def test_a_thin_cloudevent_is_both() -> None:
    event = msgspec.json.decode(render(BODY, "cloudevents", "thin"))
    assert event["data"] == msgspec.json.decode(thin(BODY))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.sampled_from(["standard", "cloudevents"]), st.sampled_from(["full", "thin"]))
def test_rendering_is_the_same_every_time(value: Any, format: Any, profile: Any) -> None:  # noqa: A002 -- the field's word
    answer = e.Answer(value=value, text="\u00fc\u2028\U0001f600")
    booking = msgspec.structs.replace(BOOKING, answers=(answer,))
    body = msgspec.json.encode(scheduled(data=e.Scheduled(booking=booking)))
    first = render(body, format, profile)
    assert first == render(bytes(bytearray(body)), format, profile)
    assert e.decode_event(first if format == "standard" else _data_of(first)).id == "evt_1"


def _data_of(cloudevent: bytes) -> bytes:
    class _Cloud(msgspec.Struct):
        data: msgspec.Raw

    return bytes(msgspec.json.decode(cloudevent, type=_Cloud).data)


def _filled(info: Any, *, marked: bool) -> Any:
    """Make a value for a type that says "personal" wherever it is marked and "kept" in every other text."""
    match info:
        case msgspec.inspect.Metadata(type=inner, extra=extra):
            return _filled(inner, marked=marked or bool(extra and "pii" in extra))
        case msgspec.inspect.UnionType(types=types):
            return _filled(
                next(each for each in types if not isinstance(each, msgspec.inspect.NoneType)), marked=marked
            )
        case msgspec.inspect.StructType(fields=fields):
            return {field.encode_name: _filled(field.type, marked=marked) for field in fields}
        case msgspec.inspect.VarTupleType(item_type=item):
            return [_filled(item, marked=marked)] * 2
        case msgspec.inspect.DictType(value_type=value):
            return {"one": _filled(value, marked=marked)}
        case _:
            return "personal" if marked else "kept"
