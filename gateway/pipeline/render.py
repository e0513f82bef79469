"""The bytes of a delivery, made from the stored event alone: the same on every attempt."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, Struct, inspect

from gateway.contract.events import EVENT_TYPES, Format, Profile

Hide = Callable[[Any], Any]
"""Turn a decoded JSON value into one without what is marked."""


class _Envelope(Struct):
    id: str
    type: str
    schema_version: str
    timestamp: str
    sequence: str
    origin: "_Origin"
    key: str | None = None


class _Origin(Struct):
    provider: str
    connection: str


_envelope = msgspec.json.Decoder(_Envelope)


def render(body: bytes, format: Format, profile: Profile, schemas_at: str | None = None) -> bytes:  # noqa: A002 -- the field's word
    """Make what is sent from what is stored.

    `schemas_at`: the address under which consumers find `/schemas`, which CloudEvents name; None where they do not.
    Raises `msgspec.DecodeError` when the stored body is no event.
    """
    if profile == "thin":
        body = thin(body)
    return cloudevent(body, schemas_at) if format == "cloudevents" else body


def thin(body: bytes) -> bytes:
    """Put null where the contract's types mark personal data. Lists keep their length, people their ids.

    Of a type that this version does not know nothing is known to be safe: its data and extensions are null.
    """
    event = msgspec.json.decode(body)
    kind = EVENT_TYPES.get(event["type"])
    if kind is None:
        return msgspec.json.encode({**event, "data": None, "extensions": None})
    hide = _hider_of(kind)
    return msgspec.json.encode(hide(event))


def cloudevent(body: bytes, schemas_at: str | None) -> bytes:
    """Wrap an envelope as a CloudEvents 1.0 event in structured mode; attributes without a value are left out."""
    event = _envelope.decode(body)
    attributes: dict[str, object] = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/providers/{event.origin.provider}/connections/{event.origin.connection}",
        "type": event.type,
        "time": event.timestamp,
        "datacontenttype": "application/json",
        "sequence": event.sequence,
    }
    if schemas_at is not None:
        attributes["dataschema"] = f"{schemas_at.rstrip('/')}/schemas/{event.schema_version}/{event.type}.json"
    if event.key is not None:
        attributes |= {"subject": event.key, "partitionkey": event.key}
    return msgspec.json.encode({**attributes, "data": Raw(body)})


@cache
def _hider_of(kind: type[Struct]) -> Hide:
    return _hider(inspect.type_info(kind)) or _keep


def _hider(info: inspect.Type) -> Hide | None:  # noqa: PLR0911 -- one for each kind of type
    """Compile a type into what hides its marked parts; None when it has none."""
    match info:
        case inspect.Metadata(extra={"pii": _}):
            return _nothing
        case inspect.Metadata(type=inner):
            return _hider(inner)
        case inspect.UnionType(types=types):
            return _one([_hider(each) for each in types])
        case inspect.StructType(fields=fields):
            return _fields({field.encode_name: _hider(field.type) for field in fields})
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return _each(_hider(item))
        case inspect.DictType(value_type=value):
            return _values(_hider(value))
        case _:
            return None


def _keep(value: Any) -> Any:
    return value


def _nothing(_value: Any) -> None:
    return None


def _one(hiders: list[Hide | None]) -> Hide | None:
    """Take the only alternative with something to hide: two would need to know which one a value is."""
    found = [hide for hide in hiders if hide is not None]
    if len(found) > 1:
        raise TypeError("a union of two types with personal data cannot be thinned")
    return found[0] if found else None


def _fields(hiders: dict[str, Hide | None]) -> Hide | None:
    marked = {name: hide for name, hide in hiders.items() if hide is not None}

    def hide_fields(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: marked[name](part) if name in marked else part for name, part in value.items()}

    return hide_fields if marked else None


def _each(hide: Hide | None) -> Hide | None:
    if hide is None:
        return None
    return lambda value: [hide(part) for part in value] if isinstance(value, list) else value


def _values(hide: Hide | None) -> Hide | None:
    if hide is None:
        return None
    return lambda value: {name: hide(part) for name, part in value.items()} if isinstance(value, dict) else value
