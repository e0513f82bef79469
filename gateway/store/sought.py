"""Who or what is looked for in bytes that somebody else wrote, however they wrote it down. Pure."""

import html
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol
from urllib.parse import unquote

LONGEST_ADDRESS = 320
"""Characters of an e-mail address, as the standards bound it."""

_LAYERS = 8
"""How often something may be written into something else: a link within JSON within JSON within a form."""
_ESCAPE = re.compile(r"""\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))""")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_PADDED = re.compile(r"&#0+(?=[0-9])")
_NO_CHARACTER = re.compile(r"&#[0-9]{9,};?")
_QUOTED = re.compile(r"=(?:\r?\n|[0-9A-Fa-f]{2}(?:=[0-9A-Fa-f]{2})*)")
_MAYBE_QUOTED = re.compile(rb"=(?:[0-9A-Fa-f]{2}|[\\\r\n])")
_FORM = b"x-www-form-urlencoded"
_SENTENCE = re.compile(r"(@[\w\-]+(?:\.[\w\-]+)*)\.(?=[A-Z][a-z])")
_ADDRESS = re.compile(r"[^\s@\"<>]+@[^\s@\"<>]+")


class Sought(Protocol):
    """Something to look for."""

    def within(self, content: bytes) -> bool:
        """Tell whether it is in there, in whatever spelling."""


class Address:
    """An e-mail address; case does not matter, and `ann@x.org` is not in `joann@x.org` or `ann@x.org.uk`."""

    def __init__(self, email: str) -> None:
        self.email = normal(email)
        self._same = _same_domain(self.email)
        before, after = r"(?<![^\W_])(?<![^\W_][._%+\-])", r"(?![.\-]?[^\W_])"  # ` -ann@x.org` is hers, `b-ann` is not
        self._plain = re.compile(f"{before}(?:{'|'.join(map(re.escape, self._same))}){after}")
        self._quick = self.email.encode() if self.email.isascii() and len(self._same) == 1 else None

    def within(self, content: bytes) -> bool:
        if self._quick is not None and self._quick not in content.lower() and not _encoded(content):
            return False
        return any(any(same in text for same in self._same) and self._plain.search(text) for text in spellings(content))


class BookingId:
    """Providers' bookings, by id: the value of a key that ends with `id`, `ids` or `booking`, in JSON or form."""

    def __init__(self, *bookings: str) -> None:
        wanted = f"(?:{'|'.join(re.escape(normal(booking)) for booking in bookings)})"
        key, many = r"(?:ids?|bookings?)", r"(?:\[(?:[^\[\]{}]*?,)?\s*)?"
        self._plain = re.compile(
            rf'{key}"\s*:\s*{many}(?:"{wanted}"|{wanted}(?=\s*[,}}\]]))|{key}\]?(?:\[\d*\])?={wanted}(?=[&;\s]|$)'
        )

    def within(self, content: bytes) -> bool:
        return any(self._plain.search(text) for text in spellings(content))


def is_address(text: str) -> bool:
    return len(text) <= LONGEST_ADDRESS and _ADDRESS.fullmatch(text.strip()) is not None


def normal(text: str) -> str:
    """Write what is the same in one way: composed characters, one case."""
    return unicodedata.normalize("NFC", text.strip()).casefold()


def spellings(content: bytes) -> Iterator[str]:
    """Read bytes as text, then again and again without one more layer of how text is written into other text."""
    text = content.replace(b"\0", b"").decode("utf-8", "replace")  # without the zeros UTF-16 of ASCII is ASCII
    yield from _peeled(text)
    if _FORM in content.lower() and "+" in text:
        yield from _peeled(text.replace("+", " "))


def _peeled(text: str) -> Iterator[str]:
    yield from _read(text)
    for _ in range(_LAYERS):
        before = text
        for undo in (_from_json, _from_html, unquote):
            if (plain := undo(text)) != text:
                text = plain
                yield from _read(text)
        if text == before:
            return


def _read(text: str) -> Iterator[str]:
    """Read text as it is, and as quoted-printable: beside it, for what only looks like that must not be lost."""
    yield _fold(text)
    if "=" in text and (plain := _QUOTED.sub(_unquoted, text)) != text:
        yield _fold(plain)
    if (apart := _SENTENCE.sub(r"\1. ", text)) != text:  # `ann@x.org.Thanks`
        yield _fold(apart)


def _from_json(text: str) -> str:
    return _ESCAPE.sub(_escaped, text) if "\\" in text else text


def _escaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _SHORT.get(found[2], found[2])


def _unquoted(found: re.Match[str]) -> str:
    digits = found[0].replace("=", "").strip()
    return bytes.fromhex(digits).decode("utf-8", "replace")


def _from_html(text: str) -> str:
    """Undo entities; a number that is no character's is not even read, for that takes long or fails."""
    return html.unescape(_NO_CHARACTER.sub("\ufffd", _PADDED.sub("&#", text))) if "&" in text else text


def _encoded(content: bytes) -> bool:
    """Tell whether it may say more than it shows."""
    written = b"%" in content or b"\\" in content or b"&" in content or b"\0" in content
    return written or _MAYBE_QUOTED.search(content) is not None


def _same_domain(email: str) -> list[str]:
    """List an address as it is, and with its domain in letters of any language or in the ASCII that stands for them."""
    name, _, domain = email.rpartition("@")
    found = {email}
    with suppress(UnicodeError):
        found.add(f"{name}@{domain.encode('idna').decode()}")
    with suppress(UnicodeError):
        found.add(f"{name}@{normal(domain.encode().decode('idna'))}")
    return sorted(found)


def _fold(text: str) -> str:
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).casefold()
