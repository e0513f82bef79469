"""The log: what came in, as canonical events."""

import sys
import time
from collections.abc import Mapping
from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.raw import raw_options, show_one
from gateway.cli.reach import Command, Gateway, ListGroup, Unreachable, Wishes, common, paging, segment
from gateway.cli.table import Column

EVENTS = (
    Column("ID", "id", fold="never"),
    Column("TYPE", "type", fold="late"),
    Column("PROVIDER", "origin.provider"),
    Column("RECEIVED", "origin.received_at"),
)
"""Received, not happened: that is the provider's word, and may be of another day."""
TAIL = "{received:20}  {type:26} {provider:12} {id}"
WAIT = 25
"""Seconds that one question after news may be held back."""
PAUSE = 2.0
"""Seconds between two tries to reach a gateway that went away."""
EMPTY = "No event here. Providers call the URL that `gateway url` shows;\n`gateway connections` says who has called."

OLDER = "these are the newest; from the beginning: --after 0"


def narrowing(command: Command) -> Command:
    """Give a command the options that choose events."""
    for option in (
        click.option("--booking", metavar="KEY", help="Events of one booking, by its key."),
        click.option("--connection", metavar="ID", help="Events of one connection."),
        click.option("--provider", metavar="NAME", help="Events of one provider."),
        click.option("--types", multiple=True, metavar="T", help="Event types: booking.cancelled, booking.* or *."),
    ):
        command = option(command)
    return command


@click.group("events", cls=ListGroup)
@common
def events() -> None:
    """List, follow, show and replay canonical events."""


@events.command("list")
@narrowing
@paging
@common
@click.pass_obj
def list_events(wishes: Wishes, /, types: tuple[str, ...], **query: Any) -> None:
    """List the newest events, or those after a cursor, oldest first.

    With --json, and with --after, it begins where the API does: without a cursor at the oldest event.
    """
    asked = {**query, "types": ",".join(types) or None}
    if asked["after"] is not None or wishes.as_json:
        return wishes.listing("/v1/events", EVENTS, EMPTY, asked)
    wishes.listing("/v1/events", EVENTS, EMPTY, {**asked, "newest": "true"}, of_full=OLDER)
    return None


@events.command("tail")
@narrowing
@click.option("--lines", type=click.IntRange(0, 500), default=10, metavar="N", help="How many old ones first: 10.")
@common
@click.pass_obj
def tail(wishes: Wishes, /, types: tuple[str, ...], lines: int, **query: Any) -> None:
    """Show the newest events, then each new one as it happens, until Ctrl-C. With --json one event a line."""
    asked = {**query, "types": ",".join(types) or None}
    with wishes.gateway() as gateway:
        page = gateway.page("/v1/events", {**asked, "limit": max(lines, 1), "newest": "true"})
        old = page["items"] if lines else []
        try:
            _print(wishes, old)
            _follow(wishes, gateway, asked, page["next"])
        except KeyboardInterrupt:
            return


def _follow(wishes: Wishes, gateway: Gateway, asked: Mapping[str, Any], after: str) -> None:
    reached = True
    while True:
        try:
            page = gateway.page("/v1/events", {**asked, "after": after, "wait": WAIT})
        except Unreachable as error:
            if reached:
                print(f"gateway: {error}; waiting for it", file=sys.stderr)  # noqa: T201 -- beside the output
            reached = False
            time.sleep(PAUSE)
            continue
        reached, after = True, page["next"]
        _print(wishes, page["items"])


def _print(wishes: Wishes, items: list[dict[str, Any]]) -> None:
    for item in items:
        if wishes.as_json:
            show.print_json_line(item)
        else:
            said = {name: show.clean(item.get(name)) for name in ("type", "id")}
            received, provider = (show.at(item, f"origin.{name}") for name in ("received_at", "provider"))
            show.say(TAIL.format(received=show.when(received), provider=show.clean(provider), **said))
    sys.stdout.flush()


@events.command("show")
@click.argument("event", metavar="ID")
@raw_options
@common
@click.pass_obj
def show_event(wishes: Wishes, event: str, raw: bool, exact: bool) -> None:
    """Show one event, or with --raw the bytes of the call that it came from."""
    show_one(wishes, f"/v1/events/{segment(event)}", raw, exact)


@events.command("replay")
@click.argument("event", metavar="ID")
@common
@click.pass_obj
def replay_event(wishes: Wishes, event: str) -> None:
    """Deliver an event again, to every destination that it matches: same id, same bytes."""
    with wishes.gateway() as gateway:
        answer = gateway.post(f"/v1/events/{segment(event)}/replay", {}, holds="deliveries")
    name = show.clean(event)
    nobody = f"No destination takes {name}: nothing is delivered.\n`gateway destinations` shows what each one takes."
    done = f"Replayed {name}.\n`gateway deliveries --event {name}` shows it."
    wishes.answer(answer, lambda answer: show.say(done if answer["deliveries"] else nobody))
