"""What README.md says first, and what it says can be set, is true."""

import re
from pathlib import Path

from gateway.config import KNOWN, PREFIX
from gateway.contract.events import EVENT_TYPES, RESERVED, WARNINGS
from gateway.web.auth import MEANINGS
from providers import PROVIDERS

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


def table(heading: str) -> dict[str, str]:
    """Read the two columns of the table below a heading line."""
    rows = README.partition(heading)[2].partition("|---|---|\n")[2].partition("\n\n")[0].splitlines()
    return {cells[1].strip(" `"): cells[2].strip() for cells in (row.split("|") for row in rows)}


def test_consumers_are_told_what_every_warning_and_every_scope_means() -> None:
    assert table("| code | means |") == WARNINGS
    assert table("| scope | a key may |") == MEANINGS


def test_consumers_are_told_of_every_type_whether_it_is_sent() -> None:
    """What plugins and the gateway itself send is in the table; all else is named as reserved."""
    consuming = README.partition("## Consume events")[2].partition("\n## ")[0]
    rows = consuming.partition("| type | what happened |")[2].partition("\n\n")[0]
    told = {kind for row in rows.splitlines()[2:] for kind in re.findall(r"`([a-z_.]+)`", row.split("|")[1])}
    (reserved,) = re.findall(r"^(`booking\.requested`.*?)\sare\s+reserved", consuming, flags=re.MULTILINE | re.DOTALL)
    held_back = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", reserved))
    sent = {kind for provider in PROVIDERS for kind in provider.types}
    sent |= {kind for kind in EVENT_TYPES if kind.startswith("gateway.")}
    assert told == sent
    assert held_back == RESERVED == set(EVENT_TYPES) - sent
