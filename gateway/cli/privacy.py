"""People and keys: erase somebody, seal with a new key, and who did what."""

import time
from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.progress import LOOK_SECONDS, progress
from gateway.cli.reach import Failed, Gateway, ListGroup, Wishes, common, paging
from gateway.cli.source import Sources
from gateway.cli.table import Column

ACTS = (
    Column("WHEN", "at"),
    Column("KEY", "key", fold="never"),
    Column("ACTION", "action"),
    Column("OBJECT", "object", fold="never"),
)


@click.command("erase")
@click.option("--email", metavar="E", help="A person's e-mail address, or where it is read from: @FILE, -, env:NAME.")
@click.option("--booking", metavar="KEY", help="A booking's key, as `gateway events show` prints it.")
@common
@click.pass_obj
def erase(wishes: Wishes, email: str | None, booking: str | None) -> None:
    """Remove a person, or a booking, from everything that is kept: events, calls, quarantine, waiting deliveries.

    Ids, types, keys, times and digests stay, so that a repeated call brings nobody back. Backups made before still hold
    the person.
    """
    if bool(email) == bool(booking):
        raise click.UsageError("give either --email or --booking")
    if email and (email == "-" or email.startswith(("@", "env:"))):
        email = Sources().read("--email", email)
    whom = {"email": email} if email else {"booking": booking}
    with wishes.gateway() as gateway:
        answer = gateway.post("/v1/erase", whom, holds="status")
        answer = _to_the_end(gateway, f"/v1/erase/{answer['id']}", answer)
    wishes.answer(answer, _print_erasure)


@click.command("rotate-encryption")
@common
@click.pass_obj
def rotate_encryption(wishes: Wishes) -> None:
    """Seal everything with a new key, while the gateway runs.

    It can be interrupted, and the gateway killed: it goes on by itself. Older keys can be dropped when it is done.
    """
    with wishes.gateway() as gateway:
        answer = gateway.post("/v1/encryption/rotate", holds="status")
        answer = _to_the_end(gateway, "/v1/encryption/rotate", answer)
    wishes.answer(answer, _print_rotation)


@click.group("audit", cls=ListGroup)
@common
def audit() -> None:
    """Show who did what."""


@audit.command("list")
@click.option("--by", metavar="ID", help="Acts of one API key.")
@click.option("--action", metavar="WORD", help="Acts of one kind, such as create_key.")
@click.option("--object", metavar="ID", help="What was done to one object.")
@paging
@common
@click.pass_obj
def list_audit(wishes: Wishes, /, by: str | None, **query: Any) -> None:
    """List acts, oldest first."""
    wishes.listing("/v1/audit", ACTS, "Nothing was done yet.", {**query, "key": by})


def _to_the_end(gateway: Gateway, path: str, answer: Any) -> Any:
    """Follow what goes on at the gateway until it is done, and say on a terminal how far it is."""
    with progress() as tell:
        while answer["status"] == "running":
            tell(_percent(answer))
            time.sleep(LOOK_SECONDS)
            answer = gateway.get(path, holds="status")
    return answer


def _percent(answer: Any) -> str:
    total = answer["to_look_at"] or 1
    return f"{100 * answer['looked_at'] // total:3d} % of {total:,} looked at"


def _print_erasure(answer: Any) -> None:
    if not any(answer[counted] for counted in ("events", "receipts", "quarantined", "deliveries")):
        show.say("Nothing that is kept is about it: see that the address or key is written as it was.")
        return
    show.say(
        f"Erased: {answer['events']} events, the bytes of {answer['receipts']} calls "
        f"({answer['quarantined']} of them in quarantine), {answer['deliveries']} waiting deliveries."
    )
    show.say("Backups made before still hold the person.")


def _print_rotation(answer: Any) -> None:
    if answer["broken"]:
        raise Failed(
            f"everything is sealed with the newest key but {answer['broken']} values that no key opens: they were "
            "changed on disk, and stay as they are"
        )
    show.say(f"Everything is sealed with the newest key: {answer['resealed']} values were changed.")
    show.say("Older keys can be dropped (all lines of secret.keys but the first), unless a backup needs them.")
