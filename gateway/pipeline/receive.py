"""Step 1: whose call is it? Proof first, shape second, and never from signed down to unsigned."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gateway.contract.provider import Account, Inbound, Provider, Receipt, parsed
from gateway.contract.signatures import Hmac, Unsigned, verify


class Candidate(Struct, frozen=True):
    """One connection that a call on a URL may belong to. `secrets`: live signing secrets, none when unsigned.

    `askable`: its provider can be asked for bookings, and the connection may.
    """

    provider: Provider
    account: Account
    scheme: Hmac | Unsigned
    secrets: tuple[str, ...]
    askable: bool = False

    def proves(self, inbound: Inbound) -> bool:
        """Say whether one of the live secrets signed these raw bytes."""
        return isinstance(self.scheme, Hmac) and verify(
            self.scheme,
            self.secrets,
            url=inbound.url,
            headers=inbound.headers,
            body=inbound.body,
            at=inbound.received_at,
        )


class Inbox(Struct, frozen=True):
    """One live URL token and who may call on it. `token` is its public id; `pinned`: one connection's own URL."""

    token: str
    url: str
    pinned: bool
    candidates: tuple[Candidate, ...]


class Received(Struct, frozen=True):
    """A call whose connection is known."""

    candidate: Candidate
    receipt: Receipt


class Unclaimed(Struct, frozen=True):
    """A call that came with the token, and that no single connection recognises: kept, in quarantine."""

    inbound: Inbound
    reason: str


class Refused(Struct, frozen=True):
    """A call without the proof that is asked for: not kept. `connections`: whose it may have pretended to be."""

    connections: tuple[str, ...]


Call = Received | Unclaimed | Refused
"""A call, with what is known of whose it is."""


def receive(inbound: Inbound, inbox: Inbox) -> Call:
    """Decide whose call this is."""
    proven = [candidate for candidate in inbox.candidates if candidate.secrets and candidate.proves(inbound)]
    if len(proven) == 1:
        return Received(proven[0], Receipt(proven[0].account, "signature", inbound))
    signed = _ids(candidate for candidate in inbox.candidates if candidate.secrets)
    if proven or len(signed) == len(inbox.candidates):
        return Refused(signed)
    return claim(inbound, inbox)


def claim(inbound: Inbound, inbox: Inbox) -> Received | Unclaimed | Refused:
    """Decide by shape, for a call that nobody signed. Also the first step of a quarantined call's retry."""
    try:
        claimants = inbox.candidates if inbox.pinned else _recognising(inbound, inbox.candidates)
    except Exception as error:  # noqa: BLE001 -- a plugin's own mistake must not lose the call
        return Unclaimed(inbound, f"plugin_error: {type(error).__name__} while recognising")
    downgraded = _ids(candidate for candidate in claimants if candidate.secrets)
    if downgraded:
        return Refused(downgraded)
    if len(claimants) == 1:
        return Received(claimants[0], Receipt(claimants[0].account, "token", inbound))
    return Unclaimed(inbound, "ambiguous: several connections recognise it" if claimants else "unrecognised")


def _recognising(inbound: Inbound, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    body = parsed(inbound)
    return [c for c in candidates if c.provider.recognises(inbound, body, c.account)]


def _ids(candidates: Iterable[Candidate]) -> tuple[str, ...]:
    return tuple(candidate.account.connection for candidate in candidates)
