"""The OpenAPI 3.1 document, from the routes and the structs that are really used to read and to answer.

Litestar's own generator does not know constraints inside unions and tuples, nor that unknown fields are refused;
msgspec decodes and encodes everything here, so msgspec says what it looks like.
"""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from inspect import cleandoc
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.routes import HTTPRoute

from gateway import __version__
from gateway.web.api.reading import ASKED, GIVEN
from gateway.web.problems import MEDIA_TYPE, Problem

PREFIX = "/v1/"
FIRST_PROBLEM = 400
ALWAYS = (400, 401, 403, 408, 414, 431, 500, 503)
"""What any call may be answered with: by the key, by the framing, by trouble of our own."""
REFS = "#/components/schemas/{name}"

Json = dict[str, Any]
Operation = tuple[str, str, HTTPRouteHandler]


def document(app: Litestar) -> Json:
    """Describe every call under /v1."""
    operations = sorted(_operations(app), key=lambda operation: operation[:2])
    kinds = [kind for _, _, handler in operations for kind in _kinds(handler)]
    schemas, components = msgspec.json.schema_components([*kinds, Problem], ref_template=REFS)
    schema_of = dict(zip(map(repr, kinds), schemas[:-1], strict=True))
    paths: dict[str, Json] = {}
    for path, method, handler in operations:
        paths.setdefault(path, {})[method] = _operation(path, handler, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Booking webhook gateway", "version": __version__},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _operations(app: Litestar) -> Iterator[Operation]:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path.startswith(PREFIX):
            for handler in route.route_handlers:
                for method in handler.http_methods - {"OPTIONS"}:
                    yield route.path_format, method.lower(), handler


def _kinds(handler: HTTPRouteHandler) -> list[Any]:
    """List the types that one call reads and answers."""
    parameters = handler.parsed_fn_signature.parameters
    kinds = [parameters[name].annotation for name in (GIVEN, ASKED) if name in parameters]
    return [*kinds, _answer(handler)] if _has_json(handler) else kinds


def _answer(handler: HTTPRouteHandler) -> Any:
    return handler.parsed_fn_signature.return_type.raw


def _stated(handler: HTTPRouteHandler) -> Sequence[int]:
    statuses: Sequence[int] = handler.opt["statuses"]
    return statuses


def _has_json(handler: HTTPRouteHandler) -> bool:
    returned = handler.parsed_fn_signature.return_type
    return returned.annotation is not type(None) and not returned.is_subclass_of(Response)


def _operation(path: str, handler: HTTPRouteHandler, schema_of: Json, components: Json) -> Json:
    summary, _, description = cleandoc(handler.fn.__doc__ or "").partition("\n\n")
    scope = handler.opt["scope"]
    parameters = handler.parsed_fn_signature.parameters
    operation: Json = {
        "operationId": handler.fn.__name__,
        "summary": " ".join(summary.split()),
        "description": " ".join(f"{description} Needs the scope {scope}.".split()),
        "tags": [handler.fn.__module__.rpartition(".")[2]],
        "security": [{"key": [scope]}],
        "parameters": [*_in_path(path), *_in_query(parameters, schema_of, components)],
        "responses": {**_success(handler, schema_of), **_problems(path, handler)},
    }
    if GIVEN in parameters:
        body = parameters[GIVEN]
        content = {"application/json": {"schema": schema_of[repr(body.annotation)]}}
        operation["requestBody"] = {"required": not body.is_optional, "content": content}
    return operation


def _in_path(path: str) -> list[Json]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _in_query(parameters: Any, schema_of: Json, components: Json) -> list[Json]:
    """Make each field of the query's struct a parameter; lists are separated by commas or repeated."""
    if ASKED not in parameters:
        return []
    name = schema_of[repr(parameters[ASKED].annotation)]["$ref"].rpartition("/")[2]
    fields = components[name]["properties"]
    return [{"name": field, "in": "query", "schema": schema} for field, schema in fields.items()]


def _success(handler: HTTPRouteHandler, schema_of: Json) -> Json:
    status = handler.status_code
    answer: Json = {"description": HTTPStatus(status).phrase}
    if _has_json(handler):
        answer["content"] = {"application/json": {"schema": schema_of[repr(_answer(handler))]}}
    elif status == HTTPStatus.OK:
        answer["content"] = {str(handler.media_type): {}}
    also = [code for code in _stated(handler) if code < FIRST_PROBLEM]
    return {str(status): answer, **{str(code): {"description": HTTPStatus(code).phrase} for code in also}}


def _problems(path: str, handler: HTTPRouteHandler) -> Json:
    content = {MEDIA_TYPE: {"schema": {"$ref": REFS.format(name="Problem")}}}
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted(_statuses(path, handler))
    }


def _statuses(path: str, handler: HTTPRouteHandler) -> set[int]:
    """List what may go wrong: what is the same for all calls of a kind, and what the call itself states."""
    statuses = {*ALWAYS, *(code for code in _stated(handler) if code >= FIRST_PROBLEM)}
    if "{" in path:
        statuses.add(404)
    if GIVEN in handler.parsed_fn_signature.parameters:
        statuses.update((413, 415))
    return statuses
