"""/v1/keys: who may ask for what."""

from tests.web.conftest import Gateway


async def test_a_key_is_shown_once_and_kept_as_a_digest(gateway: Gateway) -> None:
    made = await gateway.post("/v1/keys", {"name": "ci", "scopes": ["events:read", "events:read"]}, 201)
    assert made["key"].startswith("gwk_")
    assert (made["name"], made["scopes"]) == ("ci", ["events:read"])
    listed = await gateway.get("/v1/keys")
    assert {name: value for name, value in made.items() if name != "key"} in listed["items"]
    assert made["key"] not in str(listed)


async def test_a_key_without_a_scope_or_with_an_unknown_one_is_refused(gateway: Gateway) -> None:
    for scopes in ([], ["events:write"]):
        assert (await gateway.http.post("/v1/keys", json={"scopes": scopes})).status_code == 400


async def test_the_last_admin_key_cannot_be_revoked(gateway: Gateway) -> None:
    await gateway.key("events:read")
    (admin,) = [key for key in (await gateway.get("/v1/keys"))["items"] if key["scopes"] == ["admin"]]
    assert (await gateway.http.delete(f"/v1/keys/{admin['id']}")).status_code == 409
    await gateway.key("admin")
    assert (await gateway.http.delete(f"/v1/keys/{admin['id']}")).status_code == 204


async def test_revoking_what_is_not_there_is_404(gateway: Gateway) -> None:
    assert (await gateway.http.delete("/v1/keys/key_none")).status_code == 404


async def test_pages_of_a_short_list_go_on_where_they_ended_though_its_end_was_deleted(gateway: Gateway) -> None:
    for _ in range(5):
        await gateway.key("events:read")
    first = await gateway.get("/v1/keys", limit=2)
    assert (await gateway.http.delete(f"/v1/keys/{first['next']}")).status_code in (204, 409)
    rest = await gateway.get("/v1/keys", after=first["next"])
    ids = [key["id"] for key in first["items"] + rest["items"]]
    assert ids == sorted(set(ids))
    assert len(ids) == 6
    assert rest["next"] is None
