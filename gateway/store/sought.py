"""Who or what is looked for in bytes that somebody else wrote, however they wrote it down. Pure."""

import html
import re
import unicodedata
from collections.abc import Iterator
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
        before, after = r"(?<![^\W_])(?<![^\W_][._%+\-])", r"(?![.\-]?[^\W_])"  # ` -ann@x.org` is hers, `b-ann` is not
        self._plain = re.compile(before + re.escape(self.email) + after)
        self._quick = self.email.encode() if self.email.isascii() else None

    def within(self, content: bytes) -> bool:
        if self._quick is not None and self._quick not in content.lower() and not _encoded(content):
            return False
        return any(self.email in text and self._plain.search(text) for text in spellings(content))


class BookingId:
    """A provider's booking, by its id: the value of a key that ends with `id`, `ids` or `booking`, in JSON or form."""

    def __init__(self, booking: str) -> None:
        wanted = re.escape(normal(booking))
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
    yield _fold(text)
    if (apart := _SENTENCE.sub(r"\1. ", text)) != text:  # `ann@x.org.Thanks`
        yield _fold(apart)


def _from_json(text: str) -> str:
    return _ESCAPE.sub(_escaped, text) if "\\" in text else text


def _escaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _SHORT.get(found[2], found[2])


def _from_html(text: str) -> str:
    """Undo entities; a number that is no character's is not even read, for that takes long or fails."""
    return html.unescape(_NO_CHARACTER.sub("\ufffd", _PADDED.sub("&#", text))) if "&" in text else text


def _encoded(content: bytes) -> bool:
    """Tell whether it may say more than it shows."""
    return b"%" in content or b"\\" in content or b"&" in content or b"\0" in content


def _fold(text: str) -> str:
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).casefold()
