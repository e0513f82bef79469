"""Make an answer of a template: escaped, never cached, and told which scripts and styles are ours."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from markupsafe import Markup

from gateway import __version__
from gateway.web.api.reading import Asker, wired
from gateway.web.dashboard import static, words
from gateway.web.sessions import Session

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer, browsers would not say which page a form is from
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""On every page: whatever somebody smuggled into one could neither run nor leave."""


UNDER: Final[Mapping[str, str]] = {
    "/booking": "/events",
    "/held": "/quarantine",
    "/url": "/keys",
    "/audit": "/keys",
    "/erase": "/keys",
}
"""Which entry of the bar a page stands under that has none of its own."""
LONGEST_CURSOR = 18
"""Digits that fit the database's integers."""


async def page(request: Asker, template: str, *, code: int = 200, **shown: Any) -> Response[bytes]:
    """Show a page to whoever is signed in."""
    services, session = wired(request), session_of(request)
    counts = await services.store.counts()
    dead = sum(amount for (_, status), amount in counts.deliveries.items() if status == "dead")
    told = {
        "notices": session.told() if request.headers.get("hx-request") is None else [],
        "badges": {"/deliveries": dead, "/quarantine": counts.quarantined, "/held": counts.held},
    }
    return html(template, {**frame(request, session), **told, **shown}, status=code)


def frame(request: Asker, session: Session | None) -> dict[str, Any]:
    """Give what the bar of a page needs at least, which also stands where the store cannot be asked."""
    path = request.url.path
    csrf = Markup('<input type="hidden" name="csrf" value="{}">')
    token = None if session is None else csrf.format(session.csrf)
    return {"path": path, "section": section(path), "token": token, "notices": [], "badges": {}}


def html(
    template: str,
    shown: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """Render a template with the time as it is."""
    now = datetime.now(UTC)
    times = {
        "when": lambda value: words.when(value, now),
        "ago": lambda value: words.ago(value, now),
        "coming": lambda value: words.coming(value, now),
        "upcoming": lambda due, trying, paused=False: words.upcoming(due, now, trying=trying, paused=paused),
        "now_ms": int(now.timestamp() * 1000),
    }
    text = _environment.get_template(template).render({**times, **(shown or {})})
    body = text.encode("utf-8", "replace")  # a lone surrogate out of somebody's JSON
    return Response(body, status_code=status, media_type="text/html", headers={**HEADERS, **(headers or {})})


def elsewhere(path: str, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    """Send the browser to another page, which it gets anew."""
    return Response(
        b"", status_code=303, media_type="text/html", headers={**HEADERS, **(headers or {}), "location": path}
    )


def section(path: str) -> str:
    """Name the entry of the bar that a page stands under."""
    first = "/" + path.split("/")[1]
    return UNDER.get(first, first)


def cursor(text: str | None) -> int | None:
    """Read a number that a list goes on from; anything else is as good as none."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= LONGEST_CURSOR else None


def session_of(request: Asker) -> Session:
    """Tell who is signed in."""
    session: Session = request.scope["state"]["session"]
    return session


def query(**said: Any) -> str:
    """Write a query of what is not empty."""
    given = {name: value for name, value in said.items() if value not in (None, "", ())}
    return f"?{urlencode(given, doseq=True)}" if given else ""


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(words.FILTERS)
_environment.globals.update(version=__version__, static=static.address, query=query)
