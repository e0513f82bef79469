"""How calls are signed, in words: on the page of a connection, and where somebody says it in a form."""

from collections.abc import Mapping
from typing import Final

from gateway.contract.signatures import Hmac
from gateway.web.dashboard.words import span

BODY = "{body}"

ASKED: Final[Mapping[str, tuple[str, str]]] = {
    "header": ("Header", "Its name, such as x-harmony-signature. Empty: not known yet, and nothing is checked."),
    "encoding": ("Written as", "hex has 64 letters and digits from 0 to f; base64 has 44 and ends with =."),
    "prefix": ("Text before it", "Such as sha256= where the header says sha256=ab12..."),
    "fields": (
        "Names of time and signature",
        "Where both stand in the header: t, v1 where it says t=1700000000,v1=ab12...",
    ),
    "signed": ("What is signed", "{body}, or more around it: {t} is the time in the header, {url} the inbound URL."),
    "key": ("The secret is", "Used as text, or decoded first."),
    "tolerance": ("Seconds it may be old", "How far the signed time may be away; 0 is not looked at."),
}
"""The parts of a signature, as they are asked for."""


def told(scheme: Hmac) -> str:
    """Say how calls are signed."""
    what = "the body" if scheme.signed == BODY else scheme.signed
    parts = [f"HMAC-SHA256 of {what}, as {scheme.encoding}, in the header {scheme.header}"]
    if scheme.prefix:
        parts.append(f"behind {scheme.prefix}")
    if scheme.fields is not None:
        parts.append(f"the time as {scheme.fields[0]} and the signature as {scheme.fields[1]}")
    if scheme.tolerance:
        parts.append(f"at most {span(scheme.tolerance)} away from our clock")
    if scheme.key != "text":
        parts.append(f"the secret decoded from {scheme.key}")
    return ", ".join(parts)
