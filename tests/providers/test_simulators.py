"""The plugins' API clients and the vendors' stand-ins understand each other over a real socket."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest

from gateway.config import Allowed
from gateway.contract.errors import CredentialRefused
from gateway.contract.http import Http
from gateway.contract.provider import Provider, Wanted, WebhookApi
from gateway.egress import Egress
from gateway.registry import load_simulator
from providers import PROVIDERS

BY_API = [provider for provider in PROVIDERS if isinstance(provider.webhooks, WebhookApi)]


def _http(egress: Egress, provider: Provider, settings: dict[str, Any], credentials: dict[str, str]) -> Http:
    api = provider.webhooks
    assert isinstance(api, WebhookApi)
    base_url = api.base_url(msgspec.convert(settings, provider.settings))
    return egress.provider(base_url, api.headers(msgspec.convert(credentials, provider.credentials)))


@pytest.mark.parametrize("provider", BY_API, ids=lambda provider: provider.name)
async def test_a_webhook_is_made_listed_and_removed(provider: Provider, serve: Callable[[Any], str]) -> None:
    simulator, api = load_simulator(provider)(), provider.webhooks
    assert isinstance(api, WebhookApi)
    settings = simulator.settings(serve(simulator.app))
    egress = Egress((Allowed(ip_network("127.0.0.0/8"), None),))
    http = _http(egress, provider, settings, dict(simulator.credentials))
    wanted = Wanted(url="https://gateway.example.com/in/token", events=api.events, secret="a-secret", label="gateway")
    made = await api.create(http, wanted)
    assert [hook.id for hook in await api.list(http)] == [made.id] == list(simulator.hooks)
    await api.delete(http, made.id)
    assert await api.list(http) == []
    stranger = _http(egress, provider, settings, dict.fromkeys(simulator.credentials, "not-this-one"))
    with pytest.raises(CredentialRefused):
        await api.list(stranger)
    await egress.aclose()
