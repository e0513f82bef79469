"""`gateway doctor`: what is well is said in a line, what is not comes with what to do."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import doctor
from tests.cli.conftest import CONNECTION, DELIVERY, DESTINATION, Cli, Ended, StandIn

CON, DST = CONNECTION["id"], DESTINATION["id"]
CHECK = f"/v1/connections/{CON}/check"
CHECKED = {**CONNECTION, "status": "active", "drift": [], "plan": {"steps": []}, "problem": None}
STATS: dict[str, Any] = {"receipts": {"quarantined": 0}, "deliveries": {}, "refused": {}}


@pytest.fixture
def well(standin: StandIn, tmp_path: Path) -> StandIn:
    """A gateway that is well in every way but TLS, with one connection and one destination."""
    data = tmp_path / "gateway-data"
    data.mkdir(exist_ok=True)
    for name in ("gateway.db", "secret.keys"):
        (data / name).touch()
    for path in (data, *data.iterdir()):
        path.chmod(0o700)
    standin.answer("GET", "/ready", {"status": "ready"})
    standin.answer("GET", "/v1/url", {"inbound_url": standin.url + "/in/" + "t" * 43})
    standin.answer("HEAD", "/in/" + "t" * 43, None)
    standin.answer("GET", "/v1/stats", STATS)
    standin.page("/v1/connections", CONNECTION)
    standin.answer("POST", CHECK, CHECKED)
    standin.page("/v1/destinations", {**DESTINATION, "paused": False})
    return standin


def finding(ended: Ended, about: str) -> dict[str, Any]:
    """Find what was found about something; with what is not well comes advice."""
    findings = {each["about"].split(" (")[0]: each for each in json.loads(ended.out)["findings"]}
    assert all(bool(each["advice"]) == (each["verdict"] != "ok") for each in findings.values())
    found: dict[str, Any] = findings[about]
    return found


def test_a_gateway_that_is_well_passes(cli: Cli, well: StandIn) -> None:
    del well
    (Path("gateway-data") / "gateway.url").chmod(0o600)
    (Path("gateway-data") / "admin.key").chmod(0o600)
    ended = cli("doctor")
    assert (ended.status, ended.err) == (0, "")
    assert "failed" not in ended.out
    assert "t" * 43 not in ended.out  # the inbound token is nobody's business


def test_a_gateway_without_its_store_is_not_called_stopped(cli: Cli, well: StandIn) -> None:
    well.answer("GET", "/ready", {"status": "not ready", "reason": "the database is away"}, 503)
    well.problem("GET", "/v1/url", 503, "The store cannot be used now. Try again.")
    ended = cli("doctor", "--json")
    assert "the database is away" in finding(ended, "gateway")["detail"]
    rest = finding(ended, "all else")
    assert rest["detail"].startswith("not looked at: The store cannot be used now")
    assert "serve" not in rest["advice"]


@pytest.mark.parametrize(
    ("asked", "answer", "expected"),
    [
        (("GET", "/ready"), (503, {"reason": "disk"}), ("gateway", "failed", "disk")),
        (("GET", "/ready"), (200, {"failing": {"watch": "OSError"}}), ("gateway", "warning", "watch: OSError")),
        (("HEAD", "/in/" + "t" * 43), (404, None), ("public URL", "failed", "answers 404")),
        (("GET", "/v1/stats"), (200, {**STATS, "receipts": {"quarantined": 3}}),
         ("quarantine", "warning", "3 calls")),
        (("POST", CHECK), (502, {"title": "x", "detail": "Invalid API key."}),
         ("connection Sales", "failed", "Invalid API key")),
        (("POST", CHECK), (200, {**CHECKED, "drift": [{"words": "It is gone."}]}),
         ("connection Sales", "failed", "It is gone.")),
        (("POST", CHECK), (200, {**CHECKED, "silent": True}), ("connection Sales", "warning", "silent")),
        (("GET", "/v1/destinations"), (200, {"items": [DESTINATION], "next": None}),
         ("destination crm", "warning", "410 Gone")),
    ],
)  # fmt: skip
def test_what_is_not_well_is_found(
    cli: Cli, well: StandIn, asked: tuple[str, str], answer: tuple[int, Any], expected: tuple[str, str, str]
) -> None:
    about, verdict, says = expected
    well.answers[asked] = answer
    ended = cli("doctor", "--json")
    found = finding(ended, about)
    assert found["verdict"] == verdict
    assert says in found["detail"]
    assert ended.status == (verdict == "failed")


def test_dead_and_waiting_deliveries_are_found(cli: Cli, well: StandIn) -> None:
    counts = {**STATS, "deliveries": {DST: {"dead": 2, "pending": 5}}}
    well.answer("GET", "/v1/stats", counts)
    well.page("/v1/deliveries", {**DELIVERY, "attempt": 3, "last_status": None, "last_error": "no answer"})
    found = finding(cli("doctor", "--json"), "destination crm")
    assert found["detail"] == "5 waiting; the oldest was tried 3 times: no answer; 2 deliveries are dead"
    assert "destinations test" in found["advice"]
    assert "deliveries --status dead" in found["advice"]


def test_one_destination_is_one_finding_whatever_is_wrong_with_it(cli: Cli, well: StandIn) -> None:
    well.answer("GET", "/v1/stats", {**STATS, "deliveries": {DST: {"dead": 2, "pending": 5}}})
    well.page("/v1/destinations", DESTINATION)
    found = [one for one in cli("doctor", "--json").answer["findings"] if one["about"].startswith("destination")]
    assert [one["detail"] for one in found] == ["paused (410 Gone), 5 waiting; 2 deliveries are dead"]


def test_a_destination_that_cannot_be_opened_is_to_be_removed(cli: Cli, well: StandIn) -> None:
    well.page("/v1/destinations", {**DESTINATION, "url": "", "paused_reason": "cannot be opened"})
    found = finding(cli("doctor", "--json"), "destination crm")
    assert "paused (cannot be opened)" in found["detail"]
    assert found["advice"] == f"`gateway destinations remove {DST}`"


def test_refused_calls_are_found_with_what_they_did(cli: Cli, well: StandIn) -> None:
    now, long_ago = datetime.now(UTC), datetime.now(UTC) - timedelta(days=3)
    well.answer("GET", "/v1/stats", {**STATS, "refused": {
        "token": {"count": 3, "last_at": now.isoformat()}, "signature": {"count": 9, "last_at": long_ago.isoformat()},
    }})  # fmt: skip
    refused = {"rejected": 4, "last_rejected_at": now.isoformat(), "last_received_at": long_ago.isoformat()}
    well.answer("POST", CHECK, {**CHECKED, **refused})
    ended = cli("doctor", "--json")
    assert (
        "calls to a URL that is none of this gateway's (404): 3 since the start"
        in finding(ended, "refused calls")["detail"]
    )
    assert "gateway url" in finding(ended, "refused calls")["advice"]
    found = finding(ended, "connection Sales")
    assert "refused calls that look like its own (401): 4" in found["detail"]
    assert found["advice"].startswith("they may be forged: then all is well, and nothing came in. If a provider's own")
    assert f"connections rotate {CON} --signing-secret" in found["advice"]
    assert ": 9 since" not in ended.out


def test_a_refused_signature_is_told_of_its_connection_and_not_twice(cli: Cli, well: StandIn) -> None:
    now = datetime.now(UTC).isoformat()
    well.answer("GET", "/v1/stats", {**STATS, "refused": {"signature": {"count": 2, "last_at": now}}})
    assert "fit no connection" in finding(cli("doctor", "--json"), "refused calls")["detail"]
    refused = {"rejected": 2, "last_rejected_at": now, "last_received_at": None}
    well.page("/v1/connections", {**CONNECTION, **refused})
    well.answer("POST", CHECK, {**CHECKED, **refused})
    ended = cli("doctor", "--json")
    assert finding(ended, "refused calls")["verdict"] == "ok"
    assert finding(ended, "connection Sales")["verdict"] == "warning"


def test_a_key_that_may_not_see_everything_is_told_the_scope_it_lacks(cli: Cli, well: StandIn) -> None:
    well.problem("GET", "/v1/url", 403, "This key lacks the scope config:write.")
    for path in ("/v1/connections", "/v1/destinations"):
        well.problem("GET", path, 403, "This key lacks the scope config:read.")
    ended = cli("doctor", "--json")
    found = finding(ended, "key")
    assert found["verdict"] == "warning"
    assert "without config:read not looked at: connections, destinations" in found["detail"]
    assert "without config:write not looked at: public URL" in found["detail"]
    assert "`gateway keys create --scope config:write --scope config:read`" in found["advice"]
    assert finding(ended, "quarantine")["verdict"] == "ok"
    assert "gateway serve" not in ended.out


def test_a_key_of_nobody_is_said_to_be_one(cli: Cli, well: StandIn) -> None:
    well.problem("GET", "/v1/url", 401, "This is not a key of this gateway, or it was revoked.")
    ended = cli("doctor", "--json")
    assert finding(ended, "key")["verdict"] == "failed"
    assert "gateway serve" not in ended.out


def test_files_that_others_may_read_are_found(cli: Cli, well: StandIn) -> None:
    del well
    Path("gateway-data/secret.keys").chmod(0o644)
    ended = cli("doctor", "--json")
    assert "secret.keys" in finding(ended, "data")["detail"]
    assert ended.status == 1


def test_a_missing_key_and_a_full_disk_are_found(cli: Cli, well: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    del well
    Path("gateway-data/secret.keys").unlink()
    monkeypatch.setattr(doctor, "LOW_DISK", 1 << 60)
    monkeypatch.setattr(doctor, "LITTLE_DISK", 1 << 60)
    ended = cli("doctor", "--json")
    assert (finding(ended, "keys")["verdict"], finding(ended, "disk")["verdict"]) == ("failed", "failed")


def test_a_gateway_that_does_not_answer_is_said_once(cli: Cli, well: StandIn) -> None:
    well.answers.clear()
    ended = cli("doctor", GATEWAY_URL="http://127.0.0.1:1")
    assert ended.status == 1
    assert ended.out.count("no gateway answers") == 1


def test_a_wrong_setting_is_the_first_thing_to_mend(cli: Cli) -> None:
    ended = cli("doctor", GATEWAY_PORT="nonsense")
    assert ended.status == 1
    assert "GATEWAY_PORT" in ended.out
    assert len(ended.out.splitlines()) == 2
