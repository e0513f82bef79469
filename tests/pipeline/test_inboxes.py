"""Which URL leads to whom, also after its token was retired."""

from gateway.pipeline.inboxes import Inboxes, token_id
from gateway.store.model import Connection, Token
from providers.harmony import Harmony

SHARED, OWN = "s" * 43, "o" * 43


class Rows:
    """A store with one connection on the shared URL and one on a URL of its own."""

    async def connections(self) -> list[Connection]:
        common = Connection(id="con_shared", provider="harmony", name="", status="active", created_at=0)
        pinned = Connection(id="con_own", provider="harmony", name="", status="active", created_at=0, token=OWN)
        return [common, pinned]

    async def tokens(self) -> list[Token]:
        return [Token(id="tok_1", token=SHARED, created_at=0)]


async def made() -> Inboxes:
    inboxes = Inboxes(Rows(), {"harmony": Harmony()}, "https://gateway.example.com")
    await inboxes.refresh()
    return inboxes


async def test_a_receipt_is_found_the_url_that_it_came_on() -> None:
    inboxes = await made()
    assert inboxes.by_id(token_id(OWN)).pinned
    assert not inboxes.by_id(token_id(SHARED)).pinned


async def test_when_its_token_was_retired_it_is_found_the_url_that_leads_to_its_connection_now() -> None:
    inboxes = await made()
    (candidate,) = inboxes.by_id("url_retired", "con_own").candidates
    assert candidate.account.connection == "con_own"


async def test_when_nobody_is_known_it_is_the_shared_url() -> None:
    inboxes = await made()
    assert inboxes.by_id("url_retired", "con_gone").url.endswith(SHARED)
    assert inboxes.by_id("url_retired").url.endswith(SHARED)
