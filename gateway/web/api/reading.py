"""Read a request into the struct that its handler names, strictly. Bodies are `given`, queries are `asked`.

Litestar's own reading turns `"5"` into 5, lets unknown query parameters pass and knows nothing of msgspec's
constraints on parameters; what is published at /openapi.json would then not be what happens.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from gateway.registration.rules import Invalid
from gateway.store.model import Key
from gateway.web.problems import Refusal
from gateway.web.services import Services

GIVEN, ASKED = "given", "asked"
MAX_BODY = 256 * 1024
"""Bytes that a body of an API call may have."""

_READING = ("GET", "HEAD", "OPTIONS")


class _Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a call that takes no fields."""


Id: TypeAlias = FromPath[str]
"""An id in the path."""
Asker: TypeAlias = Request[Any, Key, Any]


def wired(request: Asker) -> Services:
    """Hand a handler the running gateway."""
    services: Services = request.app.state.services
    return services


async def given(request: Asker) -> Any:
    """Read the JSON body as the type of the handler's parameter `given`. Raises Invalid, Refusal."""
    kind = request.route_handler.parsed_fn_signature.parameters[GIVEN]
    body = await request.body()
    if not body.strip():
        if kind.is_optional:
            return None
        raise Invalid("", "A JSON body is needed.")
    return _read(request, body, kind.annotation)


async def no_stray_body(request: Asker) -> None:
    """Refuse fields on calls that take none: a wish must not look as if it had been heard. Raises Invalid, Refusal."""
    if request.method in _READING or GIVEN in request.route_handler.parsed_fn_signature.parameters:
        return
    body = await request.body()
    if body.strip():
        _read(request, body, _Nothing)


async def asked(request: Asker) -> Any:
    """Read the query as the struct that is the handler's parameter `asked`. Raises Invalid."""
    kind: type[Struct] = request.route_handler.parsed_fn_signature.parameters[ASKED].annotation
    lists = {field.encode_name for field in msgspec.structs.fields(kind) if _is_list(field.type)}
    try:
        return msgspec.convert(_query(request.scope["query_string"], lists), kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid.of(error, kind, what="parameter") from None


async def no_stray_query(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse query parameters on calls that take none: a mistyped filter must not look as if it had worked."""
    if ASKED not in handler.parsed_fn_signature.parameters:
        for name in _query(connection.scope["query_string"], set()):
            raise Invalid(name, "there is no such parameter", f"there is no parameter `{name}` here")


def _read(request: Asker, body: bytes, kind: Any) -> Any:
    _check_media(request)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Invalid.of(error, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid("", "The body is not JSON.") from None
    except RecursionError:
        raise Invalid("", "The body is nested too deep.") from None


def _check_media(request: Asker) -> None:
    if request.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise Refusal(415, "Send the body without a content-encoding.")
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated and stated != "application/json" and not stated.endswith("+json"):
        raise Refusal(415, "Send the body as `content-type: application/json`.")


def _query(query: bytes, lists: set[str]) -> Mapping[str, Any]:
    """Take a query apart. An empty value counts as not given; a list may be repeated or separated by commas."""
    values: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in lists:
            values.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name in values:
            raise Invalid(name, "given more than once")
        else:
            values[name] = value
    return {name: value for name, value in values.items() if value != ""}


def _is_list(kind: Any) -> bool:
    return get_origin(kind) in (tuple, list) or any(_is_list(part) for part in get_args(kind))
