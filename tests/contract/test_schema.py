"""The published schema is what is sent, changes only where a review sees it, and marks all that is personal."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.inspect import AnyType, DictType, Metadata, StrType, Type, type_info
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from gateway.contract.events import EVENT_TYPES
from gateway.contract.schema import json_schema, json_schema_of_all, parts, structs
from tests.contract.samples import GOLDEN, envelope

SAFE = frozenset(
    {
        *("Event.id", "Event.schema_version", "Event.sequence", "Event.key", "Event.warnings"),
        *("Origin.provider", "Origin.connection", "Origin.account", "Origin.variant", "Origin.event_type"),
        *("Origin.event_id", "Raw.sha256", "Raw.content_type", "Raw.href"),
        *("Booking.id", "Booking.key", "Booking.series_id", "Booking.provider_status", "Booking.timezone"),
        *("Booking.utc_offset", "Cancellation.follow_up", "Cancellation.replaced_by", "Previous.booking_id"),
        *("Superseded.replaced_by", "Erased.booking_id", "Person.id", "Person.timezone", "Person.locale"),
        *("Service.id", "Service.slug", "Service.name", "Location.conference", "Answer.question_id"),
        *("Answer.provider_type", "Payment.amount", "Payment.currency", "Payment.processor", "Payment.reference"),
        *("Form.id", "Form.name", "Conversation.id", "Activity.action", "NewMember.role", "Other.entity"),
        *("Other.action", "Subject.id", "Ping.message", "ConnectionChanged.connection", "ConnectionChanged.provider"),
        *("ConnectionChanged.name", "DestinationPaused.destination", "DestinationPaused.name"),
        *("DestinationPaused.reason",),
    }
)
"""Text that says nothing of a person: opaque ids, the provider's own words, names of services and zones."""


def test_the_schema_of_this_version_is_as_it_was(snapshot: SnapshotAssertion) -> None:
    assert json_schema_of_all() == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_each_type_is_published_alone_as_in_the_whole(event_type: str) -> None:
    alone, whole = json_schema(event_type), json_schema_of_all()
    name = EVENT_TYPES[event_type].__name__
    assert alone["$id"].endswith(f"/{event_type}.json")
    assert alone["properties"] == whole["$defs"][name]["properties"]
    assert alone["$defs"].items() <= whole["$defs"].items()


def test_an_unknown_type_has_no_schema() -> None:
    with pytest.raises(KeyError):
        json_schema("booking.evaporated")


def test_every_key_of_every_object_is_required() -> None:
    for schema in json_schema_of_all()["$defs"].values():
        assert schema.get("required", []) == list(schema.get("properties", {}))


def test_lists_of_words_are_open() -> None:
    whole = json_schema_of_all()["$defs"]
    for name in ("BookingStatus", "LocationKind", "Actor", "Verification"):
        assert {"type": "string"} in whole[name]["anyOf"]
        assert whole[name]["anyOf"][0]["enum"]


def test_times_are_told_from_other_texts() -> None:
    whole = json_schema_of_all()["$defs"]
    assert whole["Booking"]["properties"]["start"]["anyOf"][0] == {"type": "string", "format": "date-time"}
    assert whole["Booking"]["properties"]["id"] == {"type": "string"}
    assert whole["Origin"]["properties"]["received_at"] == {"type": "string", "format": "date-time"}


def test_the_marks_are_published() -> None:
    person = json_schema_of_all()["$defs"]["Person"]["properties"]
    assert {name: person[name]["anyOf"][0].get("x-pii") for name in ("name", "email", "phone", "timezone")} == {
        "name": "name",
        "email": "email",
        "phone": "phone",
        "timezone": None,
    }


def test_every_text_is_marked_as_personal_or_listed_as_safe() -> None:
    texts = set(_texts())
    assert {name for name, marked in texts if not marked} == SAFE, "mark it in events.py, or list it as safe"


def _texts() -> Iterator[tuple[str, bool]]:
    for struct in (struct for kind in EVENT_TYPES.values() for struct in structs(type_info(kind))):
        owner = "Event" if struct.cls in EVENT_TYPES.values() else struct.cls.__name__
        for field in struct.fields:
            for kind, marked in _leaves(field.type, marked=False):
                if isinstance(kind, StrType | AnyType):
                    yield f"{owner}.{field.name}", marked


def _leaves(kind: Type, *, marked: bool) -> Iterator[tuple[Type, bool]]:
    if isinstance(kind, Metadata):
        marked |= bool(kind.extra and "pii" in kind.extra)
    yield kind, marked
    for part in (kind.value_type,) if isinstance(kind, DictType) else parts(kind):
        yield from _leaves(part, marked=marked)


@pytest.mark.parametrize("file", GOLDEN, ids=[file.parent.name + file.stem.partition("[")[2] for file in GOLDEN])
def test_what_is_sent_is_what_is_published(file: Path) -> None:
    for event in envelope(file):
        sent = msgspec.json.decode(msgspec.json.encode(event))
        assert not list(_faults(sent, json_schema(sent["type"]), json_schema(sent["type"])["$defs"], "$"))


def _faults(value: Any, schema: dict[str, Any], defs: dict[str, Any], path: str) -> Iterator[str]:
    """Check a value against as much of JSON Schema as ours uses."""
    if "$ref" in schema:
        yield from _faults(value, defs[schema["$ref"].rpartition("/")[2]], defs, path)
    elif "anyOf" in schema:
        if all(list(_faults(value, option, defs, path)) for option in schema["anyOf"]):
            yield f"{path}: none of {schema['anyOf']}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r}"
    elif "type" in schema and not isinstance(value, _TYPES[schema["type"]]):
        yield f"{path}: not {schema['type']}"
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _faults(item, schema["items"], defs, f"{path}[]")
    elif "properties" in schema:
        yield from (f"{path}: keys differ" for _ in (1,) if value.keys() != schema["properties"].keys())
        for key in schema["properties"].keys() & value.keys():
            yield from _faults(value[key], schema["properties"][key], defs, f"{path}.{key}")


_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def test_samples_cover_every_type_that_our_providers_give_rise_to() -> None:
    seen = {str(type(event).__struct_config__.tag) for file in GOLDEN for event in envelope(file)}
    expected: set[str] = {"booking.scheduled", "booking.rescheduled", "booking.cancelled", "provider.event"}
    assert expected <= seen
