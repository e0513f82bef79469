"""The ways in which their API refuses, each as the error that says what to do."""

import msgspec
import pytest

from gateway.contract.errors import ApiRefused, ApiUnavailable, CredentialRefused, WebhookLimit
from gateway.contract.http import Answer
from gateway.contract.provider import Wanted
from gateway.contract.testing.webhooks import AsgiHttp
from providers.meetergo import Meetergo
from providers.meetergo.api import Credentials, Webhooks
from providers.meetergo.simulator import COMPANY, MOST_HOOKS, OWNER, PERSONAL, PLATFORM, Simulation

API = Webhooks()
WANTED = Wanted(url="https://gateway.example.com/in/x", events=API.events, secret=None, label="gateway con_1")


def http(simulator: Simulation, key: str = PERSONAL, user: str | None = None) -> AsgiHttp:
    return AsgiHttp(simulator.app, "http://localhost", API.headers(Credentials(api_key=key, user_id=user)))


async def test_the_company_and_our_label_come_back() -> None:
    door = http(Simulation())
    made = await API.create(door, WANTED)
    assert (made.account, made.label, made.secret) == (COMPANY, WANTED.label, None)
    assert await API.list(door) == [made]


async def test_a_personal_token_acts_for_nobody_else() -> None:
    assert await API.list(http(Simulation(), user=OWNER)) == []
    with pytest.raises(CredentialRefused, match="another user"):
        await API.list(http(Simulation(), user="user-somebody"))


async def test_a_platform_key_must_say_whom_it_acts_for() -> None:
    assert await API.list(http(Simulation(), PLATFORM, "user-somebody")) == []
    with pytest.raises(ApiRefused, match="x-meetergo-api-user-id"):
        await API.list(http(Simulation(), PLATFORM))


async def test_the_seventh_webhook_is_one_too_many() -> None:
    door = http(Simulation())
    for _ in range(MOST_HOOKS):
        await API.create(door, WANTED)
    with pytest.raises(WebhookLimit, match="Company reached maximum") as limit:
        await API.create(door, WANTED)
    assert limit.value.status == 406


async def test_a_list_of_complaints_is_read_as_one_text() -> None:
    wanted = msgspec.structs.replace(WANTED, url="nowhere", events=())
    with pytest.raises(ApiRefused, match=r"endpoint must be .*; eventTypes must"):
        await API.create(http(Simulation()), wanted)


async def test_an_event_that_they_do_not_know_is_refused() -> None:
    with pytest.raises(ApiRefused, match="each value in eventTypes"):
        await API.create(http(Simulation()), msgspec.structs.replace(WANTED, events=("booking_postponed",)))


async def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(ApiRefused, match="JSON"):
        await http(Simulation()).request("POST", "/webhooks", json=[])


async def test_being_throttled_is_an_outage_that_says_how_long() -> None:
    simulator = Simulation()
    simulator.throttled = True
    with pytest.raises(ApiUnavailable) as outage:
        await API.list(http(simulator))
    assert outage.value.retry_after == 60


async def test_changing_what_is_gone_is_refused() -> None:
    with pytest.raises(ApiRefused) as refusal:
        await API.update(http(Simulation()), "gone", WANTED)
    assert refusal.value.status == 404


async def test_a_change_is_seen_in_the_list() -> None:
    door = http(Simulation())
    made = await API.create(door, WANTED)
    other = msgspec.structs.replace(WANTED, url="https://gateway.example.com/in/y", events=API.events[:1])
    changed = await API.update(door, made.id, other)
    (listed,) = await API.list(door)
    assert (changed.url, changed.events) == (listed.url, listed.events) == (other.url, other.events)


async def test_an_id_stays_one_step_of_the_path() -> None:
    class Asked:
        async def request(self, method: str, path: str, **_: object) -> Answer:
            assert (method, path) == ("DELETE", "/webhooks/..%2Fusers%3Fx")
            return Answer(204, b"")

    await API.delete(Asked(), "../users?x")


def test_credentials_are_spelled_as_interface_says() -> None:
    given = msgspec.convert({"api_key": "rgo-x"}, Meetergo.credentials)
    assert given == Credentials(api_key="rgo-x", user_id=None)
    with pytest.raises(msgspec.ValidationError, match="apikey"):
        msgspec.convert({"api_key": "rgo-x", "apikey": "y"}, Meetergo.credentials)
