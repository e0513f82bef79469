"""What README.md says first, and what it says can be set, is true."""

import re
from pathlib import Path
from typing import Any

from gateway.cli.main import cli
from gateway.config import KNOWN, PREFIX, Settings
from gateway.contract.events import EVENT_TYPES, RESERVED, WARNINGS
from gateway.web.auth import MEANINGS
from providers import PROVIDERS
from tests.faults.__main__ import SCENES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


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


def test_every_default_in_the_table_is_the_programs() -> None:
    rows = [line.split("|")[1:3] for line in README.splitlines() if line.startswith(f"| `{PREFIX}")]
    held = set()
    for names, defaults in rows:
        stated = re.findall(r"`([^`]*)`", defaults)
        for name, default in zip(re.findall(rf"`{PREFIX}([A-Z_]+)`", names), stated, strict=False):
            value = getattr(Settings(), name.lower(), None)
            if isinstance(value, tuple | int | float):  # the others are said in words
                assert default == (",".join(map(str, value)) if isinstance(value, tuple) else f"{value:.0f}"), name
                held.add(name)
    assert len(held) > 7


def commands() -> list[list[str]]:
    """Find every `gateway ...` in the text, as words."""
    lines = re.findall(r"^    (?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?gateway ([a-z].*?)(?: {2,}#.*)?$", README, re.MULTILINE)
    return [line.replace("'", "").split() for line in [*lines, *re.findall(r"`gateway\s([a-z-][^`]*)`", README)]]


def test_every_command_and_option_that_is_named_exists() -> None:
    assert len(commands()) > 40
    for words in commands():
        command: Any = cli
        options = {"--help", "--json"}
        for word in words:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
            elif word.startswith("--"):
                break
        assert command is not cli, words
        for one in (command, getattr(command, "commands", {}).get("list")):
            options |= {option for each in getattr(one, "params", ()) for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= options, words


def test_every_path_and_every_scene_that_is_named_exists() -> None:
    paths = {path for path in re.findall(r"\b(?:gateway|tests|providers)/[\w./-]*\w", README) if "acme" not in path}
    assert len(paths) > 20
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    played = {scene for line in re.findall(r"`python -m tests\.faults ([a-z -]+)`", README) for scene in line.split()}
    assert len(played) > 5
    assert played <= set(SCENES)
