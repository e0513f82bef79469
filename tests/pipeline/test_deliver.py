"""One attempt: signed so that any Standard Webhooks library accepts it, and every end of it a result."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from gateway import sealing
from gateway.contract.errors import ConfigurationError
from gateway.egress import Egress
from gateway.pipeline.deliver import Terms, check_headers, deliver, failed, sign
from gateway.store.model import Claimed, Destination, Result, SigningSecret
from tests.egress.sinks import Behave, Sink, answer, drips, endless, hangs, listening, says, says_then_closes
from tests.pipeline.test_render import BODY

SECRET, OLD_SECRET, EXPIRED_SECRET = (sealing.new_signing_secret() for _ in range(3))
TERMS = Terms(schedule=(5.0, 30.0), timeout=10.0, unit=lambda: 0.0)


def claimed(tries: int = 1, body: bytes = BODY) -> Claimed:
    """Make a delivery that was retried by hand after its first forty attempts."""
    return Claimed(
        delivery=7, attempt=40 + tries, tries=tries, event_id="evt_1", event_type="booking.scheduled", body=body
    )


def destination(url: str = "http://127.0.0.1:1/", **changes: Any) -> Destination:
    fields: dict[str, Any] = {
        "id": "dst_1",
        "number": 1,
        "name": "d",
        "url": url,
        "secrets": (SigningSecret(secret=SECRET),),
        "created_at": 0,
    }
    return Destination(**(fields | changes))


def verified(sink: Sink, secret: str = SECRET) -> list[Any]:
    """Check every request as a consumer does, with the public library, and return the events."""
    return [Webhook(secret).verify(seen.body, seen.headers) for seen in sink.seen]


# --- what is sent --------------------------------------------------------------------------------------------------


async def test_a_delivery_is_verified_by_the_public_library(egress: Egress) -> None:
    async with listening() as sink:
        result = await deliver(claimed(), destination(sink.url), egress, TERMS)
    assert verified(sink) == [msgspec.json.decode(BODY)]
    assert (result.delivery, result.attempt, result.outcome, result.status, result.error) == (
        7,
        41,
        "delivered",
        200,
        None,
    )
    assert sink.seen[0].headers["webhook-id"] == "evt_1"
    assert sink.seen[0].headers["content-type"] == "application/json"


async def test_a_repeat_has_the_same_id_and_bytes_and_a_time_of_its_own(egress: Egress) -> None:
    seconds = iter([1_700_000_000.9, 1_700_000_000.9, 1_700_000_100.0, 1_700_000_100.0])
    terms = msgspec.structs.replace(TERMS, clock=lambda: next(seconds))
    async with listening(says(answer(500), answer(200))) as sink:
        for tries in (1, 2):
            await deliver(claimed(tries), destination(sink.url, profile="thin"), egress, terms)
    first, second = sink.seen
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert [seen.headers["webhook-timestamp"] for seen in sink.seen] == ["1700000000", "1700000100"]


async def test_every_live_secret_signs_and_an_expired_one_does_not(egress: Egress) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    secrets = (
        SigningSecret(secret=SECRET),
        SigningSecret(secret=OLD_SECRET, expires_at=now + 60_000),
        SigningSecret(secret=EXPIRED_SECRET, expires_at=now - 1),
    )
    async with listening() as sink:
        await deliver(claimed(), destination(sink.url, secrets=secrets), egress, TERMS)
    assert len(sink.seen[0].headers["webhook-signature"].split(" ")) == 2
    assert verified(sink, SECRET) == verified(sink, OLD_SECRET)
    with pytest.raises(WebhookVerificationError):
        verified(sink, EXPIRED_SECRET)


async def test_nothing_is_sent_unsigned(egress: Egress) -> None:
    async with listening() as sink:
        with pytest.raises(ValueError, match="no live signing secret"):
            await deliver(claimed(), destination(sink.url, secrets=()), egress, TERMS)
    assert sink.connections == 0


async def test_a_cloudevent_says_so_and_is_signed_alike(egress: Egress) -> None:
    async with listening() as sink:
        await deliver(claimed(), destination(sink.url, format="cloudevents"), egress, TERMS)
    (event,) = verified(sink)
    assert sink.seen[0].headers["content-type"] == "application/cloudevents+json"
    assert (event["specversion"], event["id"], event["data"]["id"]) == ("1.0", "evt_1", "evt_1")


async def test_a_destinations_own_headers_are_sent_and_replace_none_of_ours(egress: Egress) -> None:
    own = {"Authorization": "Bearer x", "Webhook-Id": "evt_forged", "Content-Type": "text/html"}
    async with listening() as sink:
        await deliver(claimed(), destination(sink.url, headers=own), egress, TERMS)
    verified(sink)
    headers = sink.seen[0].headers
    assert (headers["authorization"], headers["webhook-id"]) == ("Bearer x", "evt_1")
    assert headers["content-type"] == "application/json"


# --- what comes back -----------------------------------------------------------------------------------------------


async def outcome(egress: Egress, behave: Behave, tries: int = 1, within: float = 10.0) -> Result:
    terms = msgspec.structs.replace(TERMS, timeout=within)
    async with listening(behave) as sink:
        return await deliver(claimed(tries), destination(sink.url), egress, terms)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_delivered(egress: Egress, status: int) -> None:
    assert (await outcome(egress, says(answer(status, b"")))).outcome == "delivered"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, "301 Moved Permanently: redirects are not followed"),
        (400, "400 Bad Request"),
        (404, "404 Not Found"),
        (410, "410 Gone"),
        (500, "500 Internal Server Error"),
        (599, "599"),
    ],
)
async def test_any_other_answer_is_tried_again_and_named_in_the_standards_words(
    egress: Egress, status: int, error: str
) -> None:
    result = await outcome(egress, says(answer(status, b"their secret words", location="http://127.0.0.1:1/")))
    assert (result.outcome, result.wait, result.status, result.error) == ("retry", 5.0, status, error)


async def test_the_attempt_after_the_last_entry_ends_dead(egress: Egress) -> None:
    result = await outcome(egress, says(answer(500)), tries=3)
    assert (result.outcome, result.status) == ("dead", 500)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for(egress: Egress, status: int) -> None:
    assert (await outcome(egress, says(answer(status, retry_after="600")))).wait == 600
    at = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3_500 < (await outcome(egress, says(answer(status, retry_after=at)))).wait <= 3_600


@pytest.mark.parametrize("behave", [hangs, drips])
async def test_no_whole_answer_within_the_timeout_is_a_failed_attempt(egress: Egress, behave: Behave) -> None:
    result = await outcome(egress, behave, within=0.1)
    assert (result.outcome, result.status, result.error) == ("retry", None, "no whole answer within 0.1 s")
    assert result.duration_ms >= 100


async def test_a_name_look_up_counts_towards_the_timeout() -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    egress = Egress(resolver=never)
    terms = msgspec.structs.replace(TERMS, timeout=0.05)
    result = await deliver(claimed(), destination("https://consumer.example/"), egress, terms)
    assert result.error == "no whole answer within 0.05 s"


async def test_an_endless_2xx_is_delivered(egress: Egress) -> None:
    assert (await outcome(egress, endless)).outcome == "delivered"


@pytest.mark.parametrize("given", [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n"])
async def test_a_broken_answer_is_a_failed_attempt(egress: Egress, given: bytes) -> None:
    result = await outcome(egress, says_then_closes(given))
    assert (result.outcome, result.status) == ("retry", None)


async def test_a_refused_connection_is_a_failed_attempt_that_names_host_and_port_only(egress: Egress) -> None:
    async with listening() as sink:
        pass
    result = await deliver(claimed(), destination(sink.url), egress, TERMS)
    assert result.error == f"127.0.0.1 port {sink.port}: Connection refused"


async def test_an_address_that_may_not_be_reached_is_a_failed_attempt_that_names_the_setting() -> None:
    async with listening() as sink:
        result = await deliver(claimed(), destination(sink.url), Egress(), TERMS)
    assert (result.outcome, sink.connections) == ("retry", 0)
    assert result.error is not None
    assert "GATEWAY_EGRESS_ALLOW" in result.error
    assert "path-token" not in result.error


async def test_a_stored_body_that_is_no_event_breaks_before_anything_is_sent(egress: Egress) -> None:
    async with listening() as sink:
        with pytest.raises(msgspec.DecodeError):
            await deliver(claimed(body=b"{"), destination(sink.url, profile="thin"), egress, TERMS)
    assert sink.connections == 0


def test_an_attempt_that_broke_in_our_hands_is_counted_like_any_other() -> None:
    assert failed(claimed(1), TERMS, "why").outcome == "retry"
    assert failed(claimed(3), TERMS, "why").outcome == "dead"


# --- signatures ----------------------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=64), st.text(), st.from_regex(r"evt_[a-z2-7]{32}", fullmatch=True))
def test_what_is_signed_is_verified_by_the_public_library(key: bytes, body: str, event_id: str) -> None:
    data = body.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
    secret = "whsec_" + base64.b64encode(key).decode()
    now = int(datetime.now(UTC).timestamp())
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign([SECRET, secret], event_id, now, data),
    }
    Webhook(secret).verify(data, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(data + b" ", headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(data, headers | {"webhook-timestamp": str(now + 1)}, json_parse=False)


@pytest.mark.parametrize("secret", ["whsec_", "", "whsec_!!!", "whsec_\u00fc"])
def test_an_unreadable_secret_signs_nothing(secret: str) -> None:
    with pytest.raises(ValueError, match="signing secret"):
        sign([secret], "evt_1", 1, b"")


# --- headers, when they are configured -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"webhook-id": "x"},
        {"Webhook-Signature": "x"},
        {"WEBHOOK-TIMESTAMP": "x"},
        {"host": "x"},
        {"Content-Length": "1"},
        {"content-type": "text/html"},
        {"Transfer-Encoding": "chunked"},
        {"connection": "close"},
        {"Upgrade": "h2c"},
        {"proxy-authorization": "x"},
        {"accept-encoding": "gzip"},
        {"": "x"},
        {"a b": "x"},
        {"a:b": "x"},
        {"a\r\nb": "x"},
        {"\u00fcber": "x"},
        {"a" * 200: "x"},
        {"a": "x\r\ny: z"},
        {"a": "x\ny"},
        {"a": "x\0y"},
        {"a": "\u00fc"},
        {"a": " x"},
        {"a": "x\t"},
        {"a": "x" * 8193},
        {"A": "1", "a": "2"},
        {f"h{n}": "x" for n in range(33)},
    ],
)
def test_a_header_that_could_break_or_forge_a_delivery_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="headers"):
        check_headers(headers)


def test_a_refused_value_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_headers({"authorization": "secret\r\n"})
    assert "secret" not in str(refused.value)


def test_ordinary_headers_pass() -> None:
    check_headers(
        {"Authorization": "Bearer abc.def==", "X-Tenant_1": 'a, b;c="d" \\ ~', "x-empty": "", "user-agent": "u"}
    )
