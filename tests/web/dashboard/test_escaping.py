"""What others wrote is text on every page, wherever it stands."""

import pytest

from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked, destination, killed, quarantined
from tests.web.dashboard.visitor import Visitor

CANARY = """</script></pre><img src=x onerror=alert(1)>'"><b>&amp;{{7*7}}\u202e\x1b[31m"""


@pytest.fixture
async def pages(gateway: Gateway) -> list[str]:
    """Put the canary wherever somebody else's words can be, and name all pages."""
    connection = await gateway.connect(name=CANARY[:60])
    made = await destination(gateway, name=CANARY[:60], headers={"X-Team": "x"})
    receipt = await quarantined(gateway, booking="b", **{CANARY: CANARY})
    event = await booked(gateway, CANARY, **{CANARY: CANARY})
    dead = await killed(gateway, CANARY)
    await gateway.post("/v1/keys", {"name": CANARY[:60], "scopes": ["events:read"]}, 201)
    (row,) = (await gateway.get("/v1/events"))["items"]
    return [
        "/", "/events", "/deliveries", "/deliveries?status=all", "/quarantine", "/connections", "/destinations",
        "/keys", "/url", "/held", "/audit", "/audit?key=" + _quoted(CANARY) + "&object=" + _quoted(CANARY), "/erase",
        f"/events/{event}", f"/deliveries/{dead}", f"/quarantine/{receipt}", f"/connections/{connection['id']}",
        f"/destinations/{made['id']}", "/booking?" + "key=" + _quoted(row["key"]), "/events?booking=" + _quoted(CANARY),
        "/sign-in?next=" + _quoted("/" + CANARY), "/deliveries?status=" + _quoted(CANARY),
    ]  # fmt: skip


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


async def test_a_canary_stays_text_on_every_page(visitor: Visitor, pages: list[str]) -> None:
    for path in pages:
        page = await visitor.get(path)
        assert not [said for tag, said in page.tags if tag == "img" or "onerror" in said], path
        assert "49" not in [word for word in page.text.split() if word.startswith("49")], path
        scripts = [said for tag, said in page.tags if tag == "script"]
        assert all((said.get("src") or "").startswith("/static/") for said in scripts), path


async def test_a_canary_stays_text_where_personal_data_is_shown(visitor: Visitor, pages: list[str]) -> None:
    for path in (each for each in pages if "/evt_" in each or "/rcp_" in each):
        page = await visitor.submit(path, f"{path}/reveal")
        assert "<img src=x onerror=alert(1)>" in page.text
        assert not [tag for tag, _ in page.tags if tag == "img"]


async def test_a_lone_surrogate_harms_no_page(gateway: Gateway, visitor: Visitor) -> None:
    made = await gateway.connect(own_url=True)
    gateway.talking.understands = False
    body = b'{"from": "talking", "name": "\\ud800"}'
    answer = await gateway.http.post(made["inbound_url"], content=body, headers={"authorization": ""})
    here = f"/quarantine/{answer.json()['receipt']}"
    await visitor.get(here)
    await visitor.submit(here, f"{here}/reveal")
