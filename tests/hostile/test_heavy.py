"""Reading a call takes time and room in proportion to its size, whatever is in it: everybody waits for it meanwhile."""

import gc
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.contract.provider import Account, Inbound
from gateway.pipeline.normalize import Arrived, rows
from gateway.pipeline.receive import Candidate, Inbox, Received, Refused, claim
from gateway.registry import load_providers
from tests.hostile.heavy import HEAVY

AT = datetime(2026, 3, 1, tzinfo=UTC)
SMALL = 1 << 15
MEBIBYTE = 1 << 20
STEP = 4
SLACK = 0.02
"""Seconds of processor time that a busy machine may add to any figure."""
MOST_TIMES = 8
"""How many times its own size a call may become as an event; beside it 5,000 entries of a list, which say nothing."""

CASES = [(provider, name) for provider, recipes in HEAVY.items() for name in recipes]
PROVIDERS = load_providers()


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    """Leave out the collector, whose runs depend on what else the process holds."""
    gc.disable()
    yield
    gc.enable()


def inbox_of(name: str) -> Inbox:
    """Make a URL of its own for one provider, on which nobody signs: everything is read."""
    provider = PROVIDERS[name]
    settings = msgspec.convert({}, provider.settings)
    account = Account("con_1", None, settings)
    return Inbox("url_1", "http://x/in/1", True, (Candidate(provider, account, provider.scheme(settings), ()),))


def taken(name: str, body: bytes) -> tuple[str | None, int]:
    """Read a call as the gateway does: why it was not understood, and the size of what is kept as events."""
    inbox = inbox_of(name)
    inbound = Inbound(inbox.url, (("content-type", b"application/json"),), body, AT)
    call = claim(inbound, Inbox(inbox.token, inbox.url, False, inbox.candidates))
    call = call if isinstance(call, Received) else claim(inbound, inbox)
    assert not isinstance(call, Refused)
    ((receipt, events),) = rows([Arrived(call, inbox)])
    return receipt.reason, sum(len(event.body) for event in events)


def seconds(name: str, body: bytes) -> float:
    """Take the best of a few: what the reading costs and not what the machine does beside it."""
    took = []
    for _ in range(3):
        began = time.process_time()
        taken(name, body)
        took.append(time.process_time() - began)
    return min(took)


@pytest.mark.parametrize(("provider", "name"), CASES)
def test_four_times_the_body_is_about_four_times_the_work(provider: str, name: str) -> None:
    """Quadratic is sixteen times. Twice the linear figure and the slack are allowed, so that no slow machine fails."""
    recipe = HEAVY[provider][name]
    small = seconds(provider, recipe(SMALL))
    large = seconds(provider, recipe(SMALL * STEP))
    assert large <= 2 * STEP * small + SLACK, (small, large)


@pytest.mark.parametrize(("provider", "name"), CASES)
def test_a_mebibyte_of_anything_is_read_or_quarantined_and_does_not_swell(provider: str, name: str) -> None:
    body = HEAVY[provider][name](MEBIBYTE)
    reason, size = taken(provider, body)
    assert reason is None or reason.startswith("not_understood: "), reason
    assert len(reason or "") < 300
    assert size <= MOST_TIMES * len(body)
