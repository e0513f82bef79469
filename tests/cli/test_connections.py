"""What an operator reads about a connection's webhook: what is, what is to be done, who has to say something."""

from typing import Any

import pytest

from tests.cli.conftest import CONNECTION, INBOUND, Cli, StandIn

CON = CONNECTION["id"]
PATH = f"/v1/connections/{CON}"
FINE: dict[str, Any] = {
    **CONNECTION, "problem": None, "verification": "signature", "replaced": [], "missed_since": None, "drift": [],
    "plan": {"kind": "nothing", "steps": [], "decide": None, "left": []}, "done": [], "dry_run": False,
}  # fmt: skip
STEPS = [
    {"verb": "create", "webhook": None, "words": "Make a webhook."},
    {"verb": "delete", "webhook": "wh-1", "words": "Delete wh-1: once the new one is there."},
]
DRIFTED = {
    **FINE,
    "drift": [{"what": "events", "words": "wh-1 calls for other events."}],
    "plan": {"kind": "replace", "steps": STEPS, "decide": None, "left": ["wh-9 calls this URL: left alone."]},
}


def test_a_webhook_that_is_as_it_should_be_is_one_line(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/check", FINE)
    assert (
        cli("connections", "check", CON).out == "Sales (harmonizely) is waiting: its webhook wh-1 is as it should be.\n"
    )


def test_a_plan_is_what_was_found_what_is_to_do_and_how_to_do_it(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/check", DRIFTED)
    assert cli("connections", "check", CON).out.splitlines() == [
        "Sales (harmonizely) is waiting.",
        "Found:",
        "  - wh-1 calls for other events.",
        "To do:",
        "  1. Make a webhook.",
        "  2. Delete wh-1: once the new one is there.",
        "Left alone:",
        "  - wh-9 calls this URL: left alone.",
        f"Nothing was changed. `gateway connections repair {CON}` does it.",
    ]


def test_what_the_vendor_said_to_the_latest_repair_stands_below_the_plan(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/check", {**DRIFTED, "status": "needs_repair", "problem": "The account is full."})
    lines = cli("connections", "check", CON).out.splitlines()
    assert lines[lines.index("The latest repair ended with:") + 1] == "  - The account is full."


def test_what_a_person_has_to_say_comes_before_what_follows_from_it(cli: Cli, standin: StandIn) -> None:
    plan = {**DRIFTED["plan"], "decide": "`repair` says that this gateway moved."}
    standin.answer("POST", f"{PATH}/check", {**DRIFTED, "status": "needs_repair", "plan": plan, "problem": "x"})
    lines = cli("connections", "check", CON).out.splitlines()
    assert lines[3:6] == ["To decide:", "  - `repair` says that this gateway moved.", "Then:"]


def test_what_was_done_is_said(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/repair", {**DRIFTED, "done": ["Made wh-2.", "Deleted wh-1."]})
    out = cli("connections", "repair", CON).out
    assert "Done:\n  - Made wh-2.\n  - Deleted wh-1.\n" in out
    assert "Nothing was changed" not in out


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ([], {"dry_run": False}),
        (["--dry-run"], {"dry_run": True}),
        (["--move"], {"dry_run": False, "decision": "move"}),
        (["--beside", "--dry-run"], {"dry_run": True, "decision": "beside"}),
    ],
)
def test_what_a_person_decides_is_sent(cli: Cli, standin: StandIn, options: list[str], body: Any) -> None:
    standin.answer("POST", f"{PATH}/repair", FINE)
    assert cli("connections", "repair", CON, *options, "--json").answer == FINE
    assert standin.asked[-1].body == body


def test_a_new_secret_is_shown_and_until_when_the_old_one_is_accepted(cli: Cli, standin: StandIn) -> None:
    old = {"kind": "secret", "since": "2026-03-01T09:00:00Z", "retires_at": "2026-03-02T09:00:00Z"}
    standin.answer(
        "POST", f"{PATH}/rotate", {**DRIFTED, "done": ["Made wh-2."], "signing_secret": "new", "replaced": [old]}
    )
    out = cli("connections", "rotate", CON).out
    assert "The new secret: new  (not shown again)" in out
    assert "The secret of before 2026-03-01 09:00:00Z is accepted until 2026-03-02 09:00:00Z." in out
    body = {"inbound_url": False, "finish": False, "dry_run": False}
    assert standin.asked[-1].body == body


def test_what_is_pasted_again_is_printed_with_the_steps(cli: Cli, standin: StandIn) -> None:
    old = {"kind": "inbound_url", "since": "2026-03-01T09:00:00Z", "retires_at": None}
    plan = {"kind": "replace", "steps": [{"verb": "update", "webhook": None, "words": "Put it in."}], "decide": None}
    answer = {
        **FINE,
        "remote": None,
        "plan": {**plan, "left": []},
        "replaced": [old],
        "instructions": "1. Open\n2. Paste",
    }
    standin.answer("POST", f"{PATH}/rotate", answer)
    lines = cli("connections", "rotate", CON, "--inbound-url").out.splitlines()
    assert f"The URL to call: {INBOUND}" in lines
    assert lines[-4:] == [
        "1. Open", "2. Paste", "", "The URL of before 2026-03-01 09:00:00Z is accepted until you say `--finish`."
    ]  # fmt: skip


def test_a_dry_run_says_what_would_be_done(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/rotate", {**DRIFTED, "dry_run": True})
    standin.answer("POST", f"{PATH}/repair", {**DRIFTED, "dry_run": True})
    for verb in ("rotate", "repair"):
        lines = cli("connections", verb, CON, "--dry-run").out.splitlines()
        assert lines[-1] == "Nothing was changed. Without --dry-run this is done."


def test_a_secret_comes_from_a_source_and_is_no_argument(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"{PATH}/rotate", FINE)
    cli("connections", "rotate", CON, "--signing-secret", "env:NEW", NEW="eight or more")
    assert standin.asked[-1].body["signing_secret"] == "eight or more"
    assert cli("connections", "rotate", CON, "--signing-secret", "plain").status == 2


def test_forgetting_a_connection_says_what_is_left(cli: Cli, standin: StandIn) -> None:
    standin.answer("DELETE", PATH, None, 204)
    assert "delete it in the provider's settings" in cli("connections", "remove", CON, "--force").out
    assert standin.asked[-1].query == {"force": ["true"]}


def test_a_removal_that_goes_on_names_the_way_out(cli: Cli, standin: StandIn) -> None:
    standin.answer("DELETE", PATH, None, 202)
    assert f"`gateway connections remove {CON} --force` forgets it" in cli("connections", "remove", CON).out


# --- the one URL ---------------------------------------------------------------------------------------------------

OLDER = {
    "since": "2026-03-01T09:00:00Z", "waiting": ["con_1"], "by_hand": ["con_2"], "last_called_at": None,
    "retires_at": None,
}  # fmt: skip


def test_a_url_that_was_renewed_says_what_the_old_one_waits_for(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", "/v1/url/rotate", {"inbound_url": INBOUND, "older": [OLDER]})
    assert cli("url", "rotate").out.splitlines() == [
        INBOUND,
        "The URL of before 2026-03-01 09:00:00Z is still accepted.",
        "  being moved: con_1",
        "  paste the new URL for: con_2 (not called since)",
    ]
    assert standin.asked[-1].body == {"finish": False, "dry_run": False}


def test_when_the_old_url_ends_is_said(cli: Cli, standin: StandIn) -> None:
    older = {**OLDER, "waiting": [], "last_called_at": "2026-03-01T10:00:00Z", "retires_at": "2026-03-08T10:00:00Z"}
    standin.answer("GET", "/v1/url", {"inbound_url": INBOUND, "older": [older]})
    out = cli("url").out
    assert "(last called 2026-03-01 10:00:00Z)" in out
    assert "ends 2026-03-08 10:00:00Z, or with `gateway url rotate --finish`" in out


def test_a_dry_run_of_a_new_url_says_that_it_was_one(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", "/v1/url/rotate", {"inbound_url": INBOUND, "older": []})
    assert "Nothing was changed." in cli("url", "rotate", "--dry-run").out
    assert standin.asked[-1].body["dry_run"] is True
