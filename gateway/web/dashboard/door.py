"""The door of the dashboard: sign in with an admin key, stay in, go out; and take forms from our own pages alone."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from litestar import Response, get, post
from litestar.handlers import BaseRouteHandler

from gateway.sealing import digest
from gateway.store.model import Key
from gateway.web.api.reading import Asker, wired
from gateway.web.auth import LONGEST_KEY, Asked, holds
from gateway.web.dashboard import forms, known
from gateway.web.dashboard.pages import elsewhere, html, session_of
from gateway.web.problems import Refusal
from gateway.web.services import Services
from gateway.web.sessions import Session

SAFE, PLAIN, NONCE = "__Host-gateway", "gateway", "gateway_door"
"""Cookies: a session where there is TLS, one where there is none, and what the sign-in form is bound to."""

_log = structlog.get_logger(__name__)


class NotSignedIn(Exception):
    """Send whoever asks to the sign-in page. `back`: where they wanted to go."""

    def __init__(self, back: str) -> None:
        super().__init__(back)
        self.back = back


async def signed_in(connection: Asked, _: BaseRouteHandler) -> None:
    """Let a request through whose session has not ended and whose key is still an admin's."""
    services: Services = connection.app.state.services
    session = who(services, connection.cookies)
    key = None if session is None else await _admin(services, session.key)
    if key is None:
        raise NotSignedIn(_here(connection))
    connection.scope["auth"] = key
    connection.scope["state"]["session"] = session


def who(services: Services, cookies: Mapping[str, str]) -> Session | None:
    """Find the session of a browser, if it has one that has not ended."""
    for name, secure in ((SAFE, True), (PLAIN, False)):
        if name in cookies and (found := services.sessions.find(cookies[name], secure=secure)):
            return found
    return None


async def checked(request: Asker) -> None:
    """Read the form of a request that changes something, if it is from one of our pages. Raises Refusal."""
    if request.method in ("GET", "HEAD"):
        return
    services, state = wired(request), request.scope["state"]
    _check_place(request, services.public_url)
    form = await forms.read(request)
    if "session" in state:
        forms.check_token(form, session_of(request).csrf)
    else:
        forms.check_token(form, services.sessions.csrf_for(request.cookies.get(NONCE, "")))
    state["form"] = form


@get("/sign-in", include_in_schema=False)
async def ask_key(request: Asker) -> Response[Any]:
    """Ask for a key."""
    services = wired(request)
    if who(services, request.cookies) is not None:
        return elsewhere(_local(request.query_params.get("next")))
    return _form(request, services)


@post("/sign-in", include_in_schema=False)
async def sign_in(request: Asker) -> Response[Any]:
    """Begin a session, if the key is an admin's."""
    services, form = wired(request), forms.form_of(request)
    sessions, keys = services.sessions, await services.store.keys()
    address = request.client.host if request.client else ""
    whose = known.counted_as(request.cookies.get(known.COOKIE), address, keys)
    wait = sessions.wait(whose)
    if wait:
        return _form(request, services, f"Too many wrong keys. Try again in {wait} seconds.", 429, wait)
    key = _key(keys, form.one("key") or "")
    if key is None or not holds(key, "admin"):
        sessions.wrong(whose)
        _log.warning("sign_in_refused", reason="unknown_key" if key is None else "not_admin")
        told = "This is not a key of this gateway, or it was revoked."
        return _form(request, services, told if key is None else "This key lacks the scope admin.", 403)
    secure = _secure(request, services.public_url)
    cookie = _cookie(SAFE if secure else PLAIN, sessions.open(key.id, secure=secure), secure=secure)
    await services.store.audit.add(key.id, "sign_in")
    answer = elsewhere(_local(form.one("next")), {"set-cookie": cookie})
    if whose == address:
        answer.set_cookie(
            known.COOKIE,
            known.mark(key),
            known.SECONDS,
            path="/sign-in",
            httponly=True,
            samesite="strict",
            secure=secure,
        )
    return answer


@post("/sign-out", include_in_schema=False)
async def sign_out(request: Asker) -> Response[Any]:
    """End the session, here and in the browser."""
    services, secure = wired(request), session_of(request).secure
    name = SAFE if secure else PLAIN
    services.sessions.close(request.cookies[name])
    return elsewhere("/sign-in", {"set-cookie": _cookie(name, "", secure=secure) + "; Max-Age=0"})


def turn_away(request: Asker, error: NotSignedIn) -> Response[Any]:
    """Answer whoever is not signed in: with the sign-in page, which leads back."""
    to = f"/sign-in?next={quote(error.back, safe='')}" if error.back != "/" else "/sign-in"
    if request.headers.get("hx-request"):
        return html("blank.html", status=401, headers={"hx-redirect": to})
    if request.headers.get("sec-fetch-site") == "cross-site" and request.method == "GET":
        return html("again.html")  # a link from elsewhere: the browser keeps the cookie back until a page of ours asks
    return elsewhere(to)


# --- how -----------------------------------------------------------------------------------------------------------


def _form(
    request: Asker, services: Services, error: str | None = None, status: int = 200, wait: int = 0
) -> Response[bytes]:
    nonce = request.cookies.get(NONCE) or secrets.token_urlsafe(16)
    headers = {"set-cookie": _cookie(NONCE, nonce, secure=False)} if NONCE not in request.cookies else {}
    back = _local(forms.form_of(request).one("next") if request.method == "POST" else request.query_params.get("next"))
    if wait:
        headers["retry-after"] = str(wait)
    shown = {"csrf": services.sessions.csrf_for(nonce), "back": back, "error": error}
    return html("sign_in.html", shown, status=status, headers=headers)


async def _admin(services: Services, key_id: str) -> Key | None:
    """Find the key of a session; read each time, so that a revoked one is dead at once."""
    return next((key for key in await services.store.keys() if key.id == key_id and holds(key, "admin")), None)


def _key(keys: Sequence[Key], given: str) -> Key | None:
    if not 0 < len(given) <= LONGEST_KEY:
        return None
    return {key.digest: key for key in keys}.get(digest(given))


def _check_place(request: Asker, public_url: str) -> None:
    """See that a form was sent by a page of ours, as far as the browser says. Raises Refusal."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    ours = {request.headers.get("host", ""), urlsplit(public_url).netloc}
    if (site or "same-origin") not in ("same-origin", "none") or (origin and urlsplit(origin).netloc not in ours):
        raise Refusal(403, "This form was sent by a page of somebody else's.")


def _secure(request: Asker, public_url: str) -> bool:
    """Tell whether the browser speaks TLS, by where it says that the page is from."""
    origin = request.headers.get("origin") or ""
    return (origin if "://" in origin else public_url).startswith("https://")


def _cookie(name: str, value: str, *, secure: bool) -> str:
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def _here(connection: Asked) -> str:
    """Name the page that was asked for, if it can be asked for again."""
    if connection.scope.get("method") != "GET":
        return "/"
    query = connection.scope["query_string"].decode("latin-1")
    return connection.scope["path"] + (f"?{query}" if query else "")


def _local(back: str | None) -> str:
    """Take a way back only if it stays here."""
    stays = back is not None and back.startswith("/") and back[1:2] not in ("/", "\\") and _plain(back)
    return back if stays and back is not None else "/"


def _plain(text: str) -> bool:
    """Say whether a header can hold it."""
    return text.isascii() and text.isprintable()


HANDLERS: list[Any] = [ask_key, sign_in, sign_out]
