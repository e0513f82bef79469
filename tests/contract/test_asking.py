"""The suite for booking APIs fails on broken ones: each bug planted here is found by the test that is there for it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from gateway.contract import asked
from gateway.contract.errors import ProviderApiError
from gateway.contract.http import Http
from gateway.contract.provider import Account, Draft, Found, FoundPage, Settings, Told
from gateway.contract.testing import BookingApiSuite
from providers.meetergo import Meetergo
from providers.meetergo.bookings import Bookings
from providers.meetergo.simulator import Simulation

READ = Meetergo.bookings


class Faulty(Bookings):
    """meetergo's, to change one thing."""

    def __init__(self) -> None:
        assert isinstance(READ, Bookings)
        super().__init__(READ.drafted)


class Careless(Faulty):
    async def fetch(self, http: Http, booking_id: str) -> bytes | None:
        return (await http.request("GET", f"/v4/appointment/{booking_id}")).body


class Forgetful(Faulty):
    async def fetch(self, http: Http, booking_id: str) -> bytes | None:
        return None


class FirstPageOnly(Faulty):
    async def changed(self, http: Http, since: datetime, page: str | None) -> FoundPage:
        return replace(await super().changed(http, since, page), next=None)


class Skipping(Faulty):
    async def changed(self, http: Http, since: datetime, page: str | None) -> FoundPage:
        return await super().changed(http, since, page or "1")


class Endless(Faulty):
    async def changed(self, http: Http, since: datetime, page: str | None) -> FoundPage:
        return replace(await super().changed(http, since, page), next="0")


class Stale(Faulty):
    async def changed(self, http: Http, since: datetime, page: str | None) -> FoundPage:
        return replace(await super().changed(http, since, page), bookings=())


class Totalled(Faulty):
    async def changed(self, http: Http, since: datetime, page: str | None) -> FoundPage:
        return replace(await super().changed(http, since, page), total=1000)


class OneWord(Faulty):
    def state(self, account: Account, found: Found) -> Draft:
        return self.drafted("booking_created", found.body)


class Timeless(Faulty):
    def state(self, account: Account, found: Found) -> Draft:
        return replace(super().state(account, found), parts=("x",))


class Deaf(Faulty):
    def missed(self, account: Account, found: Found, told: Told | None) -> Sequence[Draft]:
        return ()


class Nervous(Faulty):
    def missed(self, account: Account, found: Found, told: Told | None) -> Sequence[Draft]:
        return asked.missed(self.state(account, found), None)


class Sure(Faulty):
    def missed(self, account: Account, found: Found, told: Told | None) -> Sequence[Draft]:
        return [replace(draft, warnings=()) for draft in super().missed(account, found, told)]


class Leaky(Faulty):
    def state(self, account: Account, found: Found) -> Draft:
        return replace(super().state(account, found), variant=found.body.decode(errors="replace"))


class Fragile(Faulty):
    def state(self, account: Account, found: Found) -> Draft:
        variant = msgspec.json.decode(found.body)["id"]
        return replace(super().state(account, found), variant=variant)


class Anonymous(Faulty):
    def headers(self, credentials: Any) -> dict[str, str]:
        return {"authorization": "Bearer rgo-simulated-personal-token"}


class Credulous(Faulty):
    async def fetch(self, http: Http, booking_id: str) -> bytes | None:
        return (await http.request("GET", "/v4/appointment/paginated")).body


def suite(api: Bookings, **changes: Any) -> BookingApiSuite:
    provider = type("Planted", (Meetergo,), {"bookings": api, **changes})()
    made = type("TestPlanted", (BookingApiSuite,), {"provider": provider, "bookings": Simulation})()
    assert isinstance(made, BookingApiSuite)
    return made


@pytest.mark.parametrize(
    ("api", "test"),
    [
        (Careless, BookingApiSuite.test_a_booking_is_found_by_its_id_and_no_other_is),
        (Forgetful, BookingApiSuite.test_a_booking_is_found_by_its_id_and_no_other_is),
        (FirstPageOnly, BookingApiSuite.test_all_pages_are_read),
        (FirstPageOnly, BookingApiSuite.test_what_is_added_meanwhile_hides_nothing),
        (Skipping, BookingApiSuite.test_all_pages_are_read),
        (Endless, BookingApiSuite.test_all_pages_are_read),
        (Stale, BookingApiSuite.test_what_changed_is_among_what_changed),
        (Totalled, BookingApiSuite.test_what_is_removed_meanwhile_shows_in_the_total),
        (OneWord, BookingApiSuite.test_a_state_is_what_the_last_call_told),
        (Timeless, BookingApiSuite.test_a_state_is_what_the_last_call_told),
        (Deaf, BookingApiSuite.test_what_was_not_told_is_missed_under_the_id_that_the_call_had),
        (Nervous, BookingApiSuite.test_a_booking_that_is_as_it_was_told_misses_nothing),
        (Sure, BookingApiSuite.test_steps_that_a_state_does_not_tell_are_said),
        (Leaky, BookingApiSuite.test_reading_is_pure_and_gives_no_secret_away),
        (Fragile, BookingApiSuite.test_whatever_is_found_is_read_or_not_understood),
        (Anonymous, BookingApiSuite.test_a_wrong_credential_is_refused_when_bookings_are_asked_for),
        (Credulous, BookingApiSuite.test_an_answer_about_bookings_that_cannot_be_read_is_an_outage),
        (Stale, BookingApiSuite.test_a_listed_booking_is_the_one_that_is_fetched),
    ],
)
def test_a_broken_booking_api_is_found(api: type[Faulty], test: Callable[[BookingApiSuite], None]) -> None:
    with pytest.raises(BaseException) as failed:  # noqa: PT011 -- however it fails, it fails
        test(suite(api()))
    assert not isinstance(failed.value, KeyboardInterrupt)


def test_a_good_one_passes() -> None:
    tests = suite(Faulty())
    for name in (name for name in dir(tests) if name.startswith("test_")):
        try:
            getattr(tests, name)()
        except ProviderApiError:  # pragma: no cover -- says which one it was
            pytest.fail(name)


def test_a_provider_whose_settings_cannot_ask_for_it_is_found() -> None:
    with pytest.raises(AssertionError, match="BookingSettings"):
        suite(Faulty(), settings=Settings).test_its_settings_can_ask_for_it()


def test_one_that_declares_none_is_found() -> None:
    with pytest.raises(AssertionError, match="not declared"):
        suite(None).booking_api()  # type: ignore[arg-type]  # -- that is the bug
