"""The one inbound URL: what it is, and a new one."""

from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.reach import ListGroup, Wishes, common


class ShowGroup(ListGroup):
    """A group whose plain name means `show`."""

    default = "show"


@click.group("url", cls=ShowGroup)
@common
def url() -> None:
    """Show the one inbound URL that every provider can call, or give it a new token."""


@url.command("show")
@common
@click.pass_obj
def show_url(wishes: Wishes) -> None:
    """Show the one inbound URL."""
    with wishes.gateway() as gateway:
        wishes.answer(gateway.get("/v1/url", holds="inbound_url"), _print_url)


@url.command("rotate")
@click.option("--finish", is_flag=True, help="The new URL is in use everywhere: accept the old one no longer.")
@click.option("--dry-run", is_flag=True, help="Show how things stand, and change nothing.")
@common
@click.pass_obj
def rotate_url(wishes: Wishes, *, finish: bool, dry_run: bool) -> None:
    """Give the inbound URL a new token; the old one is accepted until every webhook has moved, and a day longer.

    Webhooks that the gateway made are moved by itself, one by one. Where somebody pasted the URL, it has to be pasted
    again; `--finish` says that this is done.
    """
    with wishes.gateway() as gateway:
        answer = gateway.post("/v1/url/rotate", {"finish": finish, "dry_run": dry_run}, holds="inbound_url")
    wishes.answer(answer, _print_dry if dry_run else _print_url)


def _print_dry(answer: Any) -> None:
    _print_url(answer)
    show.say("Nothing was changed. Without --dry-run the URL gets a new token, and this one becomes an older one.")


def _print_url(answer: Any) -> None:
    show.say(show.clean(answer["inbound_url"]))
    for old in answer.get("older", ()):
        show.say(f"The URL of before {show.when(old['since'])} is still accepted.")
        if old["waiting"]:
            show.say(f"  being moved: {show.clean(old['waiting'])}")
        if old["by_hand"]:
            heard = f"last called {show.when(old['last_called_at'])}" if old["last_called_at"] else "not called since"
            show.say(f"  paste the new URL for: {show.clean(old['by_hand'])} ({heard})")
        if old["retires_at"]:
            show.say(f"  ends {show.when(old['retires_at'])}, or with `gateway url rotate --finish`")
