"""/connections/{id}/...: compare with the provider, put right, renew, catch up."""

from tests.web.conftest import Gateway
from tests.web.dashboard.conftest import booked
from tests.web.dashboard.visitor import Visitor


async def test_a_check_tells_that_all_is_well(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/connections/{(await gateway.connect())['id']}"
    page = await visitor.submit(here, f"{here}/check")
    assert "All is as it should be." in page.text
    assert not [form for form in page.forms if form.action.endswith("/repair")]


async def test_a_check_tells_what_is_wrong_and_a_repair_puts_it_right(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/connections/{(await gateway.connect())['id']}"
    gateway.office.hooks.clear()
    page = await visitor.submit(here, f"{here}/check")
    assert gateway.office.hooks == {}, "a check changes nothing there"
    assert "What a repair does" in page.text
    repaired = await visitor.send(f"{here}/repair", page.form(f"{here}/repair").fields)
    assert len(gateway.office.hooks) == 1
    assert "needs_repair" not in repaired.text
    assert "repair_connection" in {entry.action for entry in await gateway.store.audit.list(limit=500)}


async def test_a_secret_is_renewed_and_shown_once(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/connections/{(await gateway.connect('signing'))['id']}"
    page = await visitor.submit(here, f"{here}/rotate")
    secret = (await gateway.store.connections())[0].secrets[0]
    assert secret in page.text
    assert secret not in (await visitor.get(here)).html
    assert "Older secret" in page.text


async def test_what_cannot_be_is_told(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/connections/{(await gateway.connect())['id']}"
    token = dict((await visitor.get("/")).form("/sign-out").fields)["csrf"]
    for verb in ("rotate", "reconcile"):
        page = await visitor.send(f"{here}/{verb}", [("csrf", token)])
        assert [said for _, said in page.tags if said.get("role") == "alert" and "failed" in (said.get("class") or "")]
    page = await visitor.send(f"{here}/reconcile", [("csrf", token), ("since", "yesterday")])
    assert "since: write it as" in page.text


async def test_the_newest_call_is_described_and_not_repeated(gateway: Gateway, visitor: Visitor) -> None:
    here = f"/connections/{(await gateway.connect())['id']}"
    await booked(gateway, name="Ada Lindqvist")
    page = await visitor.get(here)
    assert "What its newest call looks like" in page.text
    assert "booking" in page.text
    assert "Ada" not in page.text
