"""What README.md says first, and what it says can be set, is true."""

import re
from pathlib import Path

from gateway.config import KNOWN, PREFIX

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_two_command_lines_come_first_and_set_themselves_up() -> None:
    run, test = re.findall(r"^    (python3 .*)$", README, flags=re.MULTILINE)[:2]
    assert run.endswith(".venv/bin/gateway demo")
    assert ".venv/bin/pytest" in test
    assert README.index(run) < 400, "before anything else is explained"
    for command in (run, test):
        assert command.startswith("python3 -m venv .venv && ")
        assert "requirements.lock" in command


def test_every_setting_is_in_the_table_and_nothing_else() -> None:
    rows = [line for line in README.splitlines() if line.startswith(f"| `{PREFIX}")]
    named = {name for row in rows for name in re.findall(rf"`{PREFIX}([A-Z_]+)`", row.split("|")[1])}
    assert named == {name.upper() for name in KNOWN} | {"CONFIG", "URL", "KEY"}
