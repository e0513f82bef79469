"""The command line as a process of its own: quick where it needs little, silent about secrets, plain when it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CONNECTION, KEY, StandIn

ROOT = Path(__file__).parents[2]


def gateway(tmp_path: Path, *arguments: str, code: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "COV_"))}
    command = ["-c", code] if code else ["-m", "gateway", *arguments]
    return subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={**ours, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_loads_no_server_no_store_and_no_client(tmp_path: Path) -> None:
    code = (
        "import sys; from gateway.cli.main import main; main(['--help'])\n"
        "print(sorted({'litestar', 'uvicorn', 'httpx', 'aiohttp', 'apsw', 'providers'} & set(sys.modules)))"
    )
    ended = gateway(tmp_path, code=code)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_command_that_talks_to_a_gateway_loads_no_server_and_no_store(tmp_path: Path, standin: StandIn) -> None:
    standin.page("/v1/connections", CONNECTION)
    code = (
        "import sys; from gateway.cli.main import main; assert main(['connections']) == 0\n"
        "print(sorted({'litestar', 'uvicorn', 'apsw', 'providers'} & set(sys.modules)))"
    )
    ended = gateway(tmp_path, code=code, GATEWAY_URL=standin.url, GATEWAY_KEY=KEY)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--version"], 0), (["connections"], 1), (["connections", "--nonsense"], 2), ([], 2)]
)
def test_the_exit_status_says_which_kind_of_end_it_was(tmp_path: Path, arguments: list[str], status: int) -> None:
    ended = gateway(tmp_path, *arguments)
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr


def test_a_key_in_the_environment_is_not_handed_on_or_shown(tmp_path: Path, standin: StandIn) -> None:
    standin.problem("GET", "/v1/keys", 401, "The key is not valid.")
    ended = gateway(tmp_path, "keys", "--json", GATEWAY_URL=standin.url, GATEWAY_KEY=KEY)
    assert ended.returncode == 1
    assert ended.stderr == "gateway: The key is not valid: give a key with --key or GATEWAY_KEY\n"
    assert KEY not in ended.stdout + ended.stderr


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path, standin: StandIn) -> None:
    standin.page("/v1/connections", *[CONNECTION] * 500)
    command = f"{sys.executable} -m gateway connections --json | head -1"
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "GATEWAY_URL": standin.url, "GATEWAY_KEY": KEY}
    ended = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout == "{\n"
    assert "Traceback" not in ended.stderr
    assert "Error" not in ended.stderr


def test_characters_that_the_terminal_lacks_are_shown_by_code(tmp_path: Path, standin: StandIn) -> None:
    standin.page("/v1/connections", {**CONNECTION, "name": "Żółw"})
    ended = gateway(tmp_path, "connections", GATEWAY_URL=standin.url, GATEWAY_KEY=KEY, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0, ended.stderr
    assert "\\u017b" in ended.stdout
