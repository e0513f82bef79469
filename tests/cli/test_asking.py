"""`connections reconcile`, `change` and `latest-call`: what is sent, what is shown, and nothing secret in either."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.cli import asking
from gateway.cli.progress import ANEW
from tests.cli.conftest import CONNECTION, Cli, StandIn

CON = CONNECTION["id"]
PATH = f"/v1/connections/{CON}"
LOOK: dict[str, Any] = {
    "connection": CON, "status": "done", "reason": "asked", "since": "2026-03-01T09:30:00Z",
    "begun_at": "2026-03-02T09:30:00Z", "finished_at": "2026-03-02T09:31:00Z", "seen": 120, "total": 120, "missed": 3,
    "held": 0, "unread": 0, "covered_until": "2026-03-02T09:30:00Z", "detail": None,
}  # fmt: skip
CALL: dict[str, Any] = {
    "receipt": "rcp_" + "e" * 32, "received_at": "2026-03-01T09:30:00Z", "status": "understood", "reason": None,
    "recognised": True, "size": 17, "headers": [{"name": "x-sig", "shape": "64 hex characters"}],
    "body": [{"name": "data.email", "shape": "text"}], "signed": None, "misfit": None,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "LOOK_SECONDS", 0.0)


def sent(standin: StandIn, method: str) -> Any:
    (asked,) = (one for one in standin.asked if one.method == method)
    return asked.body


def test_reconcile_says_what_was_missed(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/reconcile", LOOK)
    ended = cli("connections", "reconcile", CON)
    assert (ended.status, ended.err) == (0, "")
    assert sent(standin, "POST") is None
    assert "120 of 120 bookings looked at, 3 events were missing, since 2026-03-01 09:30:00Z." in ended.out
    assert "duplicate" in ended.out
    standin.answer("POST", f"{PATH}/reconcile", LOOK | {"held": 2, "unread": 1, "missed": 0})
    out = cli("connections", "reconcile", CON).out
    assert "2 bookings were left out" in out
    assert "1 bookings could not be read" in out


def test_a_long_look_shows_how_far_it_is(cli: Cli, standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    running = LOOK | {"status": "running", "finished_at": None}
    steps = iter([running | {"seen": 50}, running | {"seen": 90}, LOOK])
    standin.answer("POST", f"{PATH}/reconcile", running | {"seen": 10, "total": None}, 202)
    standin.answer("GET", f"{PATH}/reconcile", lambda _: next(steps))
    ended = cli("connections", "reconcile", CON)
    shown = [words.split(" bookings")[0] for words in ended.err.split(ANEW)[1:]]
    assert shown == ["10", "50 of 120", "90 of 120"]
    assert ended.out.startswith("120 of 120")


def test_with_json_the_look_is_printed_as_it_ends(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/reconcile", LOOK | {"status": "running"}, 202)
    standin.answer("GET", f"{PATH}/reconcile", LOOK)
    ended = cli("connections", "reconcile", CON, "--json")
    assert (ended.answer, ended.err) == (LOOK, "")


@pytest.mark.parametrize(("given", "ago"), [("90m", 5400), ("12h", 43_200), ("3d", 259_200), ("30s", 30)])
def test_since_may_be_how_long_ago(cli: Cli, standin: StandIn, given: str, ago: int) -> None:
    standin.answer("POST", f"{PATH}/reconcile", LOOK)
    cli("connections", "reconcile", CON, "--since", given)
    since = datetime.fromisoformat(sent(standin, "POST")["since"])
    assert abs(datetime.now(UTC) - timedelta(seconds=ago) - since) < timedelta(seconds=60)


def test_since_is_a_time_with_its_offset(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/reconcile", LOOK)
    cli("connections", "reconcile", CON, "--since", "2026-03-01T10:30:00+01:00")
    assert sent(standin, "POST") == {"since": "2026-03-01T09:30:00Z"}
    for wrong in ("2026-03-01T10:30:00", "yesterday", "3y", "9999999d", ""):
        ended = cli("connections", "reconcile", CON, "--since", wrong)
        assert ended.status == 2
        assert "with its offset" in ended.err


def test_a_provider_that_does_not_answer_is_a_failure_that_says_what_happens_next(cli: Cli, standin: StandIn) -> None:
    waiting = LOOK | {"status": "waiting", "finished_at": None, "detail": "ApiUnavailable: HTTP 429"}
    standin.answer("POST", f"{PATH}/reconcile", waiting, 202)
    ended = cli("connections", "reconcile", CON)
    assert ended.status == 1
    assert "(ApiUnavailable: HTTP 429): the gateway goes on by itself" in ended.err


def test_a_provider_that_cannot_be_asked_says_so(cli: Cli, standin: StandIn) -> None:
    standin.problem("POST", f"{PATH}/reconcile", 409, "Harmony cannot be asked for bookings.")
    ended = cli("connections", "reconcile", CON)
    assert (ended.status, ended.out) == (1, "")
    assert "Harmony cannot be asked for bookings" in ended.err


def test_the_latest_call_is_shown_by_its_shape(cli: Cli, standin: StandIn) -> None:
    standin.answer("GET", f"{PATH}/latest-call", CALL)
    out = cli("connections", "latest-call", CON).out
    assert "The latest call: 2026-03-01 09:30:00Z, 17 bytes, understood." in out
    assert "x-sig" in out
    assert "64 hex characters" in out
    assert "data.email" in out
    unknown = {"recognised": False, "status": "quarantined", "reason": "unrecognised", "body": [], "headers": []}
    standin.answer("GET", f"{PATH}/latest-call", CALL | unknown | {"signed": False, "misfit": "header: no \x1b[31m"})
    out = cli("connections", "latest-call", CON).out
    assert "which nobody recognised" in out
    assert "It is not: header: no \\x1b[31m." in out
    assert "neither JSON nor a form" in out
    standin.answer("GET", f"{PATH}/latest-call", None)
    assert cli("connections", "latest-call", CON).out == "No call has come yet.\n"


def test_of_a_connection_that_is_set_up_by_hand_show_has_the_latest_call(cli: Cli, standin: StandIn) -> None:
    standin.answer("GET", PATH, CONNECTION | {"instructions": "1. Paste."})
    standin.answer("GET", f"{PATH}/latest-call", CALL)
    out = cli("connections", "show", CON).out
    assert out.index("1. Paste.") < out.index("The latest call") < out.index("x-sig")
    standin.answer("GET", PATH, CONNECTION)
    assert "latest call" not in cli("connections", "show", CON).out


def test_a_change_sends_what_was_said_and_takes_secrets_from_where_they_lie(cli: Cli, standin: StandIn) -> None:
    standin.answer("PATCH", PATH, CONNECTION)
    standin.answer("GET", f"{PATH}/latest-call", CALL | {"signed": True})
    ended = cli(
        "connections", "change", CON, "--name", "New", "--credential", "api_key=env:KEY", "--set", "confirm=try",
        "--set", "signature.header=x-sig", "--unset", "events", "--signing-secret", "-",
        stdin="hunter2-of-the-vendor\n", KEY="key-of-theirs",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    assert sent(standin, "PATCH") == {
        "name": "New",
        "credentials": {"api_key": "key-of-theirs"},
        "settings": {"confirm": "try", "signature": {"header": "x-sig"}, "events": None},
        "signing_secret": "hunter2-of-the-vendor",
    }
    assert "The latest call is signed with it" in ended.out
    assert "hunter2" not in ended.out + ended.err


def test_a_change_that_does_not_fit_the_latest_call_says_which_part(cli: Cli, standin: StandIn) -> None:
    standin.problem("PATCH", PATH, 409, "Nothing was changed: encoding: `x-sig` holds 64 hex characters, not base64.")
    ended = cli("connections", "change", CON, "--signing-secret", "env:S", S="hunter2-of-the-vendor")
    assert ended.status == 1
    assert "holds 64 hex characters, not base64" in ended.err
    assert "hunter2" not in ended.err


def test_a_credential_that_the_provider_refuses_is_told_and_no_success(cli: Cli, standin: StandIn) -> None:
    problem = "Acme answered: Unauthorized. Check `credentials`: the key may be mistyped."
    standin.answer("PATCH", PATH, {**CONNECTION, "status": "broken", "problem": problem})
    ended = cli("connections", "change", CON, "--credential", "api_key=env:KEY", KEY="mistyped")
    assert ended.status == 1
    assert f"its provider does not take it: {problem}" in ended.err
    assert cli("connections", "change", CON, "--name", "New").status == 0


def test_a_change_of_nothing_is_wrong_usage(cli: Cli) -> None:
    ended = cli("connections", "change", CON)
    assert ended.status == 2
    assert "say what to change" in ended.err
