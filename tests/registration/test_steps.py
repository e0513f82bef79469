"""Where the gateway makes no webhook, a person is told the URL, the events, the signature and the vendor's page."""

from typing import Any

import pytest

from gateway.registration.steps import instructions
from gateway.store.model import Connection, Remote
from providers import PROVIDERS
from providers.harmonizely import Harmonizely

INSTALLED = {provider.name: provider for provider in PROVIDERS}
URL = "https://hooks.example/in/token"
SCHEME = {"header": "x-sig", "encoding": "hex", "prefix": "sha256=", "signed": "{t}.{body}", "fields": ["t", "v1"]}


def told(provider: str, **fields: Any) -> str:
    row = Connection(id="con_1", provider=provider, name="{url} & co", created_at=0, **{"status": "waiting", **fields})
    return instructions(INSTALLED[provider], row, URL) or ""


@pytest.mark.parametrize("provider", sorted(INSTALLED))
def test_the_exact_url_and_the_vendors_page_are_named(provider: str) -> None:
    steps = told(provider)
    assert URL in steps
    assert INSTALLED[provider].docs in steps


def test_the_header_that_proves_a_call_is_named() -> None:
    assert "`webhook-signature` (HMAC-SHA256 over the body, base64)" in told("harmonizely", secrets=("s" * 8,))
    steps = told("harmony", secrets=("s" * 8,), settings={"signature": SCHEME})
    assert "`x-sig` (HMAC-SHA256 over `{t}.{body}`, hex, behind `sha256=`, as `t=...,v1=...`)" in steps


def test_what_proves_nothing_is_said_to() -> None:
    assert "Unsigned calls are accepted, as you said" in told("harmonizely")
    assert "carry no signature" in told("meetergo")
    assert told("harmony").count("give it to nobody else") == 1, "its plugin says it in its own words"


def test_the_events_that_were_chosen_or_all_that_there_are_are_named() -> None:
    assert f"Events:  {', '.join(Harmonizely.webhooks.events)}\n" in told("harmonizely")
    assert "Events:  booking_created\n" in told("meetergo", settings={"events": ["booking_created"]})


def test_a_name_is_text_and_fills_in_nothing() -> None:
    assert "{url} & co" in told("harmony")


def test_where_the_gateway_makes_the_webhook_nothing_is_left_to_do() -> None:
    remote = Remote(id="wh-1", url=URL, events=("booking_created",), checked_at=0)
    assert told("meetergo", remote=remote, webhook_ids=("wh-1",)) == ""
    assert told("meetergo", status="registering") == ""
