"""The connections there are: list, show, remove."""

from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.reach import ListGroup, Wishes, common, paging, segment
from gateway.cli.table import Column

COLUMNS = (
    Column("ID", "id", fold="never"),
    Column("PROVIDER", "provider"),
    Column("STATUS", "status"),
    Column("NAME", "name"),
    Column("LAST CALL", "last_received_at"),
)


@click.group("connections", cls=ListGroup)
@common
def connections() -> None:
    """List, show and remove connections to providers."""


@connections.command("list")
@common
@paging
@click.pass_obj
def list_connections(wishes: Wishes, /, **query: Any) -> None:
    """List the connections."""
    empty = "No connection yet: `gateway connect PROVIDER` makes one,\n`gateway providers` lists what can be connected."
    wishes.listing("/v1/connections", COLUMNS, empty, query)


@connections.command("show")
@click.argument("connection", metavar="ID")
@common
@click.pass_obj
def show_connection(wishes: Wishes, connection: str) -> None:
    """Show one connection."""
    wishes.one(f"/v1/connections/{segment(connection)}", _print_connection)


def _print_connection(connection: Any) -> None:
    """Print the steps of `instructions` as the lines that they are, below the values."""
    steps = connection.get("instructions")
    show.print_details({name: value for name, value in connection.items() if name != "instructions" or not steps})
    if steps:
        show.say(f"\n{show.clean_lines(steps)}")


@connections.command("remove")
@click.argument("connection", metavar="ID")
@common
@click.pass_obj
def remove_connection(wishes: Wishes, connection: str) -> None:
    """Remove a connection, and its webhook at the provider. Its URL is dead at once."""
    name = show.clean(connection)
    wishes.remove(
        f"/v1/connections/{segment(connection)}",
        f"Removed {name}.",
        f"{name} takes no calls any more.\nIts provider does not answer: its webhook there goes as soon as it does.",
    )
