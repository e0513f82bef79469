"""/connections: connect a provider step by step, see how it goes, change it, let go of it."""

from typing import Any

import pytest

from gateway.contract.errors import CredentialRefused
from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked
from tests.web.dashboard.visitor import Page, Visitor

KEY = {"credentials.api_key": "the-api-key"}
SIGNED = {"settings.signature.header": "x-pasted-signature", "settings.signature.encoding": "hex"}
SECRET = {"signing_secret": "a-secret-that-they-showed"}


async def connect(visitor: Visitor, provider: str, said: dict[str, Any], status: int = 200) -> Page:
    form = f"/connections/new/{provider}"
    return await visitor.submit(form, form, said, status=status)


async def test_every_provider_can_be_chosen(gateway: Gateway, visitor: Visitor) -> None:
    page = await visitor.get("/connections/new")
    for name in gateway.services.providers:
        assert f"/connections/new/{name}" in page.links
        assert (await visitor.get(f"/connections/new/{name}")).forms


async def test_one_with_an_api_is_connected_by_its_credential(gateway: Gateway, visitor: Visitor) -> None:
    page = await connect(visitor, "talking", {"name": "Berlin", **KEY})
    assert "Berlin is connected." in page.text
    assert len(gateway.office.hooks) == 1
    assert "the-api-key" not in page.html
    assert (await gateway.get("/v1/connections"))["items"][0]["name"] == "Berlin"


async def test_a_signing_secret_that_was_made_is_shown_once(gateway: Gateway, visitor: Visitor) -> None:
    page = await connect(visitor, "signing", KEY)
    secret = (await gateway.store.connections())[0].secrets[0]
    assert secret in page.text
    assert secret not in (await visitor.get(page.path)).html


async def test_one_without_an_api_tells_what_to_paste(gateway: Gateway, visitor: Visitor) -> None:
    page = await connect(visitor, "pasted", {"name": "Pasted & Co"})
    url = (await gateway.get("/v1/connections"))["items"][0]["inbound_url"]
    assert f"Paste {url}, call it Pasted & Co, and {{tick}} all." in page.text


async def test_settings_and_ways_reach_the_registrar(gateway: Gateway, visitor: Visitor) -> None:
    await connect(visitor, "signing", {"unsigned": "on", "own_url": "on", **KEY, "settings.events": ["made", "gone"]})
    (row,) = await gateway.store.connections()
    assert row.token is not None
    assert row.secrets == ()
    assert row.settings == {"events": ["made", "gone"]}
    assert next(iter(gateway.office.hooks.values())).events == ("made", "gone")


@pytest.mark.parametrize(
    ("provider", "fields", "field"),
    [
        ("talking", {}, "credentials.api_key"),
        ("pasted", {**SIGNED, "settings.signature.tolerance": "soon"}, "settings.signature.tolerance"),
        ("pasted", {**SIGNED, "settings.signature.encoding": "rot13"}, "settings.signature.encoding"),
        ("pasted", {**SIGNED, "settings.signature.encoding": ""}, "settings.signature.encoding"),
        ("signing", {"credentials.api_key": "k", "signing_secret": "short"}, "signing_secret"),
    ],
)
async def test_what_is_wrong_is_told_beside_its_field(
    gateway: Gateway, visitor: Visitor, provider: str, fields: dict[str, str], field: str
) -> None:
    page = await connect(visitor, provider, {"name": "Typed by hand", **fields}, 400)
    assert [tag["name"] for _, tag in page.tags if tag.get("aria-invalid") == "true"] == [field]
    assert ("name", "Typed by hand") in page.form(f"/connections/new/{provider}").fields
    assert (await gateway.get("/v1/connections"))["items"] == []


async def test_a_providers_refusal_is_told_in_its_words_and_the_credential_is_not_repeated(
    gateway: Gateway, visitor: Visitor
) -> None:
    gateway.office.fails["create"] = [CredentialRefused("that key expired", status=401)]
    page = await connect(visitor, "talking", KEY, 400)
    assert "that key expired" in page.text
    assert "the-api-key" not in page.html


async def test_one_is_shown_with_what_it_does(gateway: Gateway, visitor: Visitor) -> None:
    made = await gateway.connect(name="Berlin")
    here = f"/connections/{made['id']}"
    assert "waits for its first call" in (await visitor.get(here)).text
    event = await booked(gateway)
    page = await visitor.get(here)
    assert f"/events/{event}" in page.links
    assert "not signed" in page.text
    assert "active" in page.text
    assert here in (await visitor.get("/connections")).links


async def test_a_change_changes_what_was_changed_and_keeps_credentials(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/connections/{(await gateway.connect())['id']}"
    page = await visitor.submit(here, here, name="New name")
    assert "New name" in page.text
    (row,) = await gateway.store.connections()
    assert (row.credentials, row.settings) == ({"api_key": "the-api-key"}, {})
    await visitor.submit(here, here, {"credentials.api_key": "another-key"})
    assert (await gateway.store.connections())[0].credentials == {"api_key": "another-key"}


async def test_a_change_that_cannot_be_is_told(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/connections/{(await gateway.connect())['id']}"
    page = await visitor.submit(here, here, {"settings.base_url": "https://other.example"}, status=400)
    assert [tag for _, tag in page.tags if tag.get("aria-invalid") == "true" or tag.get("class") == "notice failed"]
    assert (await gateway.store.connections())[0].settings == {}


async def test_how_calls_are_signed_is_said_in_words(gateway: Gateway, visitor: Visitor) -> None:
    page = await connect(visitor, "pasted", {**SIGNED, **SECRET, "settings.signature.prefix": "sha256="})
    assert "signed: HMAC-SHA256 of the body, as hex, in the header x-pasted-signature, behind sha256=" in page.text
    (row,) = await gateway.store.connections()
    stated = {"header": "x-pasted-signature", "encoding": "hex", "prefix": "sha256="}
    assert stated.items() <= row.settings["signature"].items()
    shown = dict(page.form(page.path).fields)
    assert shown["settings.signature.header"] == "x-pasted-signature"
    changed = await visitor.submit(page.path, page.path, name="Another name")
    assert "Another name" in changed.text
    assert (await gateway.store.connections())[0].settings == row.settings


async def test_what_is_not_known_of_the_signature_is_left_empty(gateway: Gateway, visitor: Visitor) -> None:
    await connect(visitor, "pasted", {"name": "By hand"})
    assert (await gateway.store.connections())[0].settings == {}


async def test_a_signature_that_cannot_be_is_told_at_its_field(visitor: Visitor) -> None:
    page = await connect(visitor, "pasted", {**SIGNED, "settings.signature.header": "X-Upper"}, 400)
    assert {"settings.signature.header-wrong"} <= {tag.get("id") for _, tag in page.tags}
    assert ("settings.signature.header", "X-Upper") in page.form("/connections/new/pasted").fields


async def test_one_is_removed_with_its_webhook(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/connections/{(await gateway.connect())['id']}"
    page = await visitor.submit(here, f"{here}/remove")
    assert "It is disconnected" in page.text
    assert gateway.office.hooks == {}
    assert "There is no such connection" in (await visitor.get(here, 404)).text


async def test_a_provider_that_does_not_exist_says_so(visitor: Visitor) -> None:
    assert "plugin is not installed" in (await visitor.get("/connections/new/nobody", 404)).text
