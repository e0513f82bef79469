"""Commands find their gateway, and end with one line that says what to do when they cannot."""

import socket
from pathlib import Path

import pytest

from tests.cli.conftest import KEY, Cli, StandIn


def test_the_data_directory_says_where_the_gateway_is(cli: Cli, standin: StandIn) -> None:
    standin.page("/v1/keys")
    assert cli("keys").status == 0
    assert standin.asked[0].key == KEY


def test_options_and_environment_come_before_it(bare_cli: Cli, standin: StandIn) -> None:
    standin.page("/v1/keys")
    assert bare_cli("keys", GATEWAY_URL=standin.url, GATEWAY_KEY="from-environment").status == 0
    assert bare_cli("--url", standin.url, "keys", "list", "--key", "env:K", K="from-source").status == 0
    assert bare_cli("keys", "--url", standin.url, "--key", "-", stdin="from-stdin\n").status == 0
    assert [one.key for one in standin.asked] == ["from-environment", "from-source", "from-stdin"]


def test_a_toml_file_can_say_it(bare_cli: Cli, standin: StandIn, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")
    (tmp_path / "gateway.toml").write_text(f'url = "{standin.url}"\nkey_file = "{tmp_path / "key"}"\n')
    standin.page("/v1/keys")
    assert bare_cli("--config", "gateway.toml", "keys").status == 0
    assert standin.asked[0].key == "from-file"


def test_a_key_as_an_argument_works_and_is_warned_of(bare_cli: Cli, standin: StandIn) -> None:
    standin.page("/v1/keys")
    ended = bare_cli("keys", "--url", standin.url, "--key", "gwk_literal")
    assert ended.status == 0
    assert "use --key @FILE or GATEWAY_KEY" in ended.err
    assert "gwk_literal" not in ended.out + ended.err


def test_where_nothing_runs_it_says_how_to_start(bare_cli: Cli) -> None:
    ended = bare_cli("connections")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (
        "gateway: no gateway runs on gateway-data: start one with `gateway serve`, "
        "or name another with --url or GATEWAY_URL\n"
    )


def test_where_it_ran_once_it_says_so_too(bare_cli: Cli, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (tmp_path / "gateway-data").mkdir()
    (tmp_path / "gateway-data" / "gateway.url").write_text(f"http://127.0.0.1:{port}\n")
    (tmp_path / "gateway-data" / "admin.key").write_text("k\n")
    ended = bare_cli("connections")
    assert ended.status == 1
    assert f"no gateway answers at http://127.0.0.1:{port}" in ended.err
    assert "`gateway serve`" in ended.err
    assert ended.err.count("\n") == 1


def test_the_admin_key_of_this_machine_is_sent_to_no_other(bare_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "gateway-data").mkdir()
    (tmp_path / "gateway-data" / "admin.key").write_text("k\n")
    ended = bare_cli("connections", "--url", "http://gateway.example")
    assert ended.status == 1
    assert "no key: give one with --key or GATEWAY_KEY" in ended.err


def test_a_key_that_may_not_be_read_is_named(bare_cli: Cli, tmp_path: Path, standin: StandIn) -> None:
    (tmp_path / "gateway-data" / "admin.key").mkdir(parents=True)
    ended = bare_cli("connections", "--url", standin.url)
    assert ended.status == 1
    assert "admin.key cannot be read" in ended.err


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, ": give a key with --key or GATEWAY_KEY"),
        (403, ": use a key with that scope (`gateway keys create --scope SCOPE` makes one)"),
        (404, ": `gateway events list` shows what there is"),
        (409, ""),
        (503, ": try again in a moment"),
    ],
)
def test_a_refusal_is_told_in_its_own_words_with_the_next_step(
    cli: Cli, standin: StandIn, status: int, advice: str
) -> None:
    standin.problem("GET", "/v1/events/evt_1", status, "What the\ngateway \x1b[31msays.")
    ended = cli("events", "show", "evt_1", "--json")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == f"gateway: What the gateway \\x1b[31msays{advice}\n"


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"\xff"), (200, b"[" * 100_000), (404, b"<html>"), (404, b"[]"), (500, b"{}"), (500, b"")],
)
def test_an_answer_that_is_no_gateways_says_so(cli: Cli, standin: StandIn, status: int, body: bytes) -> None:
    standin.answer("GET", "/v1/events/evt_1", body, status)
    ended = cli("events", "show", "evt_1")
    assert ended.status == 1
    assert f"answers {status}, but not as a gateway does" in ended.err


@pytest.mark.parametrize(
    "line",
    [
        "connections", "events", "deliveries", "destinations", "quarantine", "keys", "keys --json", "providers", "url",
        "keys create --scope admin", "destinations add https://x.example", "connect meetergo", "events replay evt_1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [{"hello": "world"}, {"items": "none"}, {"items": ["one"]}, ["one"], "one", 1])
def test_a_server_that_is_no_gateway_is_told_in_one_line(cli: Cli, standin: StandIn, line: str, body: object) -> None:
    for path in ("connections", "events", "deliveries", "destinations", "quarantine", "keys", "providers", "url"):
        standin.answer("GET", f"/v1/{path}", body)
        standin.answer("POST", f"/v1/{path}", body)
    standin.answer("POST", "/v1/events/evt_1/replay", body)
    ended = cli(*line.split())
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == (f"gateway: {standin.url} answers 200, but not as a gateway does: check --url or GATEWAY_URL\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--key", "env:NOPE"], "--key: environment variable NOPE is not set"),
        (["--key", "@nowhere"], "--key: file 'nowhere' cannot be read: No such file"),
        (["--key", "-"], "--key: standard input is empty"),
    ],
)
def test_a_key_that_is_not_where_it_should_be_is_named(
    cli: Cli, standin: StandIn, arguments: list[str], said: str
) -> None:
    ended = cli("keys", *arguments)
    assert ended.status == 2
    assert ended.err.startswith(f"gateway: {said}")
    assert not standin.asked


def test_a_config_file_is_named_by_where_its_name_was_read(bare_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("url = ")
    assert bare_cli("keys", "--config", "t.toml").err.startswith("gateway: --config: t.toml is not TOML: ")
    assert bare_cli("keys", "--config", "none.toml").err.startswith("gateway: --config: 'none.toml' cannot be read: ")
    assert bare_cli("keys", GATEWAY_CONFIG="t.toml").err.startswith("gateway: GATEWAY_CONFIG: t.toml is not TOML: ")


@pytest.mark.parametrize(
    "line",
    [
        "nonsense", "connections nonsense", "connections show", "--nonsense", "connect", "events --limit 0",
        "events --limit 501", "deliveries --status lost", "deliveries retry", "deliveries retry dlv_1 --status dead",
        "deliveries retry dlv_1 --destination dst_1",
        "quarantine retry", "quarantine retry rcp_1 --all", "keys create", "keys create --scope everything",
        "destinations add", "keys --url nonsense", "doctor nonsense", "migrate nonsense", "url nonsense",
        "events tail --lines -1", "events show evt_1 --exact",
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2_in_one_line(cli: Cli, standin: StandIn, line: str) -> None:
    ended = cli(*line.split())
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("gateway: ")
    assert "--help`)" in ended.err
    assert not standin.asked


def test_a_setting_that_does_not_exist_ends_every_command(bare_cli: Cli) -> None:
    for command in ("connections", "serve"):
        ended = bare_cli(command, GATEWAY_PROT="1")
        assert ended.status == 1
        assert ended.err == "gateway: GATEWAY_PROT: there is no such setting: did you mean GATEWAY_PORT?\n"


def test_help_and_version_end_with_0(bare_cli: Cli) -> None:
    assert bare_cli("--version").out == "gateway 0.1.0\n"
    for line in ("--help", "connections --help", "connect --help", "events list -h"):
        ended = bare_cli(*line.split())
        assert ended.status == 0
        assert "Usage: gateway" in ended.out


def test_stopping_it_is_no_traceback(bare_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.reach.config.load", stop)
    ended = bare_cli("connections")
    assert (ended.status, ended.err.strip()) == (1, "gateway: stopped")
