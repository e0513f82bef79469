"""API keys."""

from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.reach import ListGroup, Wishes, common, paging, segment
from gateway.cli.table import Column

COLUMNS = (
    Column("ID", "id", fold="never"),
    Column("NAME", "name"),
    Column("SCOPES", "scopes"),
    Column("MADE", "created_at"),
)
SCOPES = click.Choice(["events:read", "events:replay", "config:read", "config:write", "admin"])


@click.group("keys", cls=ListGroup)
@common
def keys() -> None:
    """List, create and revoke API keys."""


@keys.command("list")
@paging
@common
@click.pass_obj
def list_keys(wishes: Wishes, /, **query: Any) -> None:
    """List the keys, without the keys themselves."""
    wishes.listing("/v1/keys", COLUMNS, "No key here.", query)


@keys.command("create")
@click.option(
    "--scope", "scopes", type=SCOPES, multiple=True, required=True, help="What it may do; several are possible."
)
@click.option("--name", metavar="NAME", help="What it is for, to know it again.")
@common
@click.pass_obj
def create_key(wishes: Wishes, scopes: tuple[str, ...], name: str | None) -> None:
    """Make a key. It is shown this once."""
    with wishes.gateway() as gateway:
        body: dict[str, Any] = {"scopes": list(scopes)} | ({"name": name} if name else {})
        answer = gateway.post("/v1/keys", body, holds="key")
    wishes.answer(answer, _print_key)


def _print_key(key: Any) -> None:
    show.say(show.clean(key["key"]))
    show.say(f"  id      {show.clean(key['id'])}")
    show.say(f"  scopes  {show.clean(key['scopes'])}")
    show.say("It is not shown again.")


@keys.command("revoke")
@click.argument("key", metavar="ID")
@common
@click.pass_obj
def revoke_key(wishes: Wishes, key: str) -> None:
    """Revoke a key at once."""
    wishes.remove(f"/v1/keys/{segment(key)}", f"Revoked {show.clean(key)}.")
