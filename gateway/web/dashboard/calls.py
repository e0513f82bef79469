"""Do what a call of /v1 does: the dashboard has no way of its own to change anything."""

from collections.abc import Callable
from typing import Any

from litestar import Response
from litestar.handlers import HTTPRouteHandler

from gateway.contract.errors import ProviderApiError
from gateway.registration.rules import Conflict, Invalid
from gateway.store.model import VersionConflict
from gateway.web.api.reading import Asker, wired
from gateway.web.auth import Scope, holds
from gateway.web.dashboard.pages import elsewhere, session_of
from gateway.web.problems import Refusal

REFUSALS = (Refusal, Invalid, Conflict, VersionConflict, ProviderApiError)
"""What a call says when it does not do what was asked: told on the page, in its words."""


async def ask(request: Asker, call: HTTPRouteHandler, *path: str, **read: Any) -> Any:
    """Make a call as the one who is signed in. `read`: what it would have read from a body (`given`) or a query."""
    scope: Scope = call.opt.get("scope", "admin")
    if not holds(request.auth, scope):
        raise Refusal(403, f"This key lacks the scope {scope}.")
    answer = await call.fn(request, *path, **read)
    if "GET" not in call.http_methods:
        done_to = path[0] if path else getattr(answer, "id", None)
        await wired(request).store.audit.add(request.auth.id, call.fn.__name__, done_to)
    return answer


async def act(
    request: Asker, back: str, done: str | Callable[[Any], str], call: HTTPRouteHandler, *path: str, **read: Any
) -> Response[Any]:
    """Make a call, go `back`, and tell there how it went."""
    try:
        answer = await ask(request, call, *path, **read)
    except REFUSALS as error:
        return turned_down(request, back, error)
    session_of(request).tell(done if isinstance(done, str) else done(answer))
    return elsewhere(back)


def turned_down(request: Asker, back: str, error: Exception) -> Response[bytes]:
    """Go `back`, and tell there why something was refused."""
    session_of(request).tell(why(error), kind="failed")
    return elsewhere(back)


def why(error: Exception) -> str:
    """Say why something was refused."""
    if isinstance(error, Refusal):
        return error.detail
    if isinstance(error, VersionConflict):
        return "It was changed by somebody else meanwhile: look at it again, then change it."
    return str(error)
