"""Harmonizely and SimplyMeet.me keep the contract."""

from pathlib import Path

from gateway.contract.testing import SignedSuite, SimulatorSuite, TranslationSuite, Vector, WebhookApiSuite
from providers.harmonizely import Harmonizely
from providers.harmonizely.simulator import Simulation

HERE = Path(__file__).parent


class TestTranslation(TranslationSuite):
    provider = Harmonizely()
    folder = HERE
    headers = (("user-agent", "Harmonizely"),)
    webhook_ids = frozenset({"2ba9ee0b-0000-4000-8000-00000000hook"})
    unread = (
        *("*pretty_*", "*event_type.*_*", "*event_type.description", "*event_type.location", "*event_type.position"),
        *("data.location_type", "data.invitee.cancellation_policy", "data.participants.*.created_at"),
    )


class TestSignature(SignedSuite):
    provider = Harmonizely()
    vectors = tuple(
        Vector(body=HERE / "signed" / file, secret="something", headers={"Webhook-Signature": signature})
        for file, signature in (
            ("meetingScheduled.compact.json", "IhOJ4b59lOI8mPebMumWEXho0kP4kBMAG51osqfv+p4="),
            ("meetingScheduled.as_documented.json", "wjekcn3n8TsF75GU21rCm7CVvzfWPiCOtnRMod6sOy0="),
        )
    )


class TestApi(WebhookApiSuite, SimulatorSuite):
    provider = Harmonizely()
    simulation = Simulation
