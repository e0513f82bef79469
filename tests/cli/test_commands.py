"""Every command asks one thing of the API, and prints what it answers."""

from typing import Any

import pytest

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
    ("quarantine", "GET", "/v1/quarantine", None, page(QUARANTINED)),
    (f"quarantine show {RCP}", "GET", f"/v1/quarantine/{RCP}", None, QUARANTINED),
    (f"quarantine retry {RCP}", "POST", f"/v1/quarantine/{RCP}/retry", None, {"status": "accepted"}),
    ("quarantine retry --all", "POST", "/v1/quarantine/retry", {}, {"accepted": 1, "quarantined": 0}),
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


@pytest.mark.parametrize("case", COMMANDS, ids=[c[0] for c in COMMANDS])
def test_for_people_it_prints_lines_of_at_most_80_columns(cli: Cli, standin: StandIn, case: Case) -> None:
    line, method, path, _, answer = case
    standin.answer(method, path, answer, 200 if answer is not None else 204)
    ended = cli(*line.split())
    assert ended.status == 0
    assert ended.out.strip()
    assert "{" not in ended.out
    assert "\x1b" not in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    for secret in ("whsec_new", "gwk_new"):
        assert (secret in ended.out) == (secret in str(answer))


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


def test_a_full_page_says_how_to_go_on(cli: Cli, standin: StandIn) -> None:
    standin.page("/v1/events", EVENT, EVENT, next_="c2")
    assert cli("events", "--limit", "2").err == "more: --after c2\n"
    assert cli("events", "--limit", "3").err == ""
    assert cli("events", "--limit", "2", "--json").err == ""


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
