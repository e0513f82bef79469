"""The published JSON Schema (2020-12) of the canonical events, generated from their structs.

It says what consumers receive: every key is there, words may be new ones, and `x-pii` marks what may be about a person.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec.inspect import CollectionType, DateTimeType, StructType, Type, UnionType, type_info

from gateway.contract.events import EVENT_TYPES, SCHEMA_VERSION, AnyEvent

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(event_type: str) -> dict[str, Any]:
    """Describe one event type, such as `booking.scheduled`. Raises KeyError for a type that is not in EVENT_TYPES."""
    kind = EVENT_TYPES[event_type]
    components = _components([kind])
    return _document(event_type, components.pop(kind.__name__), components)


def json_schema_of_all() -> dict[str, Any]:
    """Describe any event: one of all types, told apart by `type`."""
    refs = {name: f"#/$defs/{kind.__name__}" for name, kind in EVENT_TYPES.items()}
    union = {
        "title": "Event",
        "anyOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "type", "mapping": refs},
    }
    return _document("event", union, _components(list(EVENT_TYPES.values())))


def schemas(refs: str) -> dict[str, Any]:
    """Describe every struct of every event by its name, for a larger document.

    `refs` is how that document names a schema, such as `#/components/schemas/{name}`.
    """
    return dict(sorted(_components(list(EVENT_TYPES.values()), refs).items()))


def _document(name: str, schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    address = f"/schemas/{SCHEMA_VERSION}/{name}.json"
    return {"$schema": DIALECT, "$id": address, **schema, "$defs": dict(sorted(components.items()))}


def structs(kind: Type) -> Iterator[StructType]:
    """Walk over the structs that a type is made of."""
    if isinstance(kind, StructType):
        yield kind
        for field in kind.fields:
            yield from structs(field.type)
    for part in parts(kind):
        yield from structs(part)


def parts(kind: Type) -> Sequence[Type]:
    """Open a union or a list: the types in it."""
    if isinstance(kind, UnionType):
        return kind.types
    inner = getattr(kind, "item_type", None) if isinstance(kind, CollectionType) else getattr(kind, "type", None)
    return (inner,) if isinstance(inner, Type) else ()


def _components(kinds: Sequence[type[AnyEvent]], refs: str = "#/$defs/{name}") -> dict[str, Any]:
    _, components = msgspec.json.schema_components(kinds, ref_template=refs)
    times = {
        (struct.cls.__name__, field.name)
        for kind in kinds
        for struct in structs(type_info(kind))
        for field in struct.fields
        if any(isinstance(part, DateTimeType) for part in (field.type, *parts(field.type)))
    }
    return {name: _published(name, component, times) for name, component in components.items()}


def _published(name: str, component: dict[str, Any], times: set[tuple[str, str]]) -> dict[str, Any]:
    """Say of a struct that all keys are there, of a list of words that it may grow, and which texts are times."""
    said = {key: value for key, value in component.items() if key not in ("description", "enum")}
    if "description" in component:
        said["description"] = inspect.cleandoc(component["description"])
    if "enum" in component:
        return {**said, "anyOf": [{"enum": component["enum"]}, {"type": "string"}]}
    properties = {
        key: _property(schema, is_time=(name, key) in times) for key, schema in component["properties"].items()
    }
    return {**said, "properties": properties, "required": list(properties)}


def _property(schema: dict[str, Any], *, is_time: bool) -> dict[str, Any]:
    said = {key: value for key, value in schema.items() if key != "default"}
    if "anyOf" in said:
        return {**said, "anyOf": [_property(option, is_time=is_time) for option in said["anyOf"]]}
    return {**said, "format": "date-time"} if is_time and said.get("type") == "string" else said
