"""/openapi.json, and /docs: the same for people, one page without a script and without anything from elsewhere."""

import json
from collections.abc import Iterable
from functools import cache, lru_cache
from html import escape
from typing import Any

from litestar import Litestar, Request, Response, get

from gateway.contract.events import EVENT_TYPES, SCHEMA_VERSION
from gateway.contract.schema import json_schema, json_schema_of_all
from gateway.web.api.openapi import Json, document
from gateway.web.api.reading import Id
from gateway.web.problems import missing

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.875rem; }
h3 { margin: 2rem 0 0; } h3 code { font-size: 1rem; }
pre { background: #f4f4f4; padding: 0.75rem; overflow-x: auto; }
table { border-collapse: collapse; } td { padding: 0.125rem 1rem 0.125rem 0; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } pre { background: #242424; } }
"""


@get("/openapi.json", media_type="application/vnd.oai.openapi+json", sync_to_thread=False)
def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Serve the OpenAPI document."""
    return Response(_document(request.app), media_type="application/json")


@get("/schemas/{version:str}/{name:str}", media_type="application/schema+json", sync_to_thread=False)
def schemas(version: Id, name: Id) -> Response[bytes]:
    """Serve the JSON Schema of one event type, such as `/schemas/1.0/booking.scheduled.json`, or of any (`event`)."""
    event_type = name.removesuffix(".json")
    known = version == SCHEMA_VERSION and name.endswith(".json") and event_type in (*EVENT_TYPES, "event")
    if not known:
        raise missing("schema")
    return Response(_schema(event_type), media_type="application/schema+json")


@get("/docs", media_type="text/html", sync_to_thread=False)
def docs(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Serve the page for people."""
    return Response(_page(request.app), media_type="text/html", headers={"content-security-policy": POLICY})


# Anybody may ask for these, so they are made once: each takes some ten milliseconds.


@lru_cache(maxsize=1)
def _document(app: Litestar) -> bytes:
    return json.dumps(document(app)).encode()


@lru_cache(maxsize=1)
def _page(app: Litestar) -> bytes:
    return page(document(app)).encode()


@cache
def _schema(event_type: str) -> bytes:
    schema = json_schema_of_all() if event_type == "event" else json_schema(event_type)
    return json.dumps(schema).encode()


def page(described: Json) -> str:
    """Render an OpenAPI document as one HTML page."""
    title = escape(f"{described['info']['title']} {described['info']['version']}")
    operations = [
        (path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    tags = sorted({operation["tags"][0] for _, _, operation in operations})
    body = "".join(
        f'<h2 id="{escape(tag)}">{escape(tag.title())}</h2>'
        + "".join(_operation(*each) for each in operations if each[2]["tags"][0] == tag)
        for tag in tags
    )
    contents = " · ".join(f'<a href="#{escape(tag)}">{escape(tag.title())}</a>' for tag in [*tags, "shapes"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f'<h1>{title}</h1><p>For programs: <a href="/openapi.json">/openapi.json</a>. Every call needs '
        "<code>Authorization: Bearer KEY</code>. Errors are <code>application/problem+json</code>. Events look like "
        f'<a href="/schemas/{SCHEMA_VERSION}/event.json">/schemas/{SCHEMA_VERSION}/event.json</a>.</p>'
        f"<p>{contents}</p>"
        f'{body}<h2 id="shapes">Shapes</h2>{_shapes(described["components"]["schemas"])}</html>'
    )


def _operation(path: str, method: str, operation: Json) -> str:
    return (
        f"<h3><code>{escape(method.upper())} {escape(path)}</code></h3>"
        f"<p>{escape(operation['summary'])} {escape(operation['description'])}</p>"
        f"{_parameters(operation['parameters'])}{_body(operation)}{_answers(operation['responses'])}"
    )


def _parameters(parameters: Iterable[Json]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code><td>{escape(each['in'])}<td><code>{_shape(each['schema'])}</code>"
        for each in parameters
    )
    return f"<table>{rows}</table>" if rows else ""


def _body(operation: Json) -> str:
    if "requestBody" not in operation:
        return ""
    body = operation["requestBody"]
    optional = "" if body["required"] else " (optional)"
    return f"<p>Body{optional}: <code>{_content(body)}</code></p>"


def _answers(responses: Json) -> str:
    rows = "".join(
        f"<tr><td>{escape(status)}<td>{escape(answer['description'])}<td><code>{_content(answer)}</code>"
        for status, answer in responses.items()
    )
    return f"<table>{rows}</table>"


def _content(answer: Json) -> str:
    return ", ".join(
        _shape(media["schema"]) if "schema" in media else escape(kind)
        for kind, media in answer.get("content", {}).items()
    )


def _shape(schema: Json) -> str:
    """Write a schema on one line, with links to the shapes it names."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#shape-{name}">{name}</a>'
    if "anyOf" in schema:
        return " | ".join(_shape(each) for each in schema["anyOf"])
    return escape(json.dumps(schema))


def _shapes(schemas: Json) -> str:
    return "".join(
        f'<h3 id="shape-{escape(name)}"><code>{escape(name)}</code></h3>'
        f"<pre>{escape(json.dumps(schema, indent=2))}</pre>"
        for name, schema in sorted(schemas.items())
    )
