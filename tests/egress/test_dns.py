"""Names, with a name server that lies: all answers count, and only what was checked is dialled."""

import ipaddress
from collections.abc import AsyncIterator

import pytest

from gateway.config import Allowed
from gateway.contract.errors import EgressRefused
from gateway.egress import Egress, NoAnswer
from gateway.egress.guard import literal
from tests.egress.dns import NameServer, naming
from tests.egress.sinks import DELIVERY, answer, listening, says_then_closes
from tests.egress.spellings import LOOPBACK_SPELLINGS, NOT_PUBLIC

INNER = "127.0.0.2"
ADDRESSES = sorted({str(literal(host)) for host in (*LOOPBACK_SPELLINGS, *NOT_PUBLIC) if host.isascii()})


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NameServer]:
    async with naming(monkeypatch) as server:
        yield server


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    """127.0.0.1 plays the public address; every other one of this machine is not to be reached."""
    door = Egress([Allowed(ipaddress.ip_network("127.0.0.1/32"), None)])
    yield door
    await door.aclose()


async def post(egress: Egress, name: str, port: int) -> int:
    return (await egress.post(f"http://{name}:{port}/hook", DELIVERY, b"{}")).status


async def test_a_name_leads_to_its_address(names: NameServer, egress: Egress) -> None:
    names.names["crm.example"] = [["127.0.0.1"]]
    async with listening() as sink:
        assert await post(egress, "crm.example", sink.port) == 200
    assert (names.asked, sink.seen[0].headers["host"]) == (["crm.example"], f"crm.example:{sink.port}")


@pytest.mark.parametrize("address", ADDRESSES)
async def test_a_name_that_leads_to_what_is_not_public_is_refused(names: NameServer, address: str) -> None:
    names.names["crm.example"] = [[address]]
    egress = Egress()
    with pytest.raises(EgressRefused, match="is not a public address"):
        await post(egress, "crm.example", 80)
    await egress.aclose()


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1", INNER],
        [INNER, "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8", "169.254.169.254"],
        ["127.0.0.1", "::1"],
        ["127.0.0.1", "::ffff:127.0.0.2"],
        ["127.0.0.1", "64:ff9b::127.0.0.1"],
        ["127.0.0.1", "fd00:ec2::254"],
    ],
)
async def test_one_answer_that_may_not_be_reached_refuses_the_name(
    names: NameServer, egress: Egress, answers: list[str]
) -> None:
    names.names["mixed.example"] = [answers]
    async with listening() as sink, listening(host=INNER, port=sink.port) as inner:
        with pytest.raises(EgressRefused):
            await post(egress, "mixed.example", sink.port)
    assert (sink.connections, inner.connections) == (0, 0)


async def test_a_name_that_changes_between_look_and_dial_changes_nothing(names: NameServer, egress: Egress) -> None:
    names.names["rebind.example"] = [["127.0.0.1"], [INNER]]
    async with listening() as sink, listening(host=INNER, port=sink.port) as inner:
        assert await post(egress, "rebind.example", sink.port) == 200
        assert await post(egress, "rebind.example", sink.port) == 200  # over the connection that was checked
    assert (names.asked, len(sink.seen), inner.connections) == (["rebind.example"], 2, 0)


async def test_a_name_that_changes_for_the_next_connection_is_refused_then(names: NameServer, egress: Egress) -> None:
    names.names["rebind.example"] = [["127.0.0.1"], [INNER], ["127.0.0.1"], ["127.0.0.1", INNER]]
    async with listening(says_then_closes(answer())) as sink, listening(host=INNER, port=sink.port) as inner:
        for number, reached in enumerate((True, False, True, False), start=1):
            if reached:
                assert await post(egress, "rebind.example", sink.port) == 200
            else:
                with pytest.raises(EgressRefused):
                    await post(egress, "rebind.example", sink.port)
            await sink.until(lambda s: s.closed == s.connections)
            assert len(names.asked) == number
    assert (sink.connections, inner.connections) == (2, 0)


async def test_an_allowed_port_of_a_name_opens_no_other(names: NameServer) -> None:
    names.names["crm.example"] = [["127.0.0.1"]]
    async with listening() as sink, listening() as other:
        egress = Egress([Allowed(ipaddress.ip_network("127.0.0.1/32"), sink.port)])
        assert await post(egress, "crm.example", sink.port) == 200
        with pytest.raises(EgressRefused):
            await post(egress, "crm.example", other.port)
        await egress.aclose()
    assert other.connections == 0


@pytest.mark.parametrize("answers", [[], None])
async def test_a_name_without_an_address_gets_no_answer(
    names: NameServer, egress: Egress, answers: list[str] | None
) -> None:
    if answers is not None:
        names.names["none.example"] = [answers]
    with pytest.raises(NoAnswer, match=r"none\.example cannot be resolved"):
        await post(egress, "none.example", 80)


async def test_providers_are_reached_by_the_same_door(names: NameServer, egress: Egress) -> None:
    names.names["api.example"] = [["127.0.0.1", INNER]]
    async with listening() as sink:
        with pytest.raises(EgressRefused):
            await egress.provider(f"http://api.example:{sink.port}", {}).request("POST", "/webhooks", json={})
    assert sink.connections == 0
