"""Where events go."""

from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.reach import Failed, ListGroup, Wishes, common, paging, segment
from gateway.cli.table import Column

COLUMNS = (
    Column("ID", "id", fold="never"),
    Column("NAME", "name", if_room=True),
    Column("URL", "url", fold="late"),
    Column("TYPES", "types", fold="late"),
    Column("STATUS", "status"),
)


@click.group("destinations", cls=ListGroup)
@common
def destinations() -> None:
    """List, add and steer the places that events are delivered to."""


@destinations.command("list")
@common
@paging
@click.pass_obj
def list_destinations(wishes: Wishes, /, **query: Any) -> None:
    """List the destinations."""
    empty = "No destination yet: `gateway destinations add URL` adds one."
    wishes.listing("/v1/destinations", COLUMNS, empty, query, _with_status)


def _with_status(item: dict[str, Any]) -> dict[str, Any]:
    """Say in one word what `paused` and its reason say in two."""
    reason = item.get("paused_reason")
    return {**item, "status": ("paused" + (f": {reason}" if reason else "")) if item.get("paused") else "active"}


@destinations.command("add")
@click.argument("url")
@click.option(
    "--types",
    multiple=True,
    metavar="T",
    help="Event types, such as booking.cancelled, booking.* or *; all if left out.",
)
@click.option("--name", metavar="NAME", help="What to call it; its host if left out.")
@click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only events of this provider.")
@click.option("--connection", "connections", multiple=True, metavar="ID", help="Only events of this connection.")
@click.option("--format", type=click.Choice(["standard", "cloudevents"]), help="How an event is wrapped: standard.")
@click.option("--profile", type=click.Choice(["full", "thin"]), help="full, or thin: without what is about a person.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="N", help="At most so many a second.")
@common
@click.pass_obj
def add_destination(wishes: Wishes, /, url: str, types: tuple[str, ...], **more: Any) -> None:
    """Deliver events to URL from now on. The signing secret is shown this once."""
    patterns = [one.strip() for given in types for one in given.split(",") if one.strip()]
    body = {"url": url, "types": patterns, **more}
    body = {name: list(value) if isinstance(value, tuple) else value for name, value in body.items() if value}
    with wishes.gateway() as gateway:
        answer = gateway.post("/v1/destinations", body, holds="secret")
    wishes.answer(answer, _print_added)


def _print_added(destination: Any) -> None:
    show.say(f"Added {show.clean(destination['url'])}.")
    show.say(f"  id      {show.clean(destination['id'])}")
    show.say(f"  name    {show.clean(destination['name'])}")
    show.say(f"  types   {show.clean(destination['types'])}")
    _print_secret(destination)


def _print_secret(answer: Any) -> None:
    show.say(f"  secret  {show.clean(answer['secret'])}")
    show.say("The secret is not shown again. With it, consumers verify `webhook-signature`")
    show.say("(Standard Webhooks).")


@destinations.command("show")
@click.argument("destination", metavar="ID")
@common
@click.pass_obj
def show_destination(wishes: Wishes, destination: str) -> None:
    """Show one destination."""
    wishes.one(f"/v1/destinations/{segment(destination)}")


@destinations.command("pause")
@click.argument("destination", metavar="ID")
@common
@click.pass_obj
def pause_destination(wishes: Wishes, destination: str) -> None:
    """Hold deliveries back; events are still planned."""
    _act(wishes, destination, "pause", "Paused")


@destinations.command("resume")
@click.argument("destination", metavar="ID")
@common
@click.pass_obj
def resume_destination(wishes: Wishes, destination: str) -> None:
    """Deliver again, what waited first."""
    _act(wishes, destination, "resume", "Resumed")


@destinations.command("rotate-secret")
@click.argument("destination", metavar="ID")
@common
@click.pass_obj
def rotate_secret(wishes: Wishes, destination: str) -> None:
    """Make a new signing secret; the old one keeps signing beside it for 24 hours."""
    with wishes.gateway() as gateway:
        answer = gateway.post(f"/v1/destinations/{segment(destination)}/rotate-secret", holds="secret")
    wishes.answer(answer, _print_secret)


@destinations.command("test")
@click.argument("destination", metavar="ID")
@common
@click.pass_obj
def test_destination(wishes: Wishes, destination: str) -> None:
    """Send a gateway.test event now, and say what came back; fails when it was not delivered."""
    with wishes.gateway() as gateway:
        answer = gateway.post(f"/v1/destinations/{segment(destination)}/test", holds="delivered")
    wishes.answer(answer, show.print_details)
    if not answer["delivered"]:
        raise Failed(f"not delivered: {answer['error'] or answer['status']}: put the consumer right and test again")


@destinations.command("remove")
@click.argument("destination", metavar="ID")
@common
@click.pass_obj
def remove_destination(wishes: Wishes, destination: str) -> None:
    """Remove a destination; what waited for it is skipped."""
    wishes.remove(f"/v1/destinations/{segment(destination)}", f"Removed {show.clean(destination)}.")


def _act(wishes: Wishes, destination: str, verb: str, done: str) -> None:
    with wishes.gateway() as gateway:
        answer = gateway.post(f"/v1/destinations/{segment(destination)}/{verb}")
    wishes.answer(answer, lambda _: show.say(f"{done} {show.clean(destination)}."))
