"""Conformance classes: inherit one for each capability of a provider, and name its payload files.

    class TestTranslation(TranslationSuite):
        provider = Acme()
        folder = Path(__file__).parent
        unread = ("data.pretty_*",)

`folder/payloads` holds one file a case (`.json` or `.form`); what it becomes is kept beside the tests, one golden file
a case (`pytest --snapshot-update` writes them; their diff is the review). `folder/refused`, when there is one, holds
bodies that must raise NotUnderstood. Put `pytest.register_assert_rewrite("gateway.contract.testing")` into conftest.py
to see what an assertion compared.
"""

from gateway.contract.testing.bookings import BookingApiSuite
from gateway.contract.testing.signing import SignedSuite, UnsignedSuite, Vector
from gateway.contract.testing.translation import TranslationSuite
from gateway.contract.testing.webhooks import ByHandSuite, SimulatorSuite, WebhookApiSuite

__all__ = [
    "BookingApiSuite",
    "ByHandSuite",
    "SignedSuite",
    "SimulatorSuite",
    "TranslationSuite",
    "UnsignedSuite",
    "Vector",
    "WebhookApiSuite",
]
