"""Who or what is looked for in bytes that somebody else wrote, however they wrote it down. Pure."""

import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Protocol
from urllib.parse import unquote

LONGEST_ADDRESS = 320
"""Characters of an e-mail address, as the standards bound it."""

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_LAYERS = 3
"""How often something may be percent-encoded: a link within a link within a form."""
_ADDRESS = re.compile(r"[^\s@\"<>]+@[^\s@\"<>]+")


class Sought(Protocol):
    """Something to look for."""

    def within(self, content: bytes) -> bool:
        """Tell whether it is in there, in whatever spelling."""


class Address:
    """An e-mail address; case does not matter, and `ann@x.org` is not in `joann@x.org` or `ann@x.org.uk`."""

    def __init__(self, email: str) -> None:
        self.email = normal(email)
        self._plain = re.compile(rf"(?<![\w.%+\-]){re.escape(self.email)}(?![\w\-]|\.\w)")
        self._quick = self.email.encode() if self.email.isascii() else None

    def within(self, content: bytes) -> bool:
        if self._quick is not None and self._quick not in content.lower() and not _encoded(content):
            return False
        return any(self.email in text and self._plain.search(text) for text in spellings(content))


class BookingId:
    """A provider's booking, by its id: the value of a key that ends with `id`, in JSON or a form."""

    def __init__(self, booking: str) -> None:
        wanted = re.escape(normal(booking))
        self._plain = re.compile(
            rf'id"\s*:\s*(?:"{wanted}"|{wanted}(?=\s*[,}}\]]))|(?:^|[&;\W])[\w\[\]]*id\]?={wanted}(?=[&;\s]|$)'
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
    yield _fold(text)
    if "\\" in text:
        text = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).replace("\\/", "/").replace('\\"', '"')
        yield _fold(text)
    if "&#" in text:
        text = html.unescape(text)
        yield _fold(text)
    for _ in range(_LAYERS):
        if "%" not in text or (plain := unquote(text)) == text:
            return
        text = plain
        yield _fold(text)


def _encoded(content: bytes) -> bool:
    """Tell whether it may say more than it shows."""
    return b"%" in content or b"\\" in content or b"&" in content or b"\0" in content


def _fold(text: str) -> str:
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).casefold()
