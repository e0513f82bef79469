"""Every error as RFC 9457 `application/problem+json`: what is wrong, and where; never a value from the request."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET, Struct, UnsetType

from gateway.contract.errors import ProviderApiError, StoreUnavailable
from gateway.registration.rules import Conflict, Invalid
from gateway.store.model import VersionConflict
from gateway.web.unable import unable

MEDIA_TYPE = "application/problem+json"

DETAILS: Mapping[int, str] = {
    400: "The request is not what this call takes.",
    404: "There is nothing here.",
    405: "This address does not take that method.",
    413: "The body is too large.",
    429: "Too many requests.",
    500: "The gateway failed; its log says why.",
}
"""What is said where the framework refused: its own words may repeat the URL or the body."""

_log = structlog.get_logger(__name__)


class FieldError(Struct, frozen=True):
    """One wrong field: the path to it (`settings.events[0]`), and what is wrong with it."""

    field: str
    message: str


class Problem(Struct, frozen=True, kw_only=True):
    """An RFC 9457 problem. `errors` is there when fields are wrong, `reason` where a status has several."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class Refusal(HTTPException):
    """Refuse a request in our own words."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
        reason: str | UnsetType = UNSET,
    ) -> None:
        super().__init__(detail=detail, status_code=status, headers=headers)
        self.errors = tuple(errors)
        self.reason = reason


def missing(what: str) -> Refusal:
    """Refuse because there is no such thing, or no longer."""
    return Refusal(404, f"There is no such {what}.")


def _answer(
    status: int,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    reason: str | UnsetType = UNSET,
) -> Response[Problem]:
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=tuple(errors) if errors else UNSET,
        reason=reason,
    )
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _refused(_: Request[Any, Any, Any], error: Refusal) -> Response[Problem]:
    return _answer(error.status_code, error.detail, error.errors, error.headers, error.reason)


def framework(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer where the framework refused, in words of ours."""
    status = error.status_code
    detail = DETAILS.get(status, HTTPStatus(status).description or HTTPStatus(status).phrase)
    return _answer(status, detail, headers=error.headers)


def _invalid(_: Request[Any, Any, Any], error: Invalid) -> Response[Problem]:
    return _answer(400, str(error), [FieldError(error.field, error.message)])


def _conflict(_: Request[Any, Any, Any], error: Conflict) -> Response[Problem]:
    return _answer(409, str(error))


def _changed_meanwhile(_: Request[Any, Any, Any], __: VersionConflict) -> Response[Problem]:
    return _answer(409, "It was changed by somebody else meanwhile: read it again, then change it.")


def _provider(_: Request[Any, Any, Any], error: ProviderApiError) -> Response[Problem]:
    wait = {} if error.retry_after is None else {"retry-after": str(int(error.retry_after))}
    return _answer(502, error.words, headers=wait)


def _cannot_store(_: Request[Any, Any, Any], error: StoreUnavailable) -> Response[Problem]:
    unable.tell(error)
    wait = {"retry-after": str(error.retry_after)}
    return _answer(503, "The store cannot be used now. Try again.", headers=wait)


def failed_at(error: Exception) -> str:
    """Say in which function and line it was raised, and nothing of what the values were."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}"


def log_unexpected(request: Request[Any, Any, Any], error: Exception) -> None:
    """Log what failed and where; the exception's text stays out, for it may hold anything."""
    route = request.scope.get("path_template", "?")
    _log.error("unexpected_error", error=type(error).__name__, where=failed_at(error), route=route)


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    log_unexpected(request, error)
    return _answer(500, DETAILS[500])


exception_handlers: ExceptionHandlersMap = {
    Refusal: _refused,
    HTTPException: framework,
    Invalid: _invalid,
    Conflict: _conflict,
    VersionConflict: _changed_meanwhile,
    ProviderApiError: _provider,
    StoreUnavailable: _cannot_store,
    Exception: _unexpected,
}
"""For Litestar's layer of that name; the most specific class counts."""
