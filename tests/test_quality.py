"""The house rules that tools can check are tests: lint, format, types, who imports whom."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = Path(sys.executable).parent


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["lint-imports"], ["mypy"]],
    ids=["lint", "format", "imports", "types"],
)
def test_the_tree_keeps_the_rules(command: list[str]) -> None:
    done = subprocess.run([TOOLS / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_contract_costs_no_web_framework_and_no_database_driver() -> None:
    asked = "import gateway.contract.testing, gateway.contract.schema, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not {"litestar", "starlette", "uvicorn", "apsw", "psycopg", "httpx", "aiohttp"} & set(loaded.split())


@pytest.mark.parametrize("provider", sorted(p.name for p in (ROOT / "providers").iterdir() if (p / "wire.py").exists()))
def test_a_plugin_stays_small(provider: str) -> None:
    """At most 300 lines without the simulator, 60 more to ask for bookings, and 40 for the tests that check it."""
    plugin = [p for p in (ROOT / "providers" / provider).glob("*.py") if p.name != "simulator.py"]
    asks = any(p.name == "bookings.py" for p in plugin)
    assert sum(lines(p) for p in plugin) <= (360 if asks else 300)
    assert lines(ROOT / "tests" / "providers" / provider / f"test_{provider}.py") <= 40


def test_the_locks_name_no_address() -> None:
    for lock in ROOT.glob("*/requirements.lock"):
        text = lock.read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())
