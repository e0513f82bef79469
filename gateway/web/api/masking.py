"""Show the bytes of a call without what acts without a login: masked values, and not one other byte changed."""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote_plus

import msgspec

from gateway.contract.provider import Inbound

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_FIELD = re.compile(rb"[^&;]+")
_STAR = ord("*")

Span = tuple[int, int]


def masked(inbound: Inbound, keys: frozenset[str]) -> bytes:
    """Put `*` for every byte of the values of these keys, at any depth, in JSON or a form.

    What is neither can hide a key anywhere, so all of it is masked. `null` stays: it says that there is no value.
    """
    body = inbound.body
    if not keys:
        return body
    blanked = bytearray(body)
    for start, end in _spans(inbound, keys):
        blanked[start:end] = bytes([_STAR]) * (end - start)
    return bytes(blanked)


def _spans(inbound: Inbound, keys: frozenset[str]) -> Iterable[Span]:
    body = inbound.body
    if _is_json(body):
        return _in_json(body, keys.__contains__)
    if (inbound.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
        return _in_form(body, keys)
    return [(0, len(body))]


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _in_json(body: bytes, hidden: Callable[[str], bool]) -> Iterator[Span]:
    """Walk the tokens of a body that is JSON for certain; a hidden object or list is masked leaf by leaf."""
    depth, hide, last = 0, False, b'""'
    for token in _TOKEN.finditer(body):
        text = token[0]
        if depth or hide:
            hide = False
            if text in (b"{", b"["):
                depth += 1
            elif text in (b"}", b"]"):
                depth -= 1
            elif text not in (b",", b":", b"null"):
                quote = text.startswith(b'"')
                yield token.start() + quote, token.end() - quote
        elif text == b":":
            hide = hidden(msgspec.json.decode(last, type=str))
        last = text


def _in_form(body: bytes, keys: frozenset[str]) -> Iterator[Span]:
    """Find the values of fields by name, also by a part of it: `booking[secret]`."""
    for field in _FIELD.finditer(body):
        name, equals, _ = field[0].partition(b"=")
        parts = re.split(r"[\[\].]+", unquote_plus(name.decode("utf-8", "replace")))
        if equals and keys.intersection(parts):
            yield field.start() + len(name) + 1, field.end()
