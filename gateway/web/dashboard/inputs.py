"""Fields of a form for what a plugin declares: one input a credential and a setting, named by its path in the API."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct, inspect
from msgspec.structs import replace

from gateway.contract.provider import Provider, WebhookApi
from gateway.registration.rules import Invalid
from gateway.web.api.providers import ProviderView
from gateway.web.dashboard.forms import Form

Kind = Literal["text", "secret", "number", "tick", "choice", "list", "json", "lines"]


class Input(Struct, frozen=True, kw_only=True):
    """One field. `options`: what may be chosen, `titles` of that; `value`: what it says now; `wrong`: what to mend."""

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
            **_shape(kinds[field.name], events if field.name == "events" else ()),
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
    field = error.field if isinstance(error, Invalid) else ""
    return [
        replace(
            each,
            value=None
            if each.kind == "secret"
            else form.all(each.name)
            if each.kind == "list"
            else form.one(each.name),
            wrong=error.message if isinstance(error, Invalid) and _is_about(field, each.name) else None,
        )
        for each in inputs
    ]


def filled(inputs: Iterable[Input], now: Mapping[str, Any]) -> list[Input]:
    """Put into the fields what is so now; secrets are never among it, and nothing is required that is there."""
    return [replace(each, value=_text(each, now.get(each.name)), required=False) for each in inputs]


def unplaced(inputs: Iterable[Input], error: Exception) -> bool:
    """Tell whether an error is about none of these fields, and so has to be told above them."""
    return not (isinstance(error, Invalid) and any(_is_about(error.field, each.name) for each in inputs))


def _text(each: Input, value: Any) -> Any:
    if value is None or each.kind == "secret":
        return None
    if each.kind == "list":
        return tuple(value)
    if each.kind == "tick":
        return "on" if value else None
    return msgspec.json.encode(value).decode() if each.kind == "json" else str(value)


def _is_about(field: str, name: str) -> bool:
    return field == name or field.startswith((f"{name}.", f"{name}["))


def _read(form: Form, each: Input) -> Any:
    given = form.one(each.name)
    if each.kind == "tick":
        return given is not None
    if each.kind == "list":
        chosen = form.all(each.name)
        return None if len(chosen) in (0, len(each.options)) else list(chosen)
    if given is None or each.kind not in ("number", "json"):
        return given
    try:
        return msgspec.json.decode(given)
    except msgspec.DecodeError:
        raise Invalid(each.name, "not a number" if each.kind == "number" else "not JSON") from None


def _shape(kind: inspect.Type, events: Sequence[str]) -> dict[str, Any]:
    """Choose how a type is asked for."""
    if events:
        return {"kind": "list", "options": tuple(events)}
    for part in _parts(kind):
        match part:
            case inspect.LiteralType(values=values):
                return {"kind": "choice", "options": tuple(str(value) for value in values)}
            case inspect.BoolType():
                return {"kind": "tick"}
            case inspect.IntType() | inspect.FloatType():
                return {"kind": "number"}
            case inspect.StrType():
                return {"kind": "text"}
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
