"""Their bodies, to change one thing at a time."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from gateway.contract.provider import Account, Draft, Inbound, Receipt, parsed
from providers.meetergo import Meetergo
from providers.meetergo.api import AddressSettings

PAYLOADS = Path(__file__).parent / "payloads"
PROVIDER = Meetergo()


def payload(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_bytes())
    return value


def older(body: dict[str, Any]) -> dict[str, Any]:
    """Put the same fact into the older envelope."""
    return {"event": body["webhookType"], "data": {key: body[key] for key in body if key != "webhookType"}}


def account(company: str | None = None) -> Account:
    return Account("con_test", company, AddressSettings())


def inbound(body: object) -> Inbound:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Inbound("https://gateway.example.com/in/x", (), raw, datetime(2026, 3, 1, tzinfo=UTC))


def recognised(body: object, company: str | None = None) -> bool:
    return PROVIDER.recognises(inbound(body), parsed(inbound(body)), account(company))


def draft(body: object) -> Draft:
    (only,) = PROVIDER.translate(Receipt(account(), "token", inbound(body)))
    return only
