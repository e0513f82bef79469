"""A provider's HTTP API as a plugin calls it: what is asked, what is answered, and what each refusal means."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from gateway.contract.errors import ApiRefused, ApiUnavailable, CredentialRefused, NotUnderstood
from gateway.contract.reading import decode

T = TypeVar("T")


class Answer(Struct, frozen=True):
    """A provider's 2xx answer. `date`: the time by the provider's clock, where it says so."""

    status: int
    body: bytes
    date: datetime | None = None

    def read(self, kind: type[T]) -> T:
        """Decode the body; raises ApiUnavailable when it is not what they document (an HTML page, half a JSON)."""
        try:
            return decode(self.body, kind)
        except NotUnderstood as error:
            raise ApiUnavailable(f"its answer could not be read: {error}", status=self.status) from None


class Http(Protocol):
    """A provider's API as a plugin sees it: address, credentials, deadline, guard and error mapping are its own."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call `path` under the base URL. `json` is encoded when it is not None.

        Raises ApiUnavailable, CredentialRefused or ApiRefused for anything but a 2xx (see `judge`).
        """


async def discard(http: Http, path: str) -> None:
    """DELETE what is at `path`; what is gone already (404) is done. Raises as `request` does."""
    try:
        await http.request("DELETE", path)
    except ApiRefused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise


async def find(http: Http, path: str) -> bytes | None:
    """GET the JSON object at `path`; None when there is nothing (404). Raises as `request` and `Answer.read` do."""
    try:
        answer = await http.request("GET", path)
    except ApiRefused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    answer.read(dict[str, Any])
    return answer.body


def judge(status: int, retry_after: str | None, body: bytes) -> Answer:
    """Turn a provider's answer into an Answer, or into the error that says what to do about it.

    `retry_after`: the header as it came; only seconds are read. Raises CredentialRefused (401, 403), ApiUnavailable
    (429, 5xx; with the seconds to wait, where they are said) or ApiRefused (all else that is no 2xx).
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Answer(status, body)
    words = _words(body) or f"HTTP {status}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise CredentialRefused(words, status=status)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = float(retry_after) if retry_after and retry_after.isdecimal() else None
        raise ApiUnavailable(words, status=status, retry_after=wait)
    raise ApiRefused(words, status=status)


def _words(body: bytes) -> str:
    """Find what a provider says went wrong: `message` as text or list, and `errors` by field."""
    try:
        said = decode(body[:65536], dict[str, Any])
    except NotUnderstood:
        return ""
    message = said.get("message")
    parts = [message] if isinstance(message, str) else [str(m) for m in message] if isinstance(message, list) else []
    errors = said.get("errors")
    if isinstance(errors, dict):
        parts += [f"{field}: {', '.join(map(str, e)) if isinstance(e, list) else e}" for field, e in errors.items()]
    return "; ".join(parts)[:500]
