"""On one URL for all, a call is recognised by exactly one provider, or it could be given to the wrong one."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.contract.provider import Account, Inbound, Provider, parsed
from providers import PROVIDERS

PAYLOADS = sorted(Path(__file__).parent.glob("*/payloads/*.json"))


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda path: f"{path.parent.parent.name}-{path.stem}")
def test_every_payload_is_recognised_by_the_one_provider_that_sends_it(payload: Path) -> None:
    assert [provider.name for provider in PROVIDERS if _recognises(provider, payload)] == [payload.parent.parent.name]


def _recognises(provider: Provider, payload: Path) -> bool:
    beside = payload.with_suffix(".headers")
    lines = beside.read_text().splitlines() if beside.exists() else []
    headers = tuple((name, value.strip().encode()) for name, _, value in (line.partition(":") for line in lines))
    inbound = Inbound(
        "https://gateway.example.com/in/x", headers, payload.read_bytes(), datetime(2026, 3, 1, tzinfo=UTC)
    )
    return provider.recognises(inbound, parsed(inbound), Account("con_test", None, provider.settings()))
