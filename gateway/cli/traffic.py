"""What is on its way to consumers, and what could not be understood."""

from typing import Any

import rich_click as click
from rich.text import Text

from gateway.cli import show
from gateway.cli.progress import progress, watching
from gateway.cli.raw import raw_options, show_one
from gateway.cli.reach import Failed, Gateway, ListGroup, Wishes, common, paging, segment
from gateway.cli.table import Column
from gateway.pipeline.reasons import meaning

DELIVERIES = (
    Column("ID", "id", fold="never"),
    Column("EVENT TYPE", "event_type", fold="late"),
    Column("STATUS", "status"),
    Column("TRIES", "attempt"),
    Column("EVENT", "event", fold="never", if_room=True),
    Column("DESTINATION", "destination", fold="never", if_room=True),
    Column("DUE", "due_at", if_room=True),
    Column("LAST ANSWER", "answer"),
)
QUARANTINE = (
    Column("RECEIPT", "receipt", fold="never"),
    Column("RECEIVED", "received_at"),
    Column("REASON", "reason"),
)

STEP = 200
"""Calls in quarantine that are retried with one question."""
NEXT = {
    "see its bytes": "gateway quarantine show {} --raw",
    "translate again": "gateway quarantine retry {}",
    "give it up": "gateway quarantine discard {}",
}
"""What can be done with a receipt, and how."""

# --- deliveries ----------------------------------------------------------------------------------------------------


@click.group("deliveries", cls=ListGroup)
@common
def deliveries() -> None:
    """List, show and retry deliveries."""


STATUS = click.Choice(["pending", "delivered", "dead", "skipped"])


@deliveries.command("list")
@click.option("--status", type=STATUS, help="Deliveries in one state.")
@click.option("--destination", metavar="ID", help="Deliveries to one destination.")
@click.option("--event", metavar="ID", help="Deliveries of one event.")
@paging
@common
@click.pass_obj
def list_deliveries(wishes: Wishes, /, **query: Any) -> None:
    """List deliveries, oldest first."""
    wishes.listing("/v1/deliveries", DELIVERIES, "No delivery here.", query, _with_answer)


def _with_answer(item: dict[str, Any]) -> dict[str, Any]:
    """Say in one cell what the consumer answered last, or why it did not."""
    return {**item, "answer": item.get("last_error") or item.get("last_status")}


@deliveries.command("show")
@click.argument("delivery", metavar="ID")
@common
@click.pass_obj
def show_delivery(wishes: Wishes, delivery: str) -> None:
    """Show one delivery with its attempts."""
    wishes.one(f"/v1/deliveries/{segment(delivery)}")


@deliveries.command("retry")
@click.argument("delivery", metavar="[ID]", required=False)
@click.option("--status", type=click.Choice(["dead", "pending"]), help="Retry all such, in the place of an ID.")
@click.option("--destination", metavar="ID", help="With --status: those to one destination.")
@common
@click.pass_obj
def retry_deliveries(wishes: Wishes, delivery: str | None, status: str | None, destination: str | None) -> None:
    """Try a dead delivery once more, or all with `--status dead`; with `--status pending` what waits is tried now."""
    if (delivery is None) == (status is None):
        raise click.UsageError("name one delivery, or all dead ones with --status dead")
    if destination is not None and status is None:
        raise click.UsageError("--destination is about --status")
    with wishes.gateway() as gateway:
        if delivery is not None:
            answer = gateway.post(f"/v1/deliveries/{segment(delivery)}/retry")
        else:
            which = {"status": status} | ({"destination": destination} if destination else {})
            with watching(lambda: _amount(gateway, status or "dead")):
                answer = gateway.post("/v1/deliveries/retry", which, patient=True)
    wishes.answer(answer, show.print_details)


def _amount(gateway: Gateway, status: str) -> str:
    counts = gateway.get("/v1/stats", holds="deliveries")["deliveries"].values()
    return f"{sum(one[status] for one in counts):,} still {status}"


# --- quarantine ----------------------------------------------------------------------------------------------------


@click.group("quarantine", cls=ListGroup)
@common
def quarantine() -> None:
    """List, show, retry and discard calls that were authentic but not understood."""


@quarantine.command("list")
@paging
@common
@click.pass_obj
def list_quarantine(wishes: Wishes, /, **query: Any) -> None:
    """List what waits to be understood, oldest first."""
    wishes.listing("/v1/quarantine", QUARANTINE, "Nothing is in quarantine.", query)


@quarantine.command("show")
@click.argument("receipt", metavar="ID")
@raw_options
@common
@click.pass_obj
def show_quarantined(wishes: Wishes, receipt: str, raw: bool, exact: bool) -> None:
    """Show one receipt, why it was not understood and what to do, or with --raw the bytes that came."""
    show_one(wishes, f"/v1/quarantine/{segment(receipt)}", raw, exact, _print_quarantined)


def _print_quarantined(item: dict[str, Any]) -> None:
    """Say under what is known of it what that means, and the commands that come next."""
    show.print_details(item)
    found, receipt = meaning(item.get("reason")), show.clean(item["receipt"])
    show.say()
    show.print_named([("why", [Text(show.clean(found.said))]), ("what to do", [Text(show.clean(found.todo))])])
    show.say()
    show.print_named([(what, [Text(command.format(receipt))]) for what, command in NEXT.items()])


@quarantine.command("retry")
@click.argument("receipt", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Retry all, in the place of an ID.")
@common
@click.pass_obj
def retry_quarantined(wishes: Wishes, receipt: str | None, everything: bool) -> None:
    """Translate a receipt again, or all of them, after its plugin was put right."""
    if (receipt is None) != everything:
        raise click.UsageError("name one receipt, or all with --all")
    with wishes.gateway() as gateway:
        if receipt is not None:
            answer = gateway.post(f"/v1/quarantine/{segment(receipt)}/retry", holds="status")
            left = answer["status"] == "quarantined" and _still(answer)
        else:
            answer = _retry_all(gateway)
            left = f"{answer['quarantined']:,} of {answer['retried']:,} are" if answer["quarantined"] else ""
    if wishes.as_json or not left:
        wishes.answer(answer, show.print_details)
    if left:
        raise Failed(f"{left} still not understood: `gateway quarantine show ID` says what to do")


def _still(answer: dict[str, Any]) -> str:
    return f"{answer['receipt']} ({answer['reason']}) is"


def _retry_all(gateway: Gateway) -> dict[str, Any]:
    """Retry all, some at a time: each answer comes soon, and it can be told how far that is."""
    sums, after = {"retried": 0, "quarantined": 0}, None
    with progress() as tell:
        while True:
            answer = gateway.post("/v1/quarantine/retry", {"limit": STEP, "after": after}, holds="retried")
            sums = {name: amount + answer[name] for name, amount in sums.items()}
            after = answer["next"]
            if after is None:
                return {**answer, **sums}
            tell(f"{sums['retried']:,} tried again, {sums['quarantined']:,} of them still not understood")


@quarantine.command("discard")
@click.argument("receipt", metavar="ID")
@common
@click.pass_obj
def discard_quarantined(wishes: Wishes, receipt: str) -> None:
    """Give a receipt up: its bytes go, and a later copy is a duplicate."""
    wishes.remove(f"/v1/quarantine/{segment(receipt)}", f"Discarded {show.clean(receipt)}.")
