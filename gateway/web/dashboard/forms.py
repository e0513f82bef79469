"""What a form sent: fields as text, and as the struct that the API's call reads."""

import hmac
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from gateway.registration.rules import Invalid
from gateway.web.api.reading import Asker
from gateway.web.problems import Refusal

MOST_FIELDS = 500
CSRF = "csrf"
S = TypeVar("S", bound=Struct)


class Form:
    """The fields of one form, in which white space around a value means nothing."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = fields

    def all(self, name: str) -> tuple[str, ...]:
        """Give every value of a field that is not empty."""
        return tuple(value.strip() for key, value in self._fields if key == name and value.strip())

    def one(self, name: str) -> str | None:
        """Give the value of a field, None when it is empty or missing."""
        return next(iter(self.all(name)), None)

    def has(self, name: str) -> bool:
        """Tell whether a box is ticked."""
        return self.one(name) is not None

    def under(self, prefix: str) -> dict[str, str]:
        """Give the fields whose names begin with a prefix, without it; empty ones are left out."""
        return {
            key.removeprefix(prefix): value.strip()
            for key, value in self._fields
            if key.startswith(prefix) and value.strip()
        }


async def read(request: Asker) -> Form:
    """Read a form's body. Raises Refusal."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal(415, "Send this form as a browser does.")
    try:
        text = (await request.body()).decode("ascii")
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError:
        raise Refusal(400, "This is not a form.") from None


def check_token(form: Form, expected: str) -> None:
    """See that the form is one that we made for this browser. Raises Refusal."""
    given = form.one(CSRF) or ""
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise Refusal(403, "This form is not valid any more. Go back, load the page again, and send it once more.")


def form_of(request: Asker) -> Form:
    """Give the form that was read, and checked, before the handler was called."""
    form: Form = request.scope["state"]["form"]
    return form


def made(kind: type[S], fields: dict[str, Any]) -> S:
    """Make what a call of the API reads of what a form said; what was left out is left out. Raises Invalid."""
    try:
        return msgspec.convert({name: value for name, value in fields.items() if value is not None}, kind)
    except msgspec.ValidationError as error:
        raise Invalid.of(error, kind) from None


def moment(text: str | None, field: str) -> datetime | None:
    """Read what a browser's time field says, which is without a zone: it is asked for in UTC. Raises Invalid."""
    if text is None:
        return None
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(field, "write it as 2026-03-01T09:30, in UTC") from None
    return said if said.tzinfo else said.replace(tzinfo=UTC)
