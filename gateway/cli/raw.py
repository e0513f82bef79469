"""The bytes that a call came with, in the place of what became of them."""

import sys
from collections.abc import Callable
from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.reach import Command, Wishes


def raw_options(command: Command) -> Command:
    """Give a command that shows one thing the options that show the bytes of its call."""
    for option in (
        click.option("--exact", is_flag=True, help="With --raw: what acts without a login is not masked. Audited."),
        click.option("--raw", is_flag=True, help="The bytes of the call in the place of what became of them."),
    ):
        command = option(command)
    return command


def show_one(
    wishes: Wishes, path: str, raw: bool, exact: bool, view: Callable[[Any], None] = show.print_details
) -> None:
    """Show one thing by `view`, or the bytes of its call: on a terminal as inert text, in a pipe as they are."""
    if exact and not raw:
        raise click.UsageError("--exact is about --raw")
    if not raw:
        return wishes.one(path, view)
    with wishes.gateway() as gateway:
        content = gateway.raw(f"{path}/raw", {"exact": "true" if exact else None})
    if sys.stdout.isatty():
        return show.say(show.clean_lines(content.decode("utf-8", "backslashreplace")))
    sys.stdout.buffer.write(content)
    return None
