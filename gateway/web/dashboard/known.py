"""Browsers in which somebody signed in before: their wrong keys are counted apart.

Behind a proxy all come from one address, and who only tries keys would lock out those who have one. The mark opens
nothing: it says in whose name wrong keys are counted, and nobody makes one without a key.
"""

import hmac
import secrets
from collections.abc import Sequence

from gateway.store.model import Key

COOKIE = "gateway_known"
SECONDS = 400 * 24 * 60 * 60
"""The longest that browsers keep a cookie."""


def mark(key: Key) -> str:
    """Make the mark of a browser in which this key was good."""
    nonce = secrets.token_urlsafe(16)
    return f"{key.id}.{nonce}.{_proof(key, nonce)}"


def counted_as(cookie: str | None, address: str, keys: Sequence[Key]) -> str:
    """Say in whose name wrong keys are counted: the browser's, as long as the key it was marked by lives, or else that
    of its address."""
    name, _, rest = (cookie or "").partition(".")
    nonce, _, proof = rest.partition(".")
    key = next((key for key in keys if key.id == name), None)
    if key is None or not hmac.compare_digest(_proof(key, nonce).encode(), proof.encode("utf-8", "replace")):
        return address
    return f"browser {nonce}"


def _proof(key: Key, nonce: str) -> str:
    return hmac.new(key.digest, b"known browser " + nonce.encode("utf-8", "replace"), "sha256").hexdigest()
