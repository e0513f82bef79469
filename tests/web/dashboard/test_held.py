"""/held: what waits for its provider's answer, since when, until when."""

from pathlib import Path

import httpx

from gateway.sealing import digest, new_api_key, new_id
from gateway.store.model import Key
from providers.meetergo import Meetergo
from providers.meetergo.simulator import Simulation
from tests.web.conftest import running, served
from tests.web.dashboard.visitor import Visitor


async def test_held_calls_say_what_they_wait_for_and_until_when(tmp_path: Path) -> None:
    vendor = Simulation()
    async with served(vendor.app) as base_url, running(tmp_path, (Meetergo(),)) as (services, url):
        key = new_api_key()
        row = Key(id=new_id("key_"), name="test", digest=digest(key), scopes=("admin",), created_at=0)
        await services.store.put_key(row)
        settings = {"base_url": base_url, "confirm": "must", "confirm_seconds": 600}
        asked = {"provider": "meetergo", "name": "Berlin", "credentials": vendor.credentials, "settings": settings}
        async with httpx.AsyncClient(base_url=url, timeout=30) as http, Visitor(url) as visitor:
            await visitor.enter(key)
            assert "Nothing is held." in (await visitor.get("/held")).text
            made = await http.post("/v1/connections", json=asked, headers={"authorization": f"Bearer {key}"})
            assert made.status_code == 201, made.text
            vendor.throttled = True
            booking = vendor.book()
            vendor.cancel(booking)
            for call in vendor.outbox:
                answer = await http.post(call.url, content=call.body, headers=dict(call.headers))
                assert answer.json()["status"] == "held"
            page = await visitor.get("/held")
            assert page.text.count("Berlin") == 2
            assert page.text.count("quarantined at") == 2
            assert page.text.count("after an earlier call about the same booking") == 1
            assert any(text in page.text for text in ("in 10 min", "in 9 min")), "as long as its setting says"
            assert "/held" in (await visitor.get("/")).links
