"""/v1/providers: what can be connected, and with what."""

from tests.web.conftest import Gateway


async def test_each_plugin_says_what_it_wants(gateway: Gateway) -> None:
    page = await gateway.get("/v1/providers")
    assert page["next"] is None
    pasted, signing, talking = page["items"]
    assert [pasted["name"], signing["name"], talking["name"]] == ["pasted", "signing", "talking"]
    assert set(signing) == {
        "name", "title", "docs", "signature", "webhooks", "bookings", "credentials", "settings", "events",
    }  # fmt: skip
    assert (signing["signature"], signing["webhooks"], signing["bookings"]) == ("hmac", "api", False)
    assert (pasted["signature"], pasted["webhooks"], pasted["credentials"]) == ("unsigned", "by_hand", [])
    assert signing["credentials"] == [{"name": "api_key", "required": True, "secret": True, "description": None}]
    settings = {field["name"]: field for field in signing["settings"]}
    assert settings["base_url"]["default"] == "https://api.vendor.example"
    assert settings["events"]["default"] is None
    assert "made, moved, gone" in settings["events"]["description"]
    assert signing["events"] == ["provider.event"]


async def test_there_are_pages(gateway: Gateway) -> None:
    first = await gateway.get("/v1/providers", limit=2)
    rest = await gateway.get("/v1/providers", limit=2, after=first["next"])
    assert [item["name"] for item in rest["items"]] == ["talking"]
