"""`connect` sends what was typed, takes secrets only from where they lie, and says exactly what to do by hand."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CONNECTION, INBOUND, PROVIDER, Cli, StandIn, Terminal

SECRET = "hunter2-of-the-vendor"
STEPS = f"1. Open Settings.\n2. Paste {INBOUND}\n3. Tick every event."


@pytest.fixture(autouse=True)
def connected(standin: StandIn) -> None:
    standin.answer("POST", "/v1/connections", CONNECTION, 201)
    standin.page("/v1/providers", PROVIDER)
    standin.answer("GET", "/v1/url", {"inbound_url": INBOUND})


def sent(standin: StandIn) -> dict[str, Any]:
    (asked,) = (one for one in standin.asked if one.method == "POST")
    assert isinstance(asked.body, dict)
    return asked.body


def test_it_sends_everything_that_was_said(cli: Cli, standin: StandIn, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    ended = cli(
        "connect", "harmonizely", "--name", "Sales", "--credential", "api_key=@key", "--set", "site=simplymeet",
        "--set", "events=meetingScheduled,meetingCancelled", "--set", "signature.header=x-sig", "--set", "confirm=true",
        "--signing-secret", "env:SIGNING", "--own-url", "--no-register",
        SIGNING="eight-or-more",
    )  # fmt: skip
    assert ended.status == 0
    assert sent(standin) == {
        "provider": "harmonizely",
        "name": "Sales",
        "credentials": {"api_key": SECRET},
        "settings": {
            "site": "simplymeet",
            "events": ["meetingScheduled", "meetingCancelled"],
            "signature": {"header": "x-sig"},
            "confirm": True,
        },
        "signing_secret": "eight-or-more",
        "unsigned": False,
        "own_url": True,
        "register": False,
    }


def test_what_is_not_said_is_the_apis_default(cli: Cli, standin: StandIn) -> None:
    assert cli("connect", "meetergo").status == 0
    assert sent(standin) == {
        "provider": "meetergo",
        "credentials": {},
        "settings": {},
        "unsigned": False,
        "own_url": False,
        "register": True,
    }


def test_it_prints_the_id_the_whole_url_and_the_webhook(cli: Cli) -> None:
    out = cli("connect", "harmonizely").out
    assert str(CONNECTION["id"]) in out
    assert INBOUND in out.split()
    assert "wh-1" in out
    assert cli("connect", "harmonizely", "--json").answer == CONNECTION


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "without signatures, its calls look like those of another connection"),
        (["--unsigned"], "its provider could sign, so unsigned calls prove themselves by this URL alone"),
    ],
)
def test_a_url_of_its_own_that_nobody_asked_for_is_explained(
    cli: Cli, standin: StandIn, arguments: list[str], why: str
) -> None:
    own = INBOUND.replace("t" * 43, "o" * 43)
    standin.answer("POST", "/v1/connections", {**CONNECTION, "inbound_url": own}, 201)
    lines = cli("connect", "harmonizely", *arguments).out.splitlines()
    assert lines[lines.index(f"  inbound URL  {own}") + 1].strip() == f"(of its own: {why})"
    for said in (["--own-url"], ["--json"]):
        assert "of its own" not in cli("connect", "harmonizely", *said).out
    standin.problem("GET", "/v1/url", 403, "This key lacks a scope.")
    assert cli("connect", "harmonizely", *arguments).status == 0


def test_the_shared_url_is_not_explained(cli: Cli) -> None:
    assert "of its own" not in cli("connect", "harmonizely").out


def test_without_an_api_it_prints_exactly_what_to_paste(cli: Cli, standin: StandIn) -> None:
    by_hand = {**CONNECTION, "provider": "harmony", "remote": None, "instructions": STEPS}
    standin.answer("POST", "/v1/connections", by_hand, 201)
    out = cli("connect", "harmony").out
    assert out.endswith(f"\n\n{STEPS}\n")


def test_a_signing_secret_that_was_made_is_shown_once(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", "/v1/connections", {**CONNECTION, "signing_secret": "made-for-you"}, 201)
    assert "made-for-you" in cli("connect", "harmonizely").out


@pytest.mark.parametrize("option", ["--credential=api_key=" + SECRET, "--signing-secret=" + SECRET])
def test_a_literal_secret_is_refused_and_not_repeated(cli: Cli, standin: StandIn, option: str) -> None:
    ended = cli("connect", "harmonizely", option)
    assert ended.status == 2
    assert "a secret is never an argument" in ended.err
    assert "@FILE, - (standard input) or env:NAME" in ended.err
    assert SECRET not in ended.out + ended.err
    assert not standin.asked


def test_secrets_come_from_standard_input_once(cli: Cli, standin: StandIn) -> None:
    assert cli("connect", "harmonizely", "--credential", "api_key=-", stdin=SECRET + "\n").status == 0
    assert sent(standin)["credentials"] == {"api_key": SECRET}
    twice = cli("connect", "harmonizely", "--credential", "api_key=-", "--signing-secret", "-", stdin="x")
    assert twice.status == 2
    assert "standard input holds one value" in twice.err


def test_without_a_source_it_asks_and_shows_nothing(
    cli: Cli, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([SECRET, "a-signing-secret"])
    asked: list[str] = []

    def answer(prompt: str, *_: object) -> str:
        asked.append(prompt)
        return next(answers)

    monkeypatch.setattr("getpass.getpass", answer)
    ended = cli("connect", "harmonizely", "--credential", "api_key", "--signing-secret", stdin=Terminal())
    assert ended.status == 0
    assert sent(standin)["credentials"] == {"api_key": SECRET}
    assert sent(standin)["signing_secret"] == "a-signing-secret"
    assert [prompt.split(":")[0] for prompt in asked] == ["api_key", "--signing-secret"]
    assert SECRET not in ended.out + ended.err


def test_at_a_terminal_it_asks_for_every_required_credential(
    cli: Cli, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda *_: SECRET)
    assert cli("connect", "harmonizely", stdin=Terminal()).status == 0
    assert sent(standin)["credentials"] == {"api_key": SECRET}


def test_without_a_terminal_a_prompt_reads_a_line(cli: Cli, standin: StandIn) -> None:
    lines = f"{SECRET}\na-signing-secret\n"
    assert cli("connect", "harmonizely", "--credential", "api_key", "--signing-secret", stdin=lines).status == 0
    assert sent(standin)["credentials"] == {"api_key": SECRET}
    assert sent(standin)["signing_secret"] == "a-signing-secret"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--credential", "api_key"], "api_key: standard input is empty"),
        (["--credential", "api_key=-"], "--credential api_key: standard input is empty"),
        (["--credential", "api_key=@/dev/null"], "--credential api_key: file '/dev/null' is empty"),
        (["--credential", "api_key=@nowhere"], "--credential api_key: file 'nowhere' cannot be read: No such file"),
        (["--credential", "api_key=@."], "cannot be read"),
        (["--credential", "api_key=env:NOT_SET"], "--credential api_key: environment variable NOT_SET is not set"),
        (["--credential", "api_key="], "a secret is never an argument"),
        (["--credential", "=@x"], "write each name once"),
        (["--credential", "a=env:HOME", "--credential", "a=env:HOME"], "write each name once"),
        (["--set", "site"], "--set: write NAME=VALUE"),
        (["--set", "=x"], "--set: write NAME=VALUE"),
        (["--set", "a..b=x"], "--set: write NAME=VALUE"),
        (["--set", "a=1", "--set", "a=2"], "--set a: it is set twice"),
        (["--set", "a=1", "--set", "a.b=2"], "--set a.b: a has a value already"),
        (["--unsigned", "--signing-secret", "env:HOME"], "contradict each other"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_ends_with_2_and_asks_nothing(
    cli: Cli, standin: StandIn, arguments: list[str], message: str
) -> None:
    ended = cli("connect", "harmonizely", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not standin.asked


def test_a_file_that_is_not_text_is_no_secret(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    ended = cli("connect", "harmonizely", "--credential", "api_key=@binary")
    assert (ended.status, ended.out) == (2, "")
    assert "'binary' is not a text file" in ended.err


def test_a_refusal_is_one_line_in_the_providers_words_without_our_secret(cli: Cli, standin: StandIn) -> None:
    standin.problem("POST", "/v1/connections", 502, f"harmonizely: key {SECRET} is not valid\nat all")
    ended = cli("connect", "harmonizely", "--credential", "api_key=env:K", K=SECRET)
    assert ended.status == 1
    assert ended.err == "gateway: harmonizely: key *** is not valid at all\n"


def test_what_is_missing_is_named_with_the_option_that_gives_it(cli: Cli, standin: StandIn) -> None:
    standin.problem("POST", "/v1/connections", 400, "credentials.api_key is missing")
    ended = cli("connect", "harmonizely")
    assert ended.err == "gateway: credentials.api_key is missing: give it with --credential NAME=SOURCE\n"
    standin.problem("POST", "/v1/connections", 400, "settings.site is missing")
    assert cli("connect", "harmonizely").err == "gateway: settings.site is missing: give it with --set NAME=VALUE\n"
