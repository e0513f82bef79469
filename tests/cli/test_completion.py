"""A shell completes commands, options and the words that an option takes."""

import os
import subprocess
import sys

import pytest

from tests.cli.conftest import Cli


def completed(line: str) -> set[str]:
    """Ask as bash does: the words so far, the last of which is being typed."""
    words = line.split(" ")
    environ = {
        **os.environ, "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_GATEWAY_COMPLETE": "bash_complete",
    }  # fmt: skip
    asked = subprocess.run([sys.executable, "-m", "gateway"], env=environ, capture_output=True, text=True, check=True)
    return {each.partition(",")[2] for each in asked.stdout.splitlines()}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("gateway dest", {"destinations"}),
        ("gateway connections re", {"reconcile", "remove", "repair"}),
        ("gateway deliveries list --status d", {"dead", "delivered"}),
        ("gateway events tail --ty", {"--types"}),
    ],
)
def test_what_begins_so_is_offered(line: str, words: set[str]) -> None:
    assert completed(line) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_this_program(bare_cli: Cli, shell: str) -> None:
    ended = bare_cli("completion", shell)
    assert ended.status == 0
    assert f"_GATEWAY_COMPLETE={shell}_complete" in ended.out
