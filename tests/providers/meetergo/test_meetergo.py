"""meetergo keeps the contract."""

from pathlib import Path

from gateway.contract.testing import BookingApiSuite, SimulatorSuite, TranslationSuite, UnsignedSuite, WebhookApiSuite
from providers.meetergo import Meetergo
from providers.meetergo.simulator import MOST_HOOKS, Simulation

HERE = Path(__file__).parent


class TestTranslation(TranslationSuite):
    provider = Meetergo()
    folder = HERE
    unread = ("*hostIds.*", "*hosts.*.slug", "*hosts.*.picture", "*cancel.actionBy", "rating")


class TestWithoutTheirClock(TranslationSuite):
    """Bodies without any time of their own, such as the one on their page: ordered by receipt, which is said."""

    provider = Meetergo()
    folder = HERE / "untimed"


class TestApi(WebhookApiSuite, BookingApiSuite, SimulatorSuite, UnsignedSuite):
    provider = Meetergo()
    simulation = bookings = Simulation
    limit = MOST_HOOKS
