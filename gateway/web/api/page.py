"""The OpenAPI document as a page for people: calls in groups, with what each takes, answers, and looks like.

Litestar's own pages load a script from elsewhere, and packages that bring such a script along need a policy that runs
it. This one has none: it is written out once, and everything on it can be read and followed as it stands.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from msgspec import Struct

from gateway.contract.events import EVENT_TYPES, RESERVED, SCHEMA_VERSION
from gateway.web.api.openapi import ALWAYS
from gateway.web.api.samples import Json, sample
from gateway.web.auth import MEANINGS

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Providers and connections": ("providers", "connections", "repairs", "latest_call", "catching_up", "inbound"),
    "Destinations": ("destinations",),
    "Events": ("events", "stream"),
    "Deliveries": ("deliveries",),
    "Quarantine": ("quarantine",),
    "Keys": ("keys",),
    "Operation": ("stats", "audit", "erase", "encryption"),
}
"""The modules of this package whose calls stand together, in the order of the page."""
METHODS = ("get", "post", "patch", "delete")
FIRST_PROBLEM = 400
KINDS: Mapping[str, str] = {
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "null": "null",
    "number": "number",
    "object": "object",
    "string": "text",
}


def marked(text: str) -> Markup:
    """Set what stands between backticks as code; where one is not closed, all stands as it is."""
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


_environment = Environment(
    loader=PackageLoader("gateway.web.api", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["marked"] = marked
_page = _environment.get_template("docs.html")


class Field(Struct, frozen=True):
    """One field of a shape, or one parameter. `where`: in the path or the query, for a parameter."""

    name: str
    kind: Markup
    about: str
    required: bool
    where: Literal["path", "query", ""] = ""


class Answer(Struct, frozen=True):
    """One answer that is no problem."""

    status: str
    phrase: str
    kind: Markup
    example: str | None


class Call(Struct, frozen=True, kw_only=True):
    """One call. `title`: its summary in a few words. `curl`: how to make it from a shell."""

    name: str
    title: str
    method: str
    path: str
    summary: str
    words: str
    scope: str
    parameters: list[Field]
    body: Markup | None
    body_required: bool
    body_fields: list[Field]
    curl: str
    answers: list[Answer]
    problems: list[str]


class Shape(Struct, frozen=True):
    """One struct of requests and answers."""

    name: str
    words: str
    fields: list[Field]


def page(described: Json) -> str:
    """Render an OpenAPI document as one HTML page."""
    components = described["components"]["schemas"]
    calls = [
        (operation["tags"][0], _call(path, method, operation, components))
        for path, methods in described["paths"].items()
        for method, operation in sorted(methods.items(), key=lambda each: METHODS.index(each[0]))
    ]
    return _page.render(
        title=f"{described['info']['title']} {described['info']['version']}",
        groups={group: [call for tag, call in calls if tag in tags] for group, tags in GROUPS.items()},
        shapes=[_shape(name, schema) for name, schema in sorted(components.items())],
        scopes=MEANINGS,
        types=[kind for kind in EVENT_TYPES if kind not in RESERVED],
        version=SCHEMA_VERSION,
        always=[_problem(status) for status in ALWAYS],
    )


def _call(path: str, method: str, operation: Json, components: Json) -> Call:
    (scope,) = operation["security"][0]["key"]
    problems = [int(status) for status in operation["responses"] if int(status) >= FIRST_PROBLEM]
    body = operation.get("requestBody")
    schema = body["content"]["application/json"]["schema"] if body else None
    return Call(
        name=operation["operationId"],
        title=re.split(r"[.;:,]", operation["summary"])[0],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        words=operation["description"].removesuffix(f"Needs the scope {scope}.").strip(),
        scope=scope,
        parameters=[_parameter(each) for each in operation["parameters"]],
        body=None if schema is None else kind_of(_given(schema)),
        body_required=bool(body and body["required"]),
        body_fields=[] if schema is None else _fields(_named(schema, components)),
        curl=curl(path, method.upper(), None if schema is None else example(schema, components)),
        answers=list(_answers(operation["responses"], components)),
        problems=[_problem(status) for status in problems if status not in ALWAYS],
    )


def _problem(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def example(schema: Json, components: Json) -> Any:
    """Make a body that a call takes: with what it must have, or with what it may have if that is nothing."""
    short = sample(_given(schema), components, whole=False)
    if short != {}:
        return short
    properties = _named(schema, components).get("properties", {})
    return {name: sample(field, components, whole=False, name=name) for name, field in [*properties.items()][:1]}


def curl(path: str, method: str, body: Any) -> str:
    """Write a call as it is typed in a shell."""
    lines = [f'curl {"" if method == "GET" else f"-X {method} "}"$GATEWAY{path}"', '-H "authorization: Bearer $KEY"']
    if body is not None:
        lines += ["-H 'content-type: application/json'", f"-d {shlex.quote(json.dumps(body))}"]
    return " \\\n  ".join(lines)


def _given(schema: Json) -> Json:
    """Look past the null of a body that may be left out."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return options[0] if options else schema


def _named(schema: Json, components: Json) -> Json:
    """Find the shape that a body's schema names."""
    shape: Json = components[_given(schema)["$ref"].rpartition("/")[2]]
    return shape


def _parameter(parameter: Json) -> Field:
    schema = parameter["schema"]
    required = parameter.get("required", False)
    return Field(parameter["name"], kind_of(schema), about(schema), required, parameter["in"])


def _answers(responses: Json, components: Json) -> Iterator[Answer]:
    for status, answer in responses.items():
        if int(status) >= FIRST_PROBLEM:
            continue
        media = next(iter(answer.get("content", {}).items()), None)
        kind, text = Markup(), None
        if media is not None and "schema" in media[1]:
            kind = kind_of(media[1]["schema"])
            text = json.dumps(sample(media[1]["schema"], components, whole=True), indent=2)
        elif media is not None:
            kind = escape(media[0])
        yield Answer(status, answer["description"], kind, text)


def _shape(name: str, schema: Json) -> Shape:
    return Shape(name, schema.get("description", ""), _fields(schema))


def _fields(shape: Json) -> list[Field]:
    required = shape.get("required", ())
    return [
        Field(key, kind_of(field), about(field), key in required) for key, field in shape.get("properties", {}).items()
    ]


def kind_of(schema: Json) -> Markup:
    """Say in words what kind of value a schema is, with a link to a shape that it names."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#shape-{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(kind_of(option) for option in schema["anyOf"])
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(value) for value in schema["enum"])
    return _plain(schema)


def _plain(schema: Json) -> Markup:
    kind, values = schema.get("type"), schema.get("additionalProperties")
    if kind == "array" and "items" in schema:
        return Markup("list of {}").format(kind_of(schema["items"]))
    if kind == "object" and isinstance(values, dict):
        return Markup("object of {}").format(kind_of(values))
    if schema.get("format") == "date-time":
        return Markup("time")
    return escape(KINDS.get(str(kind), "any value"))


def about(schema: Json) -> str:
    """Say what a schema says of its values: what they mean, their bounds, and what they are when left out."""
    said = [schema["description"]] if "description" in schema else []
    inner = [schema.get("items", {}), *schema.get("anyOf", ())]
    said += [one["description"] for one in inner if "description" in one]
    said += [bound for one in (schema, *schema.get("anyOf", ())) for bound in _bounds(one)]
    if schema.get("default") not in (None, {}, []):
        said.append(f"{json.dumps(schema['default'])} if left out")
    return "; ".join(dict.fromkeys(said))


def _bounds(schema: Json) -> Iterator[str]:
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
    ):
        least, most = schema.get(low), schema.get(high)
        if least is not None and most is not None:
            yield f"{least} to {most}{unit}"
        elif most is not None:
            yield f"at most {most}{unit}"
        elif least is not None:
            yield f"at least {least}{unit}"
    if "exclusiveMinimum" in schema:
        yield f"more than {schema['exclusiveMinimum']}"
