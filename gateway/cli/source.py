"""Values that are typed: secrets by where they lie, settings by name."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

SOURCES = "@FILE, - (standard input) or env:NAME"
STDIN = "standard input"


class Sources:
    """Read the secrets of one command. Standard input is one value; without a terminal, a prompt reads a line of it."""

    def __init__(self) -> None:
        self._stdin_used = False

    def read(self, label: str, source: str) -> str:
        """Fetch a secret from where SOURCE says; one line break at its end is dropped.

        Raises click.UsageError when it is no SOURCE (a secret itself is never an argument), or it is empty.
        """
        if source == "-":
            value, where = self._stdin(label), STDIN
        elif source.startswith("@"):
            value, where = _file(label, source[1:]), f"file {source[1:]!r}"
        elif source.startswith("env:"):
            value, where = _variable(label, source[4:]), f"environment variable {source[4:]}"
        else:
            raise click.UsageError(
                f"{label}: a secret is never an argument, where others can read it: say where it lies with {SOURCES}, "
                "or leave it out to be asked"
            )
        return _given(label, where, value.removesuffix("\n").removesuffix("\r"))

    def ask(self, label: str) -> str:
        """Ask for a secret without showing it; where there is no terminal, the next line of standard input is it."""
        if not self.can_ask():
            return _given(label, STDIN, sys.stdin.readline().rstrip("\r\n"))
        answer: str = click.prompt(label, hide_input=True, err=True)
        return _given(label, "the answer", answer)

    @staticmethod
    def can_ask() -> bool:
        """Say whether somebody sits at a terminal."""
        return sys.stdin.isatty()

    def _stdin(self, label: str) -> str:
        if self._stdin_used:
            raise click.UsageError(f"{label}: standard input holds one value: use @FILE or env:NAME for the others")
        self._stdin_used = True
        return sys.stdin.read()


def _given(label: str, where: str, value: str) -> str:
    if not value:
        raise click.UsageError(f"{label}: {where} is empty: give it with {SOURCES}")
    return value


def _variable(label: str, name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise click.UsageError(f"{label}: environment variable {name or '(no name)'} is not set")
    return value


def _file(label: str, path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8")
    except OSError as error:
        raise click.UsageError(f"{label}: file {path!r} cannot be read: {error.strerror}") from None
    except (ValueError, RuntimeError):
        raise click.UsageError(f"{label}: file {path!r} is not a text file") from None


def credentials(given: Sequence[str], sources: Sources) -> dict[str, str]:
    """Read `K=SOURCE`, and ask for a lone `K`."""
    found: dict[str, str] = {}
    for one in given:
        name, equals, source = one.partition("=")
        if not name or name in found:
            raise click.UsageError(f"--credential: write each name once, as NAME or NAME=SOURCE, SOURCE is {SOURCES}")
        found[name] = sources.read(f"--credential {name}", source) if equals else sources.ask(name)
    return found


def settings(given: Sequence[str]) -> dict[str, Any]:
    """Read `K=V`: V is a number, true, false, a list or an object where it reads as one, else text.

    `signature.header=x` goes into an object `signature`; `events=a,b` is a list.
    """
    found: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals or not all(name.split(".")):
            raise click.UsageError("--set: write NAME=VALUE, for a part of a setting NAME.PART=VALUE")
        _put(found, name, _value(name, text))
    return found


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    *outer, last = name.split(".")
    for part in outer:
        found = found.setdefault(part, {})
        if not isinstance(found, dict):
            raise click.UsageError(f"--set {name}: {part} has a value already")
    if last in found:
        raise click.UsageError(f"--set {name}: it is set twice")
    found[last] = value


def _value(name: str, text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = None
    if value is None:
        value = text
    if name == "events" and not isinstance(value, list):
        value = [event.strip() for event in text.split(",") if event.strip()]
    return value
