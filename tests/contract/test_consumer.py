"""A consumer believes what the gateway signed, and nothing else."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from gateway.contract import events as e
from gateway.contract.consumer import open_delivery
from gateway.contract.errors import NotGenuine
from gateway.pipeline.deliver import sign
from gateway.pipeline.render import render
from tests.pipeline.test_render import BODY, scheduled

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(24)).decode()
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ID = scheduled().id
NAMES = st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"])


def headers(body: bytes = BODY, *secrets: str, at: datetime = NOW, **more: str) -> dict[str, str]:
    stamp = int(at.timestamp())
    signature = sign(secrets or (SECRET,), ID, stamp, body)
    made = {"Webhook-Id": ID, "Webhook-Timestamp": str(stamp), "Webhook-Signature": signature}
    return made | {name.replace("_", "-"): value for name, value in more.items()}


def test_a_delivery_opens_to_its_event() -> None:
    assert open_delivery(headers(), BODY, SECRET, at=NOW) == scheduled()


def test_a_cloudevent_opens_to_the_same_event() -> None:
    body = render(BODY, "cloudevents", "full", "https://gateway.example.com")
    assert open_delivery(headers(body), body, SECRET, at=NOW) == scheduled()


def test_a_secret_may_come_out_of_a_file() -> None:
    assert open_delivery(headers(), BODY, SECRET + "\n", at=NOW) == scheduled()


def test_while_a_secret_is_rotated_either_will_do() -> None:
    both = headers(BODY, OTHER, SECRET)
    assert open_delivery(both, BODY, SECRET, at=NOW) == open_delivery(both, BODY, OTHER, at=NOW)
    assert open_delivery(headers(), BODY, OTHER, SECRET, at=NOW) == scheduled()


def test_a_type_of_a_newer_gateway_is_kept_as_it_came() -> None:
    body = msgspec.json.encode({"id": ID, "type": "booking.evaporated"})
    assert open_delivery(headers(body), body, SECRET, at=NOW) == e.UnknownEvent(
        id=ID, type="booking.evaporated", raw=body
    )


def test_what_the_public_library_signs_is_believed() -> None:
    at = datetime.now(UTC)
    signature = Webhook(SECRET).sign(ID, at, BODY.decode())
    signed = {"webhook-id": ID, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    assert open_delivery(signed, BODY, SECRET) == scheduled()


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Id": "evt_other"}, {"Webhook-Timestamp": "1"}, {"Webhook-Timestamp": "nonsense"},
        {"Webhook-Timestamp": "\u0661"}, {"Webhook-Timestamp": "9" * 40}, {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1,é"}, {"Webhook-Signature": "v1,AAAA"}, {"Webhook-Signature": "v2,AAAA"},
    ],
)  # fmt: skip
def test_what_was_changed_is_not_believed(change: Mapping[str, str]) -> None:
    with pytest.raises(NotGenuine):
        open_delivery({**headers(), **change}, BODY, SECRET, at=NOW)


def test_other_bytes_and_another_secret_are_not_believed() -> None:
    with pytest.raises(NotGenuine):
        open_delivery(headers(), BODY + b" ", SECRET, at=NOW)
    with pytest.raises(NotGenuine):
        open_delivery(headers(), BODY, OTHER, at=NOW)
    with pytest.raises(NotGenuine):
        open_delivery(headers(), BODY, at=NOW)


@pytest.mark.parametrize("late", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_what_is_too_old_or_from_the_future_is_not_believed(late: timedelta) -> None:
    with pytest.raises(NotGenuine, match="clock"):
        open_delivery(headers(), BODY, SECRET, at=NOW + late)


def test_a_signed_body_that_is_no_event_is_not_believed() -> None:
    for body in (b"", b"[]", b"{}", b"\xff", b"[" * 5000):
        with pytest.raises(NotGenuine):
            open_delivery(headers(body), body, SECRET, at=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "nonsense!"])
def test_a_secret_that_is_none_is_the_consumers_own_mistake(secret: str) -> None:
    with pytest.raises(ValueError, match="whsec_"):
        open_delivery(headers(), BODY, secret, at=NOW)


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()), st.binary()
)
def test_nothing_else_comes_of_nonsense(sent: dict[str, str], body: bytes) -> None:
    with pytest.raises(NotGenuine):
        open_delivery(sent, body, SECRET)


def test_a_message_of_the_standard_library_will_do() -> None:
    message: Any = Message()
    for name, value in headers().items():
        message[name] = value
    assert open_delivery(message, BODY, SECRET, at=NOW) == scheduled()
