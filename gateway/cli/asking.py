"""What providers are asked, and what they sent: reconcile a connection, change it, and see its latest call."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.connections import ASK
from gateway.cli.latest import print_latest
from gateway.cli.progress import LOOK_SECONDS, progress
from gateway.cli.reach import Failed, Wishes, common, segment
from gateway.cli.source import SOURCES, Sources
from gateway.cli.source import credentials as read_credentials
from gateway.cli.source import settings as read_settings

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def since_when(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Read a time with its offset, or how long ago (`90m`, `12h`, `3d`), as ISO 8601 in UTC."""
    if value is None:
        return None
    ago = re.fullmatch(r"(\d{1,6})([smhd])", value, re.ASCII)
    try:
        if ago:
            return _iso(datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])}))
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return _iso(at)
    except (ValueError, OverflowError):
        pass
    words = "write a time with its offset (2026-03-01T09:30:00Z), or how long ago: 90m, 12h, 3d"
    raise click.BadParameter(words, ctx, param)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# --- reconcile -----------------------------------------------------------------------------------------------------


@click.command("reconcile")
@click.argument("connection", metavar="ID")
@click.option("--since", callback=since_when, metavar="T", help="From when on: a time, or how long ago (90m, 12h, 3d).")
@common
@click.pass_obj
def reconcile_connection(wishes: Wishes, connection: str, since: str | None) -> None:
    """Ask the provider for what its calls did not tell, by default since the last look."""
    path = f"/v1/connections/{segment(connection)}/reconcile"
    with wishes.gateway() as gateway:
        look = gateway.post(path, {"since": since} if since else None, holds="seen")
        with progress() as tell:
            while look["status"] == "running":
                tell(_progress(look))
                time.sleep(LOOK_SECONDS)
                look = gateway.get(path, holds="seen")
    wishes.answer(look, _print_look)
    if look["status"] == "waiting":
        raise Failed(f"the provider does not answer ({look['detail']}): the gateway goes on by itself")


def _progress(look: Any) -> str:
    total = f" of {look['total']}" if look["total"] is not None else ""
    return f"{look['seen']}{total} bookings looked at, {look['missed']} events were missing"


def _print_look(look: Any) -> None:
    show.say(f"{_progress(look)[0].upper()}{_progress(look)[1:]}, since {show.when(look['since'])}.")
    if look["missed"]:
        show.say("They were told now, as `reconciled`; a call that comes late after all is a duplicate.")
    if look["held"]:
        show.say(f"{look['held']} bookings were left out: a call about them is held. They are looked at again.")
    if look["unread"]:
        show.say(f"{look['unread']} bookings could not be read: the plugin does not know their shape.")


# --- the latest call -----------------------------------------------------------------------------------------------


@click.command("latest-call")
@click.argument("connection", metavar="ID")
@common
@click.pass_obj
def latest_call(wishes: Wishes, connection: str) -> None:
    """Show what a connection's newest call looks like: names of headers and places in the body, and no value."""
    with wishes.gateway() as gateway:
        found = gateway.get(f"/v1/connections/{segment(connection)}/latest-call")
    wishes.answer(found or None, print_latest)


# --- change --------------------------------------------------------------------------------------------------------


@click.command("change")
@click.argument("connection", metavar="ID")
@click.option("--name", help="What you call this connection.")
@click.option("--credential", "given", multiple=True, metavar="K[=SOURCE]", help=f"A new log-in, from {SOURCES}.")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="A setting, such as confirm=try.")
@click.option("--unset", multiple=True, metavar="K", help="A setting that is to be what it is by default.")
@click.option(
    "--signing-secret", is_flag=False, flag_value=ASK, metavar="SOURCE", help="The secret its calls are signed with."
)
@common
@click.pass_obj
def change_connection(
    wishes: Wishes,
    connection: str,
    *,
    name: str | None,
    given: tuple[str, ...],
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    signing_secret: str | None,
) -> None:
    """Change a connection. A signature that is set for the first time is tried on the latest call before that."""
    body = _changes(name, given, settings, unset, signing_secret)
    path = f"/v1/connections/{segment(connection)}"
    with wishes.gateway() as gateway:
        changed = gateway.patch(path, body, holds="inbound_url")
        found = gateway.get(f"{path}/latest-call") if signing_secret is not None else None
    wishes.answer(changed, lambda one: _print_changed(one, found))
    if "credentials" in body and changed["status"] == "broken":
        raise Failed(f"it is kept, but its provider does not take it: {changed.get('problem')}")


def _changes(
    name: str | None,
    given: tuple[str, ...],
    settings: tuple[str, ...],
    unset: tuple[str, ...],
    signing_secret: str | None,
) -> dict[str, Any]:
    sources, body = Sources(), dict[str, Any]()
    if name is not None:
        body["name"] = name
    if given:
        body["credentials"] = read_credentials(given, sources)
    if settings or unset:
        body["settings"] = {**read_settings(settings), **dict.fromkeys(unset)}
    if signing_secret is not None:
        label = "--signing-secret"
        body["signing_secret"] = sources.ask(label) if signing_secret == ASK else sources.read(label, signing_secret)
    if not body:
        raise click.UsageError("say what to change: --name, --credential, --set, --unset or --signing-secret")
    return body


def _print_changed(changed: Any, found: Any) -> None:
    show.say(f"Changed {show.clean(changed['name'])} ({show.clean(changed['provider'])}).")
    if not found:
        return
    if found["signed"]:
        show.say("The latest call is signed with it: unsigned calls are refused from now on.")
    elif found["misfit"]:
        show.say(f"The latest call is not: {show.clean(found['misfit'])}.")


COMMANDS = (reconcile_connection, latest_call, change_connection)
"""Further commands of the group `connections`."""
