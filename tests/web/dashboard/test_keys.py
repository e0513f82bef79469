"""/keys: who may ask for what; a key is shown once."""

import re

from tests.web.conftest import Gateway
from tests.web.dashboard.visitor import Visitor


async def test_a_key_is_made_and_shown_once(gateway: Gateway, visitor: Visitor) -> None:
    page = await visitor.submit("/keys", "/keys", name="Reports", scopes=["events:read", "config:read"])
    key = re.search(r"gwk_[\w-]{43}", page.text)
    assert key
    assert "Reports" in page.text
    assert key[0] not in (await visitor.get("/keys")).html
    answer = await gateway.http.get("/v1/events", headers={"authorization": f"Bearer {key[0]}"})
    assert answer.status_code == 200


async def test_a_key_without_scopes_is_not_made_and_the_page_says_why(visitor: Visitor) -> None:
    page = await visitor.submit("/keys", "/keys", status=400, name="Nothing")
    assert "scopes must not be empty" in page.text


async def test_a_key_is_revoked(gateway: Gateway, visitor: Visitor) -> None:
    made = await gateway.post("/v1/keys", {"name": "Old", "scopes": ["events:read"]}, 201)
    page = await visitor.submit("/keys", f"/keys/{made['id']}/revoke")
    assert "The key was revoked." in page.text
    assert "Old" not in page.text
    assert {"revoke_key"} <= {entry.action for entry in await gateway.store.audit.list(object_id=made["id"])}
