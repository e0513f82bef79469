"""`gateway simulate`: one vendor by itself, connected by the command that it prints, heard when somebody says so."""

import json
import socket

import httpx
import pytest

from gateway.cli.demo import alone
from gateway.cli.demo.alone import Vendor
from gateway.registry import load_providers, load_simulator
from tests.cli.conftest import Cli, StandIn

INBOUND = "/in/" + "t" * 43


@pytest.fixture
def hooked(standin: StandIn) -> StandIn:
    """A gateway that takes every call on its inbound URL."""
    standin.answer("POST", INBOUND, {"status": "accepted", "receipt": "rcp_1", "events": []})
    return standin


@pytest.mark.parametrize("name", sorted(load_providers()))
def test_every_provider_prints_a_command_that_holds_no_secret_as_an_argument(name: str) -> None:
    provider = load_providers()[name]
    vendor = Vendor(provider, load_simulator(provider)(), "http://127.0.0.1:9100")
    settings, _, command = vendor.command().rpartition(f"gateway connect {name}")
    assert all(secret in settings for secret in vendor.simulation.credentials.values())
    assert not any(secret in command for secret in vendor.simulation.credentials.values())
    assert all(f"--credential {field}=env:" in command for field in vendor.simulation.credentials)


@pytest.mark.parametrize("name", sorted(load_providers()))
def test_a_story_that_is_told_again_is_of_another_booking(name: str) -> None:
    simulation = load_simulator(load_providers()[name])()
    once, again = (simulation.story()[0] for _ in range(2))
    assert (once.title, once.body != again.body) == (again.title, True)


def test_what_is_pasted_is_called_with_the_whole_story(bare_cli: Cli, hooked: StandIn) -> None:
    url = hooked.url + INBOUND
    ended = bare_cli("simulate", "harmony", "--port", "0", "--send", "--webhook", "env:HOOK", "--json", HOOK=url)
    introduced, *told = map(json.loads, ended.out.splitlines())
    assert ended.status == 0, ended.err
    assert introduced["connect"] == "gateway connect harmony"
    assert len(hooked.asked) == len(told) == len(load_simulator(load_providers()["harmony"])().story())
    assert {one["answer"]["status"] for one in told} == {"accepted"}
    assert all(one.key == "" for one in hooked.asked), "a vendor has no key"


def test_a_call_that_is_refused_ends_with_1(bare_cli: Cli, standin: StandIn) -> None:
    url = standin.url + INBOUND
    ended = bare_cli("simulate", "harmony", "--port", "0", "--send", "--webhook", "env:HOOK", HOOK=url)
    assert ended.status == 1
    assert "404 Not Found" in ended.out


def test_nobody_there_is_said(bare_cli: Cli) -> None:
    ended = bare_cli("simulate", "harmony", "--port", "0", "--send", "--webhook", "-", stdin="http://127.0.0.1:1/in/x")
    assert ended.status == 1
    assert "no answer" in ended.out


def test_each_line_makes_the_next_call_and_a_url_is_what_is_pasted(
    bare_cli: Cli, hooked: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "LOOK_SECONDS", 0)
    monkeypatch.setattr("gateway.cli.demo.alone.time.sleep", _ends)
    ended = bare_cli("simulate", "harmony", "--port", "0", stdin=f"\n{hooked.url}{INBOUND}\n\n\n")
    assert ended.status == 0
    assert "There is no webhook yet" in ended.out
    assert [one.path for one in hooked.asked] == [INBOUND, INBOUND]
    assert "A meeting is recorded (conversation.created) -> 200 accepted" in ended.out


def _ends(seconds: float) -> None:
    del seconds
    raise KeyboardInterrupt


def test_its_api_answers_while_it_waits_for_somebody(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def look(vendor: Vendor, *, as_json: bool) -> None:
        del as_json
        with httpx.Client(trust_env=False) as client:
            asked.append(client.get(f"{vendor.base_url}/api/webhooks").status_code)

    monkeypatch.setattr(alone, "_listen", look)
    assert bare_cli("simulate", "harmonizely", "--port", "0").status == 0
    assert asked == [401]


def test_a_provider_that_is_none_and_a_port_that_is_taken_are_said(bare_cli: Cli) -> None:
    assert "there is no provider 'nobody'" in bare_cli("simulate", "nobody").err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = bare_cli("simulate", "harmony", "--port", str(taken.getsockname()[1]))
    assert (ended.status, "take another with --port" in ended.err) == (1, True)
