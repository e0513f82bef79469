"""What all conformance classes need: the provider, and how one connection of it is set."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import pytest

from gateway.contract.provider import Account, Inbound, Provider, Receipt
from gateway.contract.testing.probing import CANARY

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
URL = f"https://gateway.example.com/in/{CANARY}"
SECRET = "a-secret-of-some-length"  # noqa: S105 -- signs nothing but what the tests make


class Suite:
    provider: ClassVar[Provider]
    settings: ClassVar[Mapping[str, Any]] = {}
    webhook_ids: ClassVar[frozenset[str]] = frozenset()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """End the chain: each suite adds its own parameters, so that one class may inherit several."""

    def account(self) -> Account:
        settings = msgspec.convert(self.settings, self.provider.settings)
        return Account("con_test", None, settings, self.webhook_ids)

    def receipt(self, body: bytes, headers: Mapping[str, str], at: datetime = AT) -> Receipt:
        pairs = tuple((name, value.encode()) for name, value in {"authorization": CANARY, **headers}.items())
        return Receipt(self.account(), "token", Inbound(URL, pairs, body, at))
