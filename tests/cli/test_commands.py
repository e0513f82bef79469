"""Every command asks one thing of the API, and prints what it answers."""

import json
from typing import Any

import pytest

from gateway.cli.traffic import STEP
from tests.cli.conftest import (
    API_KEY,
    CONNECTION,
    DELIVERY,
    DESTINATION,
    EVENT,
    INBOUND,
    KEY,
    PROVIDER,
    QUARANTINED,
    Cli,
    StandIn,
    Terminals,
    plain,
)

CON, DST, EVT, DLV, RCP = (
    str(item) for item in (CONNECTION["id"], DESTINATION["id"], EVENT["id"], DELIVERY["id"], QUARANTINED["receipt"])
)


def page(item: Any) -> dict[str, Any]:
    return {"items": [item], "next": "cursor"}


TRIAL = {"event": EVT, "delivered": True, "status": 204, "error": None, "duration_ms": 3}

Case = tuple[str, str, str, Any, Any]
"""The command line, the call it must make (method, path, body), and the answer it gets."""

COMMANDS: list[Case] = [
    ("url", "GET", "/v1/url", None, {"inbound_url": INBOUND}),
    ("url show", "GET", "/v1/url", None, {"inbound_url": INBOUND}),
    ("providers", "GET", "/v1/providers", None, page(PROVIDER)),
    ("connections", "GET", "/v1/connections", None, page(CONNECTION)),
    ("connections list", "GET", "/v1/connections", None, page(CONNECTION)),
    (f"connections show {CON}", "GET", f"/v1/connections/{CON}", None, CONNECTION),
    (f"connections remove {CON}", "DELETE", f"/v1/connections/{CON}", None, None),
    ("destinations", "GET", "/v1/destinations", None, page(DESTINATION)),
    (f"destinations show {DST}", "GET", f"/v1/destinations/{DST}", None, DESTINATION),
    (f"destinations pause {DST}", "POST", f"/v1/destinations/{DST}/pause", None, DESTINATION),
    (f"destinations resume {DST}", "POST", f"/v1/destinations/{DST}/resume", None, DESTINATION),
    (f"destinations remove {DST}", "DELETE", f"/v1/destinations/{DST}", None, None),
    (f"destinations test {DST}", "POST", f"/v1/destinations/{DST}/test", None, TRIAL),
    (
        f"destinations rotate-secret {DST}", "POST", f"/v1/destinations/{DST}/rotate-secret", None,
        {"secret": "whsec_new"},
    ),
    (
        "destinations add https://crm.example.com/hooks", "POST", "/v1/destinations",
        {"url": "https://crm.example.com/hooks"}, {**DESTINATION, "secret": "whsec_new"},
    ),
    (
        "destinations add https://x.example --types booking.* --types form.submitted,member.added", "POST",
        "/v1/destinations", {"url": "https://x.example", "types": ["booking.*", "form.submitted", "member.added"]},
        {**DESTINATION, "secret": "whsec_new"},
    ),
    ("events", "GET", "/v1/events", None, page(EVENT)),
    (f"events show {EVT}", "GET", f"/v1/events/{EVT}", None, EVENT),
    (f"events replay {EVT}", "POST", f"/v1/events/{EVT}/replay", {}, {"deliveries": [DLV]}),
    ("deliveries", "GET", "/v1/deliveries", None, page(DELIVERY)),
    (f"deliveries show {DLV}", "GET", f"/v1/deliveries/{DLV}", None, DELIVERY),
    (f"deliveries retry {DLV}", "POST", f"/v1/deliveries/{DLV}/retry", None, DELIVERY),
    ("deliveries retry --status dead", "POST", "/v1/deliveries/retry", {"status": "dead"}, {"retried": 3}),
    (
        f"deliveries retry --status pending --destination {DST}", "POST", "/v1/deliveries/retry",
        {"status": "pending", "destination": DST}, {"retried": 3},
    ),
    ("quarantine", "GET", "/v1/quarantine", None, page(QUARANTINED)),
    (f"quarantine show {RCP}", "GET", f"/v1/quarantine/{RCP}", None, QUARANTINED),
    (f"quarantine retry {RCP}", "POST", f"/v1/quarantine/{RCP}/retry", None, {"status": "accepted"}),
    (
        "quarantine retry --all", "POST", "/v1/quarantine/retry", {"limit": STEP, "after": None},
        {"retried": 1, "quarantined": 0, "next": None},
    ),
    (f"quarantine discard {RCP}", "DELETE", f"/v1/quarantine/{RCP}", None, None),
    ("keys", "GET", "/v1/keys", None, page(API_KEY)),
    (
        "keys create --scope events:read --scope events:replay", "POST", "/v1/keys",
        {"scopes": ["events:read", "events:replay"]}, {**API_KEY, "key": "gwk_new"},
    ),
    ("keys revoke key_1", "DELETE", "/v1/keys/key_1", None, None),
]  # fmt: skip


@pytest.mark.parametrize("case", COMMANDS, ids=[c[0] for c in COMMANDS])
def test_a_command_asks_the_api_and_prints_its_answer(cli: Cli, standin: StandIn, case: Case) -> None:
    line, method, path, body, answer = case
    standin.answer(method, path, answer, 200 if answer is not None else 204)
    ended = cli(*line.split(), "--json")
    assert (ended.status, ended.err) == (0, "")
    assert ended.answer == (answer if answer is not None else {})
    assert [(one.method, one.path, one.key, one.body) for one in standin.asked] == [(method, path, KEY, body)]


def test_a_quarantined_call_is_shown_with_what_it_means_and_what_to_do_next(cli: Cli, standin: StandIn) -> None:
    standin.answer("GET", f"/v1/quarantine/{RCP}", {**QUARANTINED, "reason": "not_understood: no id - at `$.id`"})
    shown = cli("quarantine", "show", RCP).out
    assert "reason       not_understood: no id - at `$.id`\n" in shown
    assert "why         The provider's plugin expects something else: no id - at `$.id`.\n" in shown
    assert "what to do  Calls like this are new to the plugin" in shown
    for command in (f"show {RCP} --raw", f"retry {RCP}", f"discard {RCP}"):
        assert f"gateway quarantine {command}\n" in shown


def test_a_call_that_stays_in_quarantine_is_a_failure_with_its_reason(cli: Cli, standin: StandIn) -> None:
    still = {"status": "quarantined", "receipt": RCP, "events": [], "reason": "not_understood: no id - at `$.id`"}
    standin.answer("POST", f"/v1/quarantine/{RCP}/retry", still)
    ended = cli("quarantine", "retry", RCP)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith(f"gateway: {RCP} (not_understood: no id - at `$.id`) is still not understood: ")
    ended = cli("quarantine", "retry", RCP, "--json")
    assert (ended.status, json.loads(ended.out)) == (1, still)


def test_all_in_quarantine_are_retried_in_steps_whose_sums_are_told(cli: Cli, standin: StandIn) -> None:
    steps = [{"retried": 2, "quarantined": 0, "next": "rcp_2"}, {"retried": 1, "quarantined": 1, "next": None}]
    answers = iter([*steps, *steps])
    standin.answer("POST", "/v1/quarantine/retry", lambda _: next(answers))
    ended = cli("quarantine", "retry", "--all", "--json")
    assert json.loads(ended.out) == {"retried": 3, "quarantined": 1, "next": None}
    assert (ended.status, ended.err) == (
        1, "gateway: 1 of 3 are still not understood: `gateway quarantine show ID` says what to do\n"
    )  # fmt: skip
    assert [one.body["after"] for one in standin.asked] == [None, "rcp_2"]


@pytest.mark.parametrize("case", COMMANDS, ids=[c[0] for c in COMMANDS])
def test_for_people_it_prints_lines_that_fit_their_terminal(
    cli: Cli, standin: StandIn, terminal: Terminals, case: Case
) -> None:
    line, method, path, _, answer = case
    standin.answer(method, path, answer, 200 if answer is not None else 204)
    terminal(80)
    ended = cli(*line.split())
    assert ended.status == 0
    shown = plain(ended.out)
    assert "".join(shown).strip()
    assert "{" not in ended.out
    assert all(len(one) <= 80 for one in shown if INBOUND not in one)
    for secret in ("whsec_new", "gwk_new"):
        assert (secret in ended.out) == (secret in str(answer))


@pytest.mark.parametrize("case", COMMANDS, ids=[c[0] for c in COMMANDS])
def test_for_programs_it_folds_nothing_and_colours_nothing(cli: Cli, standin: StandIn, case: Case) -> None:
    line, method, path, _, answer = case
    standin.answer(method, path, answer, 200 if answer is not None else 204)
    ended = cli(*line.split())
    assert ended.status == 0
    assert "\x1b" not in ended.out
    assert all(one == one.rstrip() for one in ended.out.splitlines())
    if isinstance(answer, dict) and "items" in answer:
        assert len(ended.out.splitlines()) == 2


LONG = {**QUARANTINED, "reason": "$.data." + "a word and " * 40 + "the end"}


def test_in_a_pipe_a_line_holds_all_of_an_item(cli: Cli, standin: StandIn) -> None:
    url = "https://crm.example.com/" + "hooks/" * 30
    standin.page("/v1/quarantine", LONG)
    standin.page("/v1/destinations", {**DESTINATION, "url": url})
    standin.answer("GET", f"/v1/destinations/{DST}", {**DESTINATION, "url": url})
    standin.page("/v1/deliveries", {**DELIVERY, "due_at": "2026-03-01T10:00:00Z"})
    assert cli("quarantine").out.splitlines()[1].endswith(str(LONG["reason"]))
    assert url in cli("destinations").out.split()
    assert url in cli("destinations", "show", DST).out.split()
    assert {DLV, EVT, DST, "10:00:00Z", EVENT["type"]} <= set(cli("deliveries").out.splitlines()[1].split())


def test_on_a_terminal_types_and_urls_are_whole_and_free_text_gives_way(
    cli: Cli, standin: StandIn, terminal: Terminals
) -> None:
    standin.page("/v1/events", {**EVENT, "type": "booking.rescheduled"})
    standin.page("/v1/destinations", DESTINATION)
    standin.page("/v1/quarantine", LONG)
    terminal(80)
    assert {EVT, "booking.rescheduled", "harmonizely"} <= set(" ".join(plain(cli("events").out)).split())
    assert {DST, DESTINATION["url"]} <= set(" ".join(plain(cli("destinations").out)).split())
    shown = plain(cli("quarantine").out)
    assert len(shown) > 2
    assert str(LONG["reason"]).split() == [word for one in shown[1:] for word in one[52:].split()]


def test_a_type_that_does_not_fit_is_broken_at_its_dot(cli: Cli, standin: StandIn, terminal: Terminals) -> None:
    standin.page("/v1/events", EVENT)
    terminal(80)
    words = " ".join(plain(cli("events").out)).split()
    assert EVT in words
    assert {"booking.", "attendee_removed"} <= set(words)


def test_deliveries_show_more_where_there_is_room(cli: Cli, standin: StandIn, terminal: Terminals) -> None:
    standin.page("/v1/deliveries", DELIVERY)
    seen: list[list[str]] = []
    for columns in (80, 130, 180):
        terminal(columns)
        shown = plain(cli("deliveries").out)
        assert max(map(len, shown)) <= columns
        seen.append([name for name in ("EVENT", "DESTINATION", "DUE") if name in shown[0].replace("EVENT TYPE", "")])
    assert seen == [[], ["EVENT", "DUE"], ["EVENT", "DESTINATION", "DUE"]]


def test_instructions_are_the_lines_that_they_are(cli: Cli, standin: StandIn) -> None:
    steps = "1. Open Settings.\n2. Paste the URL.\n3. Tick \x1b[31mall."
    standin.answer("GET", f"/v1/connections/{CON}", {**CONNECTION, "instructions": steps})
    standin.answer("GET", f"/v1/connections/{CON}/latest-call", None)
    out = cli("connections", "show", CON).out
    assert out.endswith("\n\n1. Open Settings.\n2. Paste the URL.\n3. Tick \\x1b[31mall.\nNo call has come yet.\n")
    assert "instructions" not in out


def test_a_replay_that_reaches_nobody_says_so(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", f"/v1/events/{EVT}/replay", {"deliveries": []}, 202)
    ended = cli("events", "replay", EVT)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"No destination takes {EVT}: nothing is delivered.\n")
    assert "Replayed" not in ended.out


@pytest.mark.parametrize(
    "line",
    [
        "--json connections list",
        "connections --json list",
        "connections list --json",
        "connections --json",
        "--json connections",
    ],
)
def test_json_may_stand_before_and_after_the_subcommand(cli: Cli, standin: StandIn, line: str) -> None:
    standin.page("/v1/connections", CONNECTION)
    assert cli(*line.split()).answer["items"] == [CONNECTION]


def test_ids_are_never_broken_or_cut(cli: Cli, standin: StandIn) -> None:
    for path, item, identity in (
        ("connections", CONNECTION, CON), ("destinations", DESTINATION, DST), ("events", EVENT, EVT),
        ("deliveries", DELIVERY, DLV), ("quarantine", QUARANTINED, RCP),
    ):  # fmt: skip
        standin.page(f"/v1/{path}", item)
        assert identity in cli(path).out.split()


def test_what_a_destination_is_to_get_reaches_the_api(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", "/v1/destinations", {**DESTINATION, "secret": "whsec_x"}, 201)
    line = "destinations add http://x.example/h --format cloudevents --profile thin --rate 2.5 --provider meetergo"
    assert cli(*line.split(), "--name", "CRM").status == 0
    assert standin.asked[-1].body == {
        "url": "http://x.example/h", "format": "cloudevents", "profile": "thin", "rate": 2.5, "name": "CRM",
        "providers": ["meetergo"],
    }  # fmt: skip


def test_a_key_has_a_name_to_know_it_again(cli: Cli, standin: StandIn) -> None:
    standin.answer("POST", "/v1/keys", {**API_KEY, "key": "gwk_new"}, 201)
    cli("keys", "create", "--scope", "events:read", "--name", "warehouse")
    assert standin.asked[-1].body == {"scopes": ["events:read"], "name": "warehouse"}


def test_filters_and_pages_reach_the_api(cli: Cli, standin: StandIn) -> None:
    standin.page("/v1/events")
    standin.page("/v1/deliveries")
    cli("events", "--types", "booking.*,form.submitted", "--provider", "meetergo", "--limit", "5", "--after", EVT)
    cli("deliveries", "list", "--status", "dead", "--destination", DST)
    cli("deliveries", "--status", "pending")
    assert [one.query for one in standin.asked] == [
        {"types": ["booking.*,form.submitted"], "provider": ["meetergo"], "limit": ["5"], "after": [EVT]},
        {"status": ["dead"], "destination": [DST]},
        {"status": ["pending"]},
    ]


def test_the_last_page_is_the_end_also_when_it_is_full(cli: Cli, standin: StandIn) -> None:
    def answer(query: dict[str, list[str]]) -> Any:
        return {"items": [EVENT, EVENT] if query["after"] == ["0"] else [], "next": "2"}

    standin.answer("GET", "/v1/events", answer)
    ended = cli("events", "--limit", "2", "--after", "0")
    assert (ended.status, ended.err) == (0, "")


def test_a_full_page_says_how_to_go_on(cli: Cli, standin: StandIn) -> None:
    standin.page("/v1/deliveries", DELIVERY, DELIVERY, next_="c2")
    assert cli("deliveries", "--limit", "2").err == "more: --after c2\n"
    assert cli("deliveries", "--limit", "3").err == ""
    assert cli("deliveries", "--limit", "2", "--json").err == ""


@pytest.mark.parametrize("group", ["connections", "destinations", "events", "deliveries", "quarantine", "keys"])
def test_an_empty_list_is_said_in_words_and_empty_in_json(cli: Cli, standin: StandIn, group: str) -> None:
    standin.page(f"/v1/{group}")
    assert cli(group).out.strip().endswith((".", "called.", "adds one.", "connected."))
    assert cli(group, "--json").answer == {"items": [], "next": None}


def test_an_id_is_one_segment_of_a_path(cli: Cli, standin: StandIn) -> None:
    assert cli("events", "show", "a/b?c#d").status == 1
    assert standin.asked[0].path == "/v1/events/a%2Fb%3Fc%23d"
    assert cli("events", "show", "").status == 2
    assert cli("events", "show", "..").status == 2


def test_a_test_that_was_not_delivered_fails(cli: Cli, standin: StandIn) -> None:
    trial = {**TRIAL, "delivered": False, "status": None, "error": "connection refused"}
    standin.answer("POST", f"/v1/destinations/{DST}/test", trial)
    ended = cli("destinations", "test", DST, "--json")
    assert (ended.status, ended.answer) == (1, trial)
    assert ended.err == "gateway: not delivered: connection refused: put the consumer right and test again\n"


def test_a_removal_that_goes_on_says_so(cli: Cli, standin: StandIn) -> None:
    standin.answer("DELETE", f"/v1/connections/{CON}", None, 202)
    assert "takes no calls any more" in cli("connections", "remove", CON).out
    assert cli("connections", "remove", CON, "--json").answer == {}


def test_what_was_given_up_or_removed_is_said(cli: Cli, standin: StandIn) -> None:
    standin.answer("DELETE", "/v1/keys/key_1", None, 204)
    assert cli("keys", "revoke", "key_1").out == "Revoked key_1.\n"
    assert len(standin.asked) == 1
