"""What a call looks like, without a value of it, and which part of a signature scheme does not fit it. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.provider import Inbound, parsed
from gateway.contract.signatures import Hmac, verify

MOST_PATHS = 200
DEEPEST = 12

_HEX = re.compile(r"(?:[0-9a-f]{2}){8,}|(?:[0-9A-F]{2}){8,}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_PREFIX = re.compile(r"((?:hmac-?)?sha-?(?:1|256|512)[=:]|v[01][=,]|hmac[=:])(.+)", re.IGNORECASE)
_FIELD = re.compile(r"(t|ts|time|timestamp|v0|v1|s|sig|signature)=(.+)", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_$@][\w$:@-]{0,63}", re.ASCII)
_DIGITS = 24
"""A name with more characters that are digits or hex than this is an id and not a name."""

SIGNED = ("{body}", "{t}.{body}", "{t}{body}", "{t}:{body}", "v0:{t}:{body}", "{url}{body}")
"""What vendors sign."""


class Part(Struct, frozen=True):
    """One header, or one place in a body (`data.contacts[].email`), and what kind of value stands there."""

    name: str
    shape: str


def header_parts(inbound: Inbound) -> tuple[Part, ...]:
    """Describe the headers of a call, in their order."""
    return tuple(Part(name, value_shape(value.decode("latin-1"))) for name, value in inbound.headers)


def body_parts(inbound: Inbound) -> tuple[Part, ...]:
    """Describe the places of a body that hold a value, as far as it is JSON or a form; at most MOST_PATHS."""
    found: dict[str, dict[str, None]] = {}
    for path, kind in _walk(parsed(inbound), "", 0):
        found.setdefault(path or "$", {})[kind] = None
        if len(found) >= MOST_PATHS:
            break
    return tuple(Part(path, " or ".join(kinds)) for path, kinds in found.items())


def value_shape(value: str) -> str:
    """Say what kind of text a header holds: how long, in which alphabet, behind which of the usual prefixes."""
    value = value.strip()
    fields = [_FIELD.fullmatch(part.strip()) for part in value.split(",")]
    if fields and all(fields):
        return ", ".join(f"{field[1]}= {_plain(field[2])}" for field in fields if field)
    prefixed = _PREFIX.fullmatch(value)
    return f"{prefixed[1]} and {_plain(prefixed[2])}" if prefixed else _plain(value)


def _plain(value: str) -> str:
    if value.isascii() and value.isdecimal():
        return f"a number of {len(value)} digits"
    if _HEX.fullmatch(value):
        return f"{len(value)} hex characters"
    if _BASE64.fullmatch(value) and re.search(r"[A-Z]", value) and re.search(r"[a-z]", value):
        return f"{len(value)} base64 characters"
    return f"text of {len(value)} characters" if value else "empty"


def _walk(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value and depth < DEEPEST:
        for key, item in value.items():
            yield from _walk(item, f"{path}.{_named(key)}".lstrip("."), depth + 1)
    elif isinstance(value, list) and value and depth < DEEPEST:
        for item in value[:MOST_PATHS]:
            yield from _walk(item, f"{path}[]", depth + 1)
    else:
        yield path, _kind(value)


def _named(key: str) -> str:
    """Keep what is a name; a key that may itself be data (an address, an id) is `*`."""
    return key if _NAME.fullmatch(key) and sum(map(str.isdigit, key)) < len(key) / 2 and len(key) <= _DIGITS else "*"


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
    return "object"


# --- whether a scheme fits -----------------------------------------------------------------------------------------


def misfit(scheme: Hmac, secrets: Sequence[str], inbound: Inbound) -> str | None:
    """Name the part of a scheme that does not fit a call, and what would; None when one of the secrets signed it."""
    if _fits(scheme, secrets, inbound):
        return None
    if problem := _form(scheme, inbound):
        return problem
    if scheme.tolerance and _fits(replace(scheme, tolerance=0), secrets, inbound):
        return f"tolerance: its signed time is more than {scheme.tolerance} s from when it came"
    for key, signed in product(("text", "hex", "base64"), SIGNED):
        changes = {n: v for n, v in (("key", key), ("signed", signed)) if v != getattr(scheme, n)}
        if changes and _fits_changed(scheme, changes, secrets, inbound):
            return f"{' and '.join(changes)}: it fits with {_written(changes)}"
    return (
        "signing_secret, signed or key: header, prefix and encoding fit, but the digest is another. It was signed with "
        f"another secret, or over something else than {scheme.signed}"
    )


def _form(scheme: Hmac, inbound: Inbound) -> str | None:
    """Find what can be told from the header alone."""
    values = [value.decode("latin-1").strip() for name, value in inbound.headers if name == scheme.header]
    if not values:
        likely = [f"`{part.name}` ({part.shape})" for part in header_parts(inbound) if _like_a_signature(part)]
        return f"header: the call has no `{scheme.header}`" + (f"; {_either(likely)} may be it" if likely else "")
    if len(values) > 1:
        return f"header: `{scheme.header}` stands there {len(values)} times"
    if scheme.fields is None:
        return _digest(scheme, values[0])
    stated = {name: value for name, equals, value in (p.strip().partition("=") for p in values[0].split(",")) if equals}
    if absent := [name for name in scheme.fields if name not in stated]:
        return f"fields: `{scheme.header}` holds {value_shape(values[0])}, and no `{absent[0]}=`"
    return _digest(scheme, stated[scheme.fields[1]])


def _digest(scheme: Hmac, value: str) -> str | None:
    shape = value_shape(value)
    if not value.startswith(scheme.prefix):
        return f"prefix: `{scheme.header}` does not begin with it: it holds {shape}"
    rest = value.removeprefix(scheme.prefix)
    if _PREFIX.fullmatch(rest):
        return f"prefix: `{scheme.header}` holds {shape}"
    fits = _HEX.fullmatch(rest) if scheme.encoding == "hex" else _BASE64.fullmatch(rest) and not _HEX.fullmatch(rest)
    return None if fits else f"encoding: `{scheme.header}` holds {shape}, not {scheme.encoding}"


def _like_a_signature(part: Part) -> bool:
    return (
        any(word in part.name for word in ("sign", "hmac", "digest")) or "hex" in part.shape or "base64" in part.shape
    )


def _fits(scheme: Hmac, secrets: Sequence[str], inbound: Inbound) -> bool:
    return verify(scheme, secrets, url=inbound.url, headers=inbound.headers, body=inbound.body, at=inbound.received_at)


def _fits_changed(scheme: Hmac, changes: Mapping[str, str], secrets: Sequence[str], inbound: Inbound) -> bool:
    try:
        return _fits(replace(scheme, tolerance=0, **changes), secrets, inbound)
    except ValueError:  # the parts of this one contradict each other
        return False


def _written(changes: Mapping[str, str]) -> str:
    return " and ".join(f"`{name}={value}`" for name, value in changes.items())


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)
