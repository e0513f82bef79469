"""Harmony keeps the contract."""

from pathlib import Path

from gateway.contract.provider import parsed
from gateway.contract.testing import ByHandSuite, SimulatorSuite, TranslationSuite, UnsignedSuite
from providers.harmony import Harmony
from providers.harmony.simulator import Simulation

HERE = Path(__file__).parent


class TestTranslation(TranslationSuite):
    provider = Harmony()
    folder = HERE
    unread = ("*.role", "data.email", "contact.email", "data.start")  # the last one is naive


class TestPinned(TranslationSuite):
    """Calls that name no event: nobody's on the shared URL, and still passed on from a connection's own."""

    provider = Harmony()
    folder = HERE / "pinned"
    unread = ("",)  # the body that says nothing at all

    def test_a_payload_is_recognised_and_left_as_it_is(self, payload: Path) -> None:
        receipt = self.received(payload)
        assert not self.provider.recognises(receipt.inbound, parsed(receipt.inbound), receipt.account)


class TestByHand(ByHandSuite, SimulatorSuite, UnsignedSuite):
    provider = Harmony()
    simulation = Simulation
