"""What is on its way to consumers, and what could not be understood."""

from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.events import raw_options, show_one
from gateway.cli.reach import ListGroup, Wishes, common, paging, segment
from gateway.cli.table import Column

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
@click.option("--status", type=click.Choice(["dead"]), help="Retry all that are dead, in the place of an ID.")
@common
@click.pass_obj
def retry_deliveries(wishes: Wishes, delivery: str | None, status: str | None) -> None:
    """Try a dead delivery once more, or all of them with `--status dead`."""
    if (delivery is None) == (status is None):
        raise click.UsageError("name one delivery, or all dead ones with --status dead")
    with wishes.gateway() as gateway:
        if delivery is None:
            answer = gateway.post("/v1/deliveries/retry", {"status": status})
        else:
            answer = gateway.post(f"/v1/deliveries/{segment(delivery)}/retry")
    wishes.answer(answer, show.print_details)


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
    """Show one receipt and why it was not understood, or with --raw the bytes that came."""
    show_one(wishes, f"/v1/quarantine/{segment(receipt)}", raw, exact)


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
        if receipt is None:
            answer = gateway.post("/v1/quarantine/retry", {})
        else:
            answer = gateway.post(f"/v1/quarantine/{segment(receipt)}/retry")
    wishes.answer(answer, show.print_details)


@quarantine.command("discard")
@click.argument("receipt", metavar="ID")
@common
@click.pass_obj
def discard_quarantined(wishes: Wishes, receipt: str) -> None:
    """Give a receipt up: its bytes go, and a later copy is a duplicate."""
    wishes.remove(f"/v1/quarantine/{segment(receipt)}", f"Discarded {show.clean(receipt)}.")
