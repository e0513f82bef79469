"""Read what providers write. Pure, and the same on every machine: no clock, no installed time zones, no locale.

Each function takes a value as it came and returns it in canonical form, with a warning code where something is lost.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Set, Sized
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from gateway.contract.errors import NotUnderstood
from gateway.contract.events import Answer, AnswerType
from gateway.contract.zones import ZONES

T = TypeVar("T")
C = TypeVar("C", bound=Sized)

Instant = Annotated[datetime, Meta(tz=True)]
"""A time with an offset; a naive one is refused, not guessed."""

Warn = Callable[[str], None]
"""Takes a warning code, such as a list's `append`."""

DEEPEST = 64
"""How deep a value of unknown shape may be nested; what is deeper could not be written again."""

UNFIT = 20
"""How many unreadable optional values a body may have before it counts as another kind of body."""
REREAD = 4 << 20
"""Bytes that are read again to find them: a large body may have fewer."""

MOST = 5000
"""How many people or answers one body may have. As many empty objects as a body can hold would make an event of fifty
times its size, and hold up everybody else's for a second."""

# --- whole bodies --------------------------------------------------------------------------------------------------


def _new_decoder(kind: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(kind)


_decoder: Callable[[Any], "msgspec.json.Decoder[Any]"] = cache(_new_decoder)


def decode(body: bytes, kind: type[T]) -> T:
    """Read JSON into a struct; raises NotUnderstood, naming the path, and nothing else whatever the bytes are."""
    try:
        decoded: T = _decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        raise NotUnderstood(_without_values(str(error))) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise NotUnderstood("the body is not JSON") from None
    except RecursionError:
        raise NotUnderstood("the body is nested too deep") from None
    return decoded


def _without_values(message: str) -> str:
    """Keep the kind and the path of a validation error: msgspec quotes an offending word, a reason never does."""
    return re.sub(r" '.*'(?= - at |$)", "", message, flags=re.DOTALL)


def form(body: bytes) -> dict[str, str]:
    """Read a form-encoded body; of a field given twice the last counts. Raises NotUnderstood."""
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, strict_parsing=True, max_num_fields=1000)
    except ValueError:
        raise NotUnderstood("the body is not a form") from None
    return {name: values[-1] for name, values in fields.items()}


def read(body: bytes, kind: type[T], at: str = "$") -> tuple[T, tuple[str, ...]]:
    """Read JSON into a struct, dropping optional values of another type than declared: (struct, warnings).

    `at`: where in the whole body this is, for messages. An empty text in the place of something else is null, and no
    loss. A time that is naive or impossible is never dropped. Raises NotUnderstood, and nothing else.
    """
    try:
        return decode(body, kind), ()
    except NotUnderstood:
        tries = min(UNFIT, REREAD // max(len(body), 1) + 1)
        return _mended(decode(body, object), kind, at, tries)


def _mended(value: object, kind: type[T], at: str, tries: int) -> tuple[T, tuple[str, ...]]:
    warnings: tuple[str, ...] = ()
    for _ in range(tries):
        try:
            return msgspec.convert(value, kind), warnings
        except msgspec.ValidationError as error:
            if _drop(value, str(error), at):
                warnings = ("value_unreadable",)
    raise NotUnderstood(f"not of the documented shape - at `{at}`")


QUOTED = " '"
"""What stands before an offending word in msgspec's complaints; a reason never quotes one."""

_COMPLAINT = re.compile(r"(?P<what>.*) - at `\$\.(?P<path>[\w.\[\]]+)`", re.DOTALL)


def _drop(value: Any, complaint: str, at: str) -> bool:
    """Take out the value that msgspec names in its complaint: True when something is lost by that."""
    named = _COMPLAINT.fullmatch(complaint)
    if named is None or "required field" in named["what"]:
        what, _, path = complaint.partition(" - at `$")
        raise NotUnderstood(f"{what.partition(QUOTED)[0]} - at `{at}{path.rstrip('`')}`")
    *way, last = [int(step) if step.isdecimal() else step for step in re.split(r"[.\[\]]+", named["path"]) if step]
    for step in way:
        value = value[step]
    empty = value[last] == ""
    if not empty and "datetime" in named["what"]:
        raise NotUnderstood(f"not a time with an offset - at `{at}.{named['path']}`")
    del value[last]
    return not empty


def body_digest(body: bytes, without: Set[str] = frozenset()) -> str:
    """Hash the JSON value, not its bytes: sorted keys, so that another order or spacing is the same (SHA-256, hex).

    `without`: keys that do not count, at any depth. Raises NotUnderstood.
    """
    try:
        value = kept(decode(body, object), without) if without else decode(body, object)
        return hashlib.sha256(msgspec.json.encode(_ordered(value))).hexdigest()
    except RecursionError:
        raise NotUnderstood("the body is nested too deep") from None


def _ordered(value: Any) -> Any:
    """Sort the keys at every depth. msgspec can, but takes seconds for a mebibyte of keys that nearly are in order."""
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in sorted(value.items(), key=itemgetter(0))}
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    return value


MOST_TOKENS = 64
"""Each is looked for in the whole body: without a limit a body of nothing but tokens would take a minute."""


def wiped(body: bytes, masked: frozenset[str]) -> bytes:
    """Blank the tokens under these keys, and wherever else they stand, such as in a link that acts without a login.

    Raises NotUnderstood when there are more than MOST_TOKENS.
    """
    tokens = set(_tokens(masked).findall(body))
    if len(tokens) > MOST_TOKENS:
        raise NotUnderstood("more tokens that act without a login than a call has")
    for token in tokens:
        body = body.replace(token, b"*" * len(token))
    return body


@cache
def _tokens(masked: frozenset[str]) -> re.Pattern[bytes]:
    names = b"|".join(re.escape(name.encode()) for name in sorted(masked))
    return re.compile(rb'"(?:%b)"\s*:\s*"([^"\\]{8,})"' % names)


def kept(value: Any, masked: Set[str], depth: int = 0) -> Any:
    """Copy a JSON value of unknown shape without the keys that may not pass. Raises NotUnderstood when too deep."""
    if depth > DEEPEST:
        raise NotUnderstood("the body is nested too deep")
    if isinstance(value, dict):
        return {key: kept(item, masked, depth + 1) for key, item in value.items() if key not in masked}
    if isinstance(value, list):
        return [kept(item, masked, depth + 1) for item in value]
    return value


# --- text ----------------------------------------------------------------------------------------------------------


def text(value: object) -> str | None:
    """Read a text; anything else, and a text of spaces only, is null."""
    return (value.strip() or None) if type(value) is str else None


def keys(value: object) -> Mapping[str, Any]:
    """Take a value of unknown shape as an object; anything else has no keys."""
    return value if isinstance(value, dict) else {}


def bounded(values: C) -> C:
    """Take a list or object as it is; raises NotUnderstood when it has more than MOST entries."""
    if len(values) > MOST:
        raise NotUnderstood(f"more than {MOST} entries in one list")
    return values


def first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Find the first of several likely keys that says something; None when none does."""
    return next((values[name] for name in names if values.get(name) not in (None, "", [], {})), None)


_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters but tab and line break, and those that turn the direction of what follows."""


def printable(value: object) -> str | None:
    """Write any JSON value so that it can be shown, without control characters; null stays null."""
    if isinstance(value, str):
        written = value
    elif value is None:
        return None
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        written = ", ".join(value)
    else:
        written = msgspec.json.encode(value).decode()
    return text(written if written.isprintable() else _UNSHOWN.sub("", written))


def full_name(full: object, given: object, family: object) -> str | None:
    """Choose the whole name as stated, else put it together from its parts; never split one."""
    return text(full) or " ".join(part for part in (text(given), text(family)) if part) or None


_BOOLEAN, _OTHER = AnswerType.BOOLEAN, AnswerType.OTHER
_SCALARS = frozenset({bool, int, float, type(None)})


def answer(question: object, word: object, value: object, kinds: Mapping[str, AnswerType], warn: Warn) -> Answer:
    """Read one answer by the provider's table of types; 0 and 1 of a yes-no question are bool.

    Raises NotUnderstood when the value is nested too deep.
    """
    stated = text(word)
    kind = kinds.get(stated, _OTHER) if stated else _OTHER
    if kind is _BOOLEAN:
        value, kind = (bool(value), kind) if value in (0, 1) else (value, _OTHER)
    if kind is _OTHER:
        warn("answer_type_unrecognised")
    if isinstance(value, str):
        value = text(value)
    elif value.__class__ not in _SCALARS:
        value = kept(value, frozenset())
    return Answer(question=text(question), type=kind, provider_type=stated, value=value, text=printable(value))


# --- time ----------------------------------------------------------------------------------------------------------


def instant(text: str) -> datetime:
    """Read an ISO 8601 time with an offset as UTC; raises NotUnderstood for a naive or impossible one."""
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise NotUnderstood("a time without an offset")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotUnderstood("not a time") from None


def moment(value: object) -> datetime | None:
    """Read a time where it would be a gain and nothing hangs on it: UTC, None for anything that is not one."""
    try:
        return instant(value) if isinstance(value, str) else None
    except NotUnderstood:
        return None


def utc(at: datetime | None) -> datetime | None:
    """Turn a time with an offset into UTC. Raises NotUnderstood where that would leave the years 1 to 9999."""
    if at is None or at.tzinfo is UTC:
        return at
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise NotUnderstood("not a time") from None


def ending(stated: datetime | None, start: datetime | None, minutes: int | None, warn: Warn) -> datetime | None:
    """Take the end as stated (it may differ from the duration), else compute it. Raises NotUnderstood past 9999."""
    if stated is not None:
        return utc(stated)
    if start is None or not minutes:
        warn("end_not_stated")
        return None
    warn("end_derived")
    try:
        return start + timedelta(minutes=minutes)
    except OverflowError:
        raise NotUnderstood("not a time") from None


def stamp(at: datetime | None) -> str | None:
    """Write a time as a part of an id: the same instant is the same text, whatever its offset."""
    return None if at is None else str(msgspec.to_builtins(utc(at)))  # eight times as fast as isoformat


def offset(at: datetime | None) -> str | None:
    """Write the offset a time came with (`+01:00`); None for UTC, which is how machines write and tells nothing."""
    return None if at is None or at.tzinfo is UTC else at.isoformat()[-len("+01:00") :]


def zone(name: object) -> tuple[str | None, str | None]:
    """Read a time zone: (IANA name, warning). An invented name is dropped; letter case is not mended."""
    stated = text(name)
    if stated is None or stated in ZONES:
        return stated, None
    return None, "timezone_unrecognised"
