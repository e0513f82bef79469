"""The conformance classes fail on broken providers: each bug planted here is found by the test that is there for it."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
from msgspec.structs import replace

from gateway.contract.errors import ApiRefused, CredentialRefused, ProviderApiError
from gateway.contract.events import Booking, BookingStatus, Cancellation, Cancelled, Other, Person, Scheduled
from gateway.contract.http import Http
from gateway.contract.provider import Account, ByHand, Draft, Inbound, Provider, Receipt, Wanted, Webhook, WebhookApi
from gateway.contract.reading import decode, keys, moment, text
from gateway.contract.signatures import Hmac, Unsigned
from gateway.contract.testing import (
    ByHandSuite,
    SignedSuite,
    SimulatorSuite,
    TranslationSuite,
    UnsignedSuite,
    Vector,
    WebhookApiSuite,
)
from providers.harmonizely import Harmonizely
from providers.harmonizely.api import Webhooks
from providers.harmonizely.simulator import Simulation

BODY = {"id": "b-1", "who": "ada@example.com", "start": "2026-03-09T09:00:00Z", "token": "acts-without-a-login", "n": 1}


class Call(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    who: Any = None
    start: Any = None
    n: Any = None


class Good(Provider):
    """A provider without a fault; each broken one changes one thing."""

    name = "good"
    title = "Good"
    docs = "https://good.example.com/webhooks"
    signature: ClassVar[Hmac | Unsigned] = Hmac(header="x-good", encoding="base64")
    webhooks: ClassVar[WebhookApi | ByHand] = ByHand("Paste {url}.")
    types = ("booking.scheduled",)
    masked = frozenset({"token"})

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return "id" in keys(body)

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        call = decode(receipt.inbound.body, Call)
        person, start = Person(email=text(call.who)), moment(call.start)
        booking = Booking(id=call.id, status=BookingStatus.SCHEDULED, attendees=(person,), start=start)
        return [Draft(data=Scheduled(booking=booking), parts=(call.id,), extensions={"good": call.n})]


def changed(**changes: Any) -> type[Good]:
    """Make a provider whose drafts differ from the good one's; a change may be worked out from receipt and draft."""

    class Changed(Good):
        def translate(self, receipt: Receipt) -> Sequence[Draft]:
            (draft,) = super().translate(receipt)
            return [replace(draft, **{k: v(receipt, draft) if callable(v) else v for k, v in changes.items()})]

    return Changed


def suite(provider: Provider, folder: Path, **bodies: dict[str, Any]) -> TranslationSuite:
    """Make the suite over some payloads, as a provider's test file would."""
    (folder / "payloads").mkdir(exist_ok=True)
    for name, body in ({"one": BODY} | bodies).items():
        (folder / "payloads" / f"{name}.json").write_bytes(msgspec.json.encode(body))
    made = type("TestPlanted", (TranslationSuite,), {"provider": provider, "folder": folder, "unread": ("token",)})()
    assert isinstance(made, TranslationSuite)
    return made


def run(tests: TranslationSuite) -> set[str]:
    """Run all of a suite but the golden files; name what failed."""
    failed = set()
    for name in sorted(name for name in dir(tests) if name.startswith("test_") and "golden" not in name):
        test = getattr(tests, name)
        try:
            test(*(tests.payloads()[:1] if "payload" in test.__annotations__ else ()))
        except Exception:  # noqa: BLE001 -- any failure is what is looked for
            failed.add(name.removeprefix("test_"))
    return failed


_ticks = count()


class Forgetful(Good):
    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        return [replace(draft, extensions={}) for draft in super().translate(receipt)]


class Careless(Good):
    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        body = msgspec.json.decode(receipt.inbound.body)
        return [replace(draft, event_id=str(body["id"])) for draft in super().translate(receipt)]


class Jealous(Good):
    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return False


class Meddling(Good):
    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        return isinstance(body, dict) and body.pop("id", None) is not None


class Silent(Good):
    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        return super().translate(receipt)[:0]


def _booking(_: Receipt, draft: Draft) -> Booking:
    assert isinstance(draft.data, Scheduled)
    return draft.data.booking


@pytest.mark.parametrize(
    ("provider", "test"),
    [
        (Forgetful, "every_value_counts_or_is_declared_unread"),
        (Careless, "whatever_comes_is_translated_or_not_understood"),
        (Jealous, "a_payload_is_recognised_and_left_as_it_is"),
        (Meddling, "a_payload_is_recognised_and_left_as_it_is"),
        (Silent, "drafts_are_canonical"),
        (changed(event_id=lambda *_: str(next(_ticks))), "translation_is_pure"),
        (changed(at=lambda receipt, _: receipt.inbound.received_at), "translation_is_pure"),
        (
            changed(parts=lambda receipt, _: (hashlib.sha256(receipt.inbound.body).hexdigest(),)),
            "the_same_content_in_other_bytes_is_the_same_fact",
        ),
        (changed(parts=(None,)), "drafts_are_canonical"),
        (changed(parts=("ada@example.com",)), "identities_hold_nothing_personal"),
        (changed(warnings=("whatever",)), "drafts_are_canonical"),
        (changed(warnings=("end_derived", "end_derived")), "drafts_are_canonical"),
        (
            changed(data=lambda *_: Cancelled(booking=_booking(*_), cancellation=Cancellation())),
            "drafts_are_canonical",
        ),
        (changed(data=lambda *_: Scheduled(booking=replace(_booking(*_), title=""))), "drafts_are_canonical"),
        (
            changed(data=lambda *_: Scheduled(booking=replace(_booking(*_), end=datetime(2026, 3, 9)))),  # noqa: DTZ001 -- the bug
            "drafts_are_canonical",
        ),
        (
            changed(extensions=lambda receipt, _: {"body": receipt.inbound.body.decode(errors="replace")}),
            "nothing_that_acts_without_a_login_comes_out",
        ),
        (
            changed(extensions=lambda receipt, _: {n: v.decode() for n, v in receipt.inbound.headers}),
            "nothing_that_acts_without_a_login_comes_out",
        ),
        (changed(variant=lambda receipt, _: receipt.inbound.url), "nothing_that_acts_without_a_login_comes_out"),
    ],
)
def test_a_planted_bug_is_found(provider: type[Provider], test: str, tmp_path: Path) -> None:
    assert test in run(suite(provider(), tmp_path))


def test_a_good_provider_passes(tmp_path: Path) -> None:
    assert run(suite(Good(), tmp_path, two={**BODY, "id": "b-2", "who": "bo@example.com"})) == set()


def test_a_path_that_is_read_cannot_be_declared_unread(tmp_path: Path) -> None:
    tests = suite(Good(), tmp_path)
    type(tests).unread = ("token", "who")
    with pytest.raises(AssertionError, match="these are read"):
        tests.test_every_value_counts_or_is_declared_unread()


def test_a_path_that_is_always_empty_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="says anything here"):
        suite(Good(), tmp_path, one={**BODY, "later": None}).test_every_value_counts_or_is_declared_unread()


def test_two_facts_with_one_identity_are_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="one id"):
        suite(Good(), tmp_path, two={**BODY, "who": "bo@example.com"}).test_facts_have_identities_of_their_own()


def test_a_clock_for_some_bookings_only_is_found(tmp_path: Path) -> None:
    provider = changed(revision=lambda _, draft: _booking(_, draft).start)()
    tests = suite(provider, tmp_path, two={**BODY, "start": None})
    with pytest.raises(AssertionError, match="some bookings only"):
        tests.test_one_clock_orders_all_bookings_or_none()


def test_a_refusal_that_does_not_happen_is_found(tmp_path: Path) -> None:
    tests = suite(Good(), tmp_path)
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused" / "one.json").write_bytes(msgspec.json.encode(BODY))
    with pytest.raises(pytest.fail.Exception):
        tests.test_bodies_that_are_refused_say_where()


# --- signatures ----------------------------------------------------------------------------------------------------

SIGNED = b'{"id":"b-1","start":"2026-03-09T09:00:00Z"}'
STAMP = b"1772357400"  # 2026-03-01T09:30:00Z
PLAIN = hmac.new(b"a-secret", SIGNED, hashlib.sha256).digest()
TIMED = hmac.new(b"a-secret", STAMP + b"." + SIGNED, hashlib.sha256).hexdigest()
VECTOR = Vector(body=SIGNED, secret="a-secret", headers={"X-Good": base64.b64encode(PLAIN).decode()})
TIMED_VECTOR = Vector(body=SIGNED, secret="a-secret", headers={"X-Good": f"t={STAMP.decode()},v1={TIMED}"})
GOOD = Hmac(header="x-good", encoding="base64")
TIMED_GOOD = Hmac(header="x-good", encoding="hex", fields=("t", "v1"), signed="{t}.{body}", tolerance=60)


def signed(scheme: object, vector: Vector) -> set[str]:
    """Run the signature suite over a scheme and name what failed."""
    provider = type("Planted", (Good,), {"signature": scheme})()
    tests = type("TestPlanted", (SignedSuite,), {"provider": provider, "vectors": (vector,)})()
    failed = set()
    for name in (name for name in dir(tests) if name.startswith("test_")):
        try:
            getattr(tests, name)(vector)
        except (AssertionError, StopIteration, ValueError):
            failed.add(name.removeprefix("test_"))
    return failed


def test_a_right_scheme_passes() -> None:
    assert signed(GOOD, VECTOR) == set()
    assert signed(TIMED_GOOD, TIMED_VECTOR) == set()


@pytest.mark.parametrize(
    ("scheme", "vector"),
    [
        (replace(GOOD, header="x-other"), VECTOR),
        (replace(GOOD, encoding="hex"), VECTOR),
        (replace(GOOD, prefix="sha256="), VECTOR),
        (replace(GOOD, key="hex"), VECTOR),
        (replace(GOOD, signed="{url}{body}"), VECTOR),
        (Unsigned("https://good.example.com says nothing of signatures"), VECTOR),
        (replace(TIMED_GOOD, signed="{t}{body}"), TIMED_VECTOR),
        (replace(TIMED_GOOD, fields=("t", "v0")), TIMED_VECTOR),
        (replace(TIMED_GOOD, fields=("ts", "v1")), TIMED_VECTOR),
    ],
)
def test_a_wrong_scheme_does_not_accept_the_vendors_own_call(scheme: object, vector: Vector) -> None:
    assert "the_vendors_own_call_is_accepted" in signed(scheme, vector)


def test_a_signed_time_that_nobody_looks_at_is_found() -> None:
    assert signed(replace(TIMED_GOOD, tolerance=0), TIMED_VECTOR) == {"a_signed_time_is_checked"}


def test_a_provider_that_signs_is_not_taken_for_unsigned() -> None:
    tests = type("TestPlanted", (UnsignedSuite,), {"provider": Good()})()
    with pytest.raises(AssertionError, match="Unsigned"):
        tests.test_it_says_why_and_where()


def test_a_reason_without_a_page_is_found() -> None:
    provider = type("Planted", (Good,), {"signature": Unsigned("they do not sign")})()
    with pytest.raises(AssertionError, match="page"):
        type("TestPlanted", (UnsignedSuite,), {"provider": provider})().test_it_says_why_and_where()


def test_steps_that_do_not_name_the_url_are_found() -> None:
    provider = type("Planted", (Good,), {"webhooks": ByHand("Good luck, {name}.")})()
    with pytest.raises(AssertionError):
        type("TestPlanted", (ByHandSuite,), {"provider": provider})().test_the_steps_name_the_url_and_the_connection()


# --- APIs ----------------------------------------------------------------------------------------------------------


class FirstPageOnly(Webhooks):
    async def list(self, http: Http) -> Sequence[Webhook]:
        class Single:
            async def request(self, method: str, path: str, **_: Any) -> Any:
                return await http.request(method, path)

        return await super().list(Single())


class Impatient(Webhooks):
    async def delete(self, http: Http, webhook_id: str) -> None:
        await http.request("DELETE", f"/webhooks/{webhook_id}")


class Anonymous(Webhooks):
    def headers(self, credentials: Any) -> dict[str, str]:
        return {}


class Boastful(Webhooks):
    async def update(self, http: Http, webhook_id: str, wanted: Wanted) -> Webhook:
        return Webhook(id=webhook_id, url=wanted.url, events=wanted.events)


class Absent(Webhooks):
    async def create(self, http: Http, wanted: Wanted) -> Webhook:
        return replace(await super().create(http, wanted), id="made-up")


class Gullible(Webhooks):
    async def create(self, http: Http, wanted: Wanted) -> Webhook:
        try:
            return await super().create(http, wanted)
        except (ApiRefused, CredentialRefused):
            return Webhook(id="x", url=wanted.url, events=wanted.events)


@pytest.mark.parametrize(
    ("api", "test"),
    [
        (FirstPageOnly, WebhookApiSuite.test_all_pages_are_listed),
        (Impatient, WebhookApiSuite.test_removing_twice_is_removing_once),
        (Anonymous, WebhookApiSuite.test_one_that_is_made_is_listed),
        (Boastful, WebhookApiSuite.test_a_change_in_place_keeps_the_id_or_is_no_verb),
        (Absent, WebhookApiSuite.test_one_that_is_made_is_listed),
        (Gullible, WebhookApiSuite.test_a_refusal_carries_the_vendors_words),
        (Gullible, WebhookApiSuite.test_a_wrong_credential_is_refused),
    ],
)
def test_a_broken_api_client_is_found(api: type[Webhooks], test: Callable[[WebhookApiSuite], None]) -> None:
    provider = type("Planted", (Harmonizely,), {"webhooks": api()})()
    tests = type("TestPlanted", (WebhookApiSuite,), {"provider": provider, "simulation": Simulation})()
    with pytest.raises((AssertionError, pytest.fail.Exception, ProviderApiError)):
        test(tests)


def test_a_limit_that_the_plugin_does_not_tell_apart_is_found() -> None:
    tests = type("TestPlanted", (WebhookApiSuite,), {"provider": Harmonizely(), "simulation": Simulation, "limit": 2})()
    with pytest.raises(pytest.fail.Exception):
        tests.test_a_full_account_is_an_error_of_its_own()


def test_a_story_that_is_not_understood_is_found() -> None:
    class Deaf(Harmonizely):
        def translate(self, receipt: Receipt) -> Sequence[Draft]:
            return [replace(draft, data=Other(action=draft.word)) for draft in super().translate(receipt)]

    tests = type("TestPlanted", (SimulatorSuite,), {"provider": Deaf(), "simulation": Simulation})()
    with pytest.raises(AssertionError):
        tests.test_the_story_is_understood_as_it_says()


def test_one_class_may_inherit_several_suites() -> None:
    """Each adds its own parameters, whichever comes first."""

    class Both(TranslationSuite, SignedSuite):
        provider = Good()
        folder = Path(__file__).parent / "invented"
        vectors = (Vector(body=b"{}", secret="a-secret", headers={}),)

        def payloads(self) -> list[Path]:
            return [Path("one.json")]

    class Metafunc:
        fixturenames = ("payload", "vector")
        given: ClassVar[list[str]] = []

        def parametrize(self, name: str, values: object, ids: object) -> None:
            self.given.append(name)

    asked = Metafunc()
    Both().pytest_generate_tests(asked)  # type: ignore[arg-type]  # -- what pytest gives, as far as it is used
    assert sorted(asked.given) == ["payload", "vector"]
