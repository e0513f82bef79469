"""Fields of a form for what a plugin declares: one input a credential and a setting, named by its path in the API."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, inspect
from msgspec.structs import replace

from gateway.contract.provider import Provider, WebhookApi
from gateway.registration.rules import Invalid
from gateway.web.api.providers import ProviderView
from gateway.web.dashboard import signing
from gateway.web.dashboard.calls import why
from gateway.web.dashboard.forms import Form

Kind = Literal["text", "secret", "number", "tick", "choice", "list", "json", "lines", "pair", "group"]
KINDS: Mapping[type[inspect.Type], Kind] = {
    inspect.BoolType: "tick",
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "text",
    inspect.TupleType: "pair",
}


class Input(Struct, frozen=True, kw_only=True):
    """One field. `options`: what may be chosen, `titles` of that; `value`: what it says now; `wrong`: what to mend;
    `parts`: the fields of a group."""

    name: str
    label: str
    kind: Kind
    hint: str | None = None
    required: bool = False
    options: tuple[str, ...] = ()
    titles: Mapping[str, str] = {}
    default: Any = None
    value: Any = None
    wrong: str | None = None
    parts: tuple["Input", ...] = ()


def credentials(view: ProviderView) -> list[Input]:
    """Make the fields of what a plugin needs to log in."""
    return [
        Input(
            name=f"credentials.{field.name}",
            label=_label(field.name),
            kind="secret" if field.secret else "text",
            hint=field.description,
            required=field.required,
        )
        for field in view.credentials
    ]


def settings(provider: Provider, view: ProviderView) -> list[Input]:
    """Make the fields of what can be set."""
    kinds = {field.encode_name: field.type for field in _fields(provider.settings)}
    api = provider.webhooks
    events = tuple(api.events) if isinstance(api, WebhookApi) else ()
    return [
        Input(
            name=f"settings.{field.name}",
            label=_label(field.name),
            hint=field.description,
            default=field.default,
            **_shape(kinds[field.name], events if field.name == "events" else (), f"settings.{field.name}"),
        )
        for field in view.settings
        if events or field.name != "events"
    ]


def said(form: Form, inputs: Iterable[Input], under: str) -> dict[str, Any]:
    """Read what a form says in these fields; what is empty is left out. Raises Invalid."""
    found = {}
    for each in inputs:
        value = _read(form, each)
        if value is not None and value != each.default:
            found[each.name.removeprefix(under)] = value
    return found


def marked(inputs: Iterable[Input], form: Form, error: Exception | None) -> list[Input]:
    """Put back into the fields what the form said, without its secrets, and what is wrong with it."""
    return [
        replace(
            each,
            parts=tuple(marked(each.parts, form, error)),
            value=None
            if each.kind in ("secret", "group")
            else form.all(each.name)
            if each.kind == "list"
            else form.one(each.name),
            wrong=error.message if isinstance(error, Invalid) and _blamed(each, error.field) else None,
        )
        for each in inputs
    ]


def filled(inputs: Iterable[Input], now: Mapping[str, Any]) -> list[Input]:
    """Put into the fields what is so now; secrets are never among it, and nothing is required that is there."""
    return [
        replace(
            each,
            value=_text(each, now.get(each.name)),
            parts=tuple(filled(each.parts, {f"{each.name}.{key}": part for key, part in _members(now, each.name)})),
            required=False,
        )
        for each in inputs
    ]


def outcome(inputs: Iterable[Input], error: Exception | None) -> dict[str, Any]:
    """Say for a page what is wrong with its form: at the top, where it is about none of these fields."""
    placed = isinstance(error, Invalid) and any(_is_about(error.field, each.name) for each in inputs)
    return {
        "code": 200 if error is None else 400,
        "error": None if error is None or placed else why(error),
        "failed": error is not None,
    }


def _members(now: Mapping[str, Any], name: str) -> Iterable[tuple[str, Any]]:
    value = now.get(name)
    return value.items() if isinstance(value, Mapping) else ()


def _text(each: Input, value: Any) -> Any:
    if value is None or each.kind in ("secret", "group"):
        return None
    if each.kind == "pair":
        return ", ".join(value)
    if each.kind == "list":
        return tuple(value)
    if each.kind == "tick":
        return "on" if value else None
    return msgspec.json.encode(value).decode() if each.kind == "json" else str(value)


def _blamed(each: Input, field: str) -> bool:
    """Tell whether an error is told here, and not at a part of it."""
    return _is_about(field, each.name) and not any(_is_about(field, part.name) for part in each.parts)


def _is_about(field: str, name: str) -> bool:
    return field == name or field.startswith((f"{name}.", f"{name}["))


def _read(form: Form, each: Input) -> Any:
    if each.kind == "group":
        return _together(form, each)
    given = form.one(each.name)
    if each.kind == "tick":
        return given is not None
    if each.kind == "list":
        chosen = form.all(each.name)
        return None if len(chosen) in (0, len(each.options)) else list(chosen)
    if given is not None and each.kind == "pair":
        return tuple(part.strip() for part in given.split(","))
    if given is None or each.kind not in ("number", "json"):
        return given
    try:
        return msgspec.json.decode(given)
    except msgspec.DecodeError:
        raise Invalid(each.name, "not a number" if each.kind == "number" else "not JSON") from None


def _together(form: Form, each: Input) -> dict[str, Any] | None:
    """Read a group: what is left empty in it is as it is by default; all of it empty says nothing."""
    given = {part.name.rpartition(".")[2]: (part, _read(form, part)) for part in each.parts}
    if all(value is None or value == part.default for part, value in given.values()):
        return None
    whole = {name: part.default if value is None else value for name, (part, value) in given.items()}
    return {name: value for name, value in whole.items() if value is not None}


def _group(kind: inspect.StructType, under: str) -> tuple[Input, ...]:
    """Make the fields of what belongs together."""
    return tuple(
        Input(
            name=f"{under}.{field.encode_name}",
            label=signing.ASKED.get(field.encode_name, (_label(field.encode_name), ""))[0],
            hint=signing.ASKED.get(field.encode_name, ("", None))[1],
            default=None if field.default is msgspec.NODEFAULT else field.default,
            **_shape(field.type, (), f"{under}.{field.encode_name}"),
        )
        for field in kind.fields
    )


def _shape(kind: inspect.Type, events: Sequence[str], name: str) -> dict[str, Any]:
    """Choose how a type is asked for."""
    if events:
        return {"kind": "list", "options": tuple(events)}
    for part in _parts(kind):
        if isinstance(part, inspect.LiteralType):
            return {"kind": "choice", "options": tuple(str(value) for value in part.values)}
        if isinstance(part, inspect.StructType):
            return {"kind": "group", "parts": _group(part, name)}
        if type(part) in KINDS:
            return {"kind": KINDS[type(part)]}
    return {"kind": "json"}


def _parts(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Open what stands inside `... | None` and inside annotations."""
    if isinstance(kind, inspect.UnionType):
        for part in kind.types:
            yield from _parts(part)
    elif isinstance(kind, inspect.Metadata):
        yield from _parts(kind.type)
    else:
        yield kind


def _fields(kind: type[Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("Api ", "API ").replace(" url", " URL").replace(" id", " id")
