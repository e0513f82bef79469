"""The connections there are: list, show, compare with the provider, put right, renew, remove."""

from collections.abc import Iterable
from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.latest import print_latest
from gateway.cli.reach import ListGroup, Wishes, common, paging, segment
from gateway.cli.source import SOURCES, Sources
from gateway.cli.table import Column

ASK = "\0ask"
"""What `--signing-secret` without a SOURCE is read as; no argument can contain it."""

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
    """List, show, check, repair, rotate and remove connections to providers."""


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
    """Show one connection; of one that is set up by hand, also what its newest call looks like."""
    with wishes.gateway() as gateway:
        found = gateway.get(_path(connection))
        by_hand = found.get("instructions") and not wishes.as_json
        call = gateway.get(f"{_path(connection)}/latest-call") if by_hand else None
    wishes.answer(found, _print_connection)
    if by_hand:
        print_latest(call)


def _print_connection(connection: Any) -> None:
    """Print the steps of `instructions` as the lines that they are, below the values."""
    steps = connection.get("instructions")
    show.print_details({name: value for name, value in connection.items() if name != "instructions" or not steps})
    if steps:
        show.say(f"\n{show.clean_lines(steps)}")


dry_run = click.option("--dry-run", is_flag=True, help="Show the plan, and change nothing.")


@connections.command("check")
@click.argument("connection", metavar="ID")
@common
@click.pass_obj
def check_connection(wishes: Wishes, connection: str) -> None:
    """Compare a connection with its provider: what is different there, and what `repair` would do about it."""
    with wishes.gateway() as gateway:
        wishes.answer(gateway.post(f"{_path(connection)}/check", holds="plan"), _print_checked)


@connections.command("repair")
@click.argument("connection", metavar="ID")
@click.option(
    "--move", "decision", flag_value="move", help="Replace the webhook that calls this gateway's old address."
)
@click.option("--beside", "decision", flag_value="beside", help="Leave that one alone: another gateway runs there.")
@dry_run
@common
@click.pass_obj
def repair_connection(wishes: Wishes, connection: str, decision: str | None, *, dry_run: bool) -> None:
    """Make the webhook at the provider what it should be. The gateway does this by itself where nobody must decide."""
    body: dict[str, Any] = {"dry_run": dry_run}
    if decision is not None:
        body["decision"] = decision
    with wishes.gateway() as gateway:
        checked = gateway.post(f"{_path(connection)}/repair", body, holds="plan")
    wishes.answer(checked, lambda answer: _print_checked(answer, "Without --dry-run this is done."))


@connections.command("rotate")
@click.argument("connection", metavar="ID")
@click.option(
    "--signing-secret", is_flag=False, flag_value=ASK, metavar="SOURCE", help=f"The new secret, from {SOURCES}."
)
@click.option("--inbound-url", is_flag=True, help="Renew the connection's own URL instead of its signing secret.")
@click.option("--finish", is_flag=True, help="The new one is in use: accept the old one no longer.")
@dry_run
@common
@click.pass_obj
def rotate_connection(
    wishes: Wishes, connection: str, *, signing_secret: str | None, inbound_url: bool, finish: bool, dry_run: bool
) -> None:
    """Renew a connection's signing secret, or its own URL. Both are accepted until nothing uses the old one."""
    body: dict[str, Any] = {"inbound_url": inbound_url, "finish": finish, "dry_run": dry_run}
    if signing_secret is not None:
        sources, label = Sources(), "--signing-secret"
        body["signing_secret"] = sources.ask(label) if signing_secret == ASK else sources.read(label, signing_secret)
    with wishes.gateway() as gateway:
        wishes.answer(gateway.post(f"{_path(connection)}/rotate", body, holds="plan"), _print_rotated)


def _path(connection: str) -> str:
    return f"/v1/connections/{segment(connection)}"


def _print_checked(checked: Any, how: str = "") -> None:
    """Print what was found, what was or is to be done, and who has to say something: each thing once, in order.

    `how`: what makes the plan be carried out, by default `repair`.
    """
    plan, name = checked["plan"], f"{show.clean(checked['name'])} ({show.clean(checked['provider'])})"
    drift, done, problem = checked["drift"], checked["done"], checked["problem"] if plan["steps"] else None
    if not drift and not plan["steps"]:
        webhook = (checked.get("remote") or {}).get("id")
        fine = f": its webhook {show.clean(webhook)} is as it should be" if webhook and not plan["left"] else ""
        show.say(f"{name} is {show.clean(checked['status'])}{fine}.")
    else:
        show.say(f"{name} is {show.clean(checked['status'])}.")
    _print_part("Found:", (one["words"] for one in drift))
    if done:
        _print_part("Done:", done)
    else:
        _print_part("To decide:", [plan["decide"]] if plan["decide"] else [])
        _print_part(
            "To do:" if not plan["decide"] else "Then:", (step["words"] for step in plan["steps"]), numbered=True
        )
        _print_part("The latest repair ended with:", [problem] if problem and not plan["decide"] else [])
    _print_part("Left alone:" if checked.get("remote") else "Note:", plan["left"])
    if plan["steps"] and not done:
        how = how or f"`gateway connections repair {show.clean(checked['id'])}` does it."
        show.say(f"Nothing was changed. {how}")


def _print_rotated(rotated: Any) -> None:
    if rotated["done"]:
        _print_checked(rotated)
    else:
        show.say(f"{show.clean(rotated['name'])} ({show.clean(rotated['provider'])}):")
        _print_part("To do:", (step["words"] for step in rotated["plan"]["steps"]), numbered=True)
        if rotated["dry_run"]:
            show.say("Nothing was changed. Without --dry-run this is done.")
            return
        show.say(f"The URL to call: {show.clean(rotated['inbound_url'])}")
        if rotated.get("instructions"):
            show.say(f"\n{show.clean_lines(rotated['instructions'])}\n")
    if rotated.get("signing_secret"):
        show.say(f"The new secret: {show.clean(rotated['signing_secret'])}  (not shown again)")
    for old in rotated["replaced"]:
        until = f"until {show.when(old['retires_at'])}" if old["retires_at"] else "until you say `--finish`"
        what = "secret" if old["kind"] == "secret" else "URL"
        show.say(f"The {what} of before {show.when(old['since'])} is accepted {until}.")


def _print_part(title: str, lines: Iterable[object], *, numbered: bool = False) -> None:
    for number, line in enumerate(lines, 1):
        if number == 1:
            show.say(title)
        show.say(f"  {f'{number}.' if numbered else '-'} {show.clean(line)}")


@connections.command("remove")
@click.argument("connection", metavar="ID")
@click.option("--force", is_flag=True, help="Forget it even if its provider cannot be asked any more.")
@common
@click.pass_obj
def remove_connection(wishes: Wishes, connection: str, *, force: bool) -> None:
    """Remove a connection, and its webhook at the provider. Its URL is dead at once."""
    name = show.clean(connection)
    left = "If its provider could not be asked, its webhook is still there: delete it in the provider's settings."
    wishes.remove(
        f"{_path(connection)}?force=true" if force else _path(connection),
        f"Removed {name}.\n{left}" if force else f"Removed {name}.",
        f"{name} takes no calls any more.\nIts provider does not answer, or refuses the key: its webhook there goes as "
        f"soon as it can be asked.\nA new key lets it go on; `gateway connections remove {name} --force` forgets it.",
    )
