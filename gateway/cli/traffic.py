"""What is on its way to consumers, and what could not be understood."""

from collections.abc import Callable
from typing import Any

import rich_click as click

from gateway.cli import show
from gateway.cli.progress import watching
from gateway.cli.raw import raw_options, show_one
from gateway.cli.reach import Gateway, ListGroup, Wishes, common, paging, segment
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
    _retry(wishes, "/v1/deliveries", delivery, {"status": status}, _dead)


def _dead(gateway: Gateway) -> str:
    counts = gateway.get("/v1/stats", holds="deliveries")["deliveries"].values()
    return f"{sum(one['dead'] for one in counts):,} still dead"


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
    _retry(wishes, "/v1/quarantine", receipt, {}, _quarantined)


def _quarantined(gateway: Gateway) -> str:
    return f"{gateway.get('/v1/stats', holds='receipts')['receipts']['quarantined']:,} in quarantine"


def _retry(wishes: Wishes, path: str, one: str | None, which: dict[str, Any], left: Callable[[Gateway], str]) -> None:
    """Retry one thing of a list, or all `which` are meant; `left` tells meanwhile how many there still are."""
    with wishes.gateway() as gateway:
        if one is not None:
            answer = gateway.post(f"{path}/{segment(one)}/retry")
        else:
            with watching(lambda: left(gateway)):
                answer = gateway.post(f"{path}/retry", which)
    wishes.answer(answer, show.print_details)


@quarantine.command("discard")
@click.argument("receipt", metavar="ID")
@common
@click.pass_obj
def discard_quarantined(wishes: Wishes, receipt: str) -> None:
    """Give a receipt up: its bytes go, and a later copy is a duplicate."""
    wishes.remove(f"/v1/quarantine/{segment(receipt)}", f"Discarded {show.clean(receipt)}.")
