"""Whose call is it: laws over random mixtures of connections and calls on one URL."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.contract.provider import Account, ByHand, Draft, Inbound, Provider, Receipt, Settings
from gateway.contract.signatures import Hmac, Unsigned, sign
from gateway.pipeline.receive import Candidate, Inbox, Received, Refused, Unclaimed, receive

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
URL = "https://gateway.example/in/token"
UNSIGNED = Unsigned("invented, see this file")


def invent(name: str, signature: Hmac | Unsigned) -> Provider:
    """Make a provider whose bodies say its name, and which account they are of."""

    class Invented(Provider):
        title = docs = name
        webhooks = ByHand("paste {url}")
        types = ("provider.event",)

        def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
            del inbound
            if not isinstance(body, dict) or body.get("provider") != name:
                return False
            return account.account is None or body.get("account") in (None, account.account)

        def translate(self, receipt: Receipt) -> Sequence[Draft]:
            return ()

    Invented.name, Invented.signature = name, signature
    return Invented()


# Two that share a header name, as Harmonizely and Standard Webhooks do, so a header is no identity.
SIGNED = [
    invent("a", Hmac(header="webhook-signature", encoding="base64")),
    invent("b", Hmac(header="webhook-signature", encoding="hex", prefix="sha256=")),
    invent("c", Hmac(header="c-signature", encoding="hex", fields=("t", "v1"), signed="{t}.{body}", tolerance=300)),
]
UNSIGNING = [invent("x", UNSIGNED), invent("y", UNSIGNED)]


def inbox_of(rng: random.Random) -> Inbox:
    """Make an URL as `connect` allows it: secrets unique per provider, an unsigned one twice only by account."""
    candidates: list[Candidate] = []
    for number in range(rng.randint(0, 6)):
        if rng.random() < 0.6:
            provider = rng.choice(SIGNED)
            secrets = tuple(f"secret-{number}-{k}" for k in range(rng.randint(1, 2)))
            candidates.append(Candidate(provider, account(number, None), provider.signature, secrets))
        else:
            provider = rng.choice(UNSIGNING)
            taken = [c for c in candidates if c.provider is provider]
            if any(c.account.account is None for c in taken):
                continue
            tenant = f"tenant-{number}" if taken or rng.random() < 0.5 else None
            candidates.append(Candidate(provider, account(number, tenant), UNSIGNED, ()))
    pinned = len(candidates) == 1 and rng.random() < 0.3
    return Inbox("url_1", URL, pinned, tuple(candidates))


def account(number: int, tenant: str | None) -> Account:
    return Account(f"con_{number}", tenant, Settings())


def body_of(rng: random.Random, inbox: Inbox) -> bytes:
    """Make a body of one of the providers, of none, or no JSON at all."""
    tenants = [c.account.account for c in inbox.candidates] + [None, "tenant-else"]
    kind = rng.random()
    if kind < 0.8:
        fields = {"provider": rng.choice("abcxyz"), "n": rng.random()}
        tenant = rng.choice(tenants)
        return msgspec.json.encode(fields | ({"account": tenant} if tenant else {}))
    return rng.choice([b"", b"{", b"[" * 5000, b"\xff", b"null", b'"x"', b"[]"])


def headers_of(rng: random.Random, inbox: Inbox, body: bytes) -> tuple[tuple[tuple[str, bytes], ...], Candidate | None]:
    """Sign as a candidate, wrongly, doubly or not at all; returns the honest signer when there is exactly one."""
    signing = [c for c in inbox.candidates if c.secrets]
    how = rng.random()
    if not signing or how < 0.25:
        return (), None
    signer = rng.choice(signing)
    assert isinstance(signer.scheme, Hmac)
    name, value = sign(signer.scheme, rng.choice(signer.secrets), url=URL, body=body, at=AT)
    good = (name, value.encode())
    if how < 0.75:
        return (good,), signer
    wrong = sign(signer.scheme, "a secret of nobody", url=URL, body=body, at=AT)[1].encode()
    return rng.choice(
        [
            ((name, wrong),),
            ((name, good[1][:-1]),),
            (good, good),
            (good, (name, wrong)),
            ((name, b""),),
            ((name, b"\xff"),),
        ]
    ), None


@pytest.mark.parametrize("seed", range(8))
def test_a_call_goes_to_the_one_connection_that_can_prove_it_or_that_alone_recognises_it(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 -- a repeatable choice of cases
    seen = {Received: 0, Unclaimed: 0, Refused: 0}
    for _ in range(5000):
        inbox = inbox_of(rng)
        body = body_of(rng, inbox)
        headers, signer = headers_of(rng, inbox, body)
        outcome = receive(Inbound(URL, headers, body, AT), inbox)
        seen[type(outcome)] += 1
        if signer is not None:
            assert isinstance(outcome, Received), (inbox, body)
            assert outcome.candidate is signer
            assert outcome.receipt.proof == "signature"
        else:
            check_unproven(outcome, inbox, body)
    assert min(seen.values()) > 100, f"every outcome must occur to be tested: {seen}"


def check_unproven(outcome: Received | Unclaimed | Refused, inbox: Inbox, body: bytes) -> None:
    """State what may happen to a call that nobody signed."""
    unsigned = [c for c in inbox.candidates if not c.secrets]
    if not unsigned:
        assert isinstance(outcome, Refused)
        return
    if isinstance(outcome, Received):
        assert outcome.receipt.proof == "token"
        assert not outcome.candidate.secrets, "a connection with a secret never takes an unsigned call"
    shapes = [c for c in inbox.candidates if inbox.pinned or says(body, c)]
    if any(c.secrets for c in shapes):
        assert isinstance(outcome, Refused), "no downgrade: what looks like a signed connection's must be signed"
    elif len(shapes) == 1:
        assert isinstance(outcome, Received)
        assert outcome.candidate is shapes[0]
    else:
        assert isinstance(outcome, Unclaimed)


def says(body: bytes, candidate: Candidate) -> bool:
    """Read a body's own word for whose it is, without the code under test."""
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    tenant = candidate.account.account
    return (
        isinstance(fields, dict)
        and fields.get("provider") == candidate.provider.name
        and (tenant is None or fields.get("account") in (None, tenant))
    )


def test_two_connections_with_one_secret_prove_nothing() -> None:
    provider = SIGNED[0]
    twins = tuple(Candidate(provider, account(n, None), provider.signature, ("same secret",)) for n in range(2))
    assert isinstance(provider.signature, Hmac)
    name, value = sign(provider.signature, "same secret", url=URL, body=b"{}", at=AT)
    outcome = receive(Inbound(URL, ((name, value.encode()),), b"{}", AT), Inbox("url_1", URL, False, twins))
    assert outcome == Refused(("con_0", "con_1"))


def test_a_plugin_that_fails_while_recognising_loses_nothing() -> None:
    broken = invent("broken", UNSIGNED)
    broken.recognises = _fail  # type: ignore[method-assign, assignment]  # -- what is broken here
    candidate = Candidate(broken, account(1, None), UNSIGNED, ())
    outcome = receive(Inbound(URL, (), b"{}", AT), Inbox("url_1", URL, False, (candidate,)))
    assert isinstance(outcome, Unclaimed)
    assert outcome.reason == "plugin_error: KeyError while recognising"


def _fail(*_: object) -> bool:
    raise KeyError("a value of the body")
