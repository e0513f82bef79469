"""What a connection's newest call looks like."""

from typing import Any

from gateway.cli import show
from gateway.cli.table import Column

PARTS = (Column("NAME", "name", fold="never"), Column("HOLDS", "shape"))


def print_latest(found: Any) -> None:
    """Print the newest call; it is empty when there is none."""
    if not found:
        show.say("No call has come yet.")
        return
    unknown = "" if found["recognised"] else ", which nobody recognised"
    show.say(f"The latest call{unknown}: {show.when(found['received_at'])}, {found['size']} bytes, {found['status']}.")
    if found["reason"]:
        show.say(f"  {show.clean(found['reason'])}")
    if found["signed"] is not None:
        fits = "It is signed as this connection says." if found["signed"] else f"It is not: {found['misfit']}."
        show.say(f"  {show.clean(fits)}")
    for title, parts in (("Its headers:", found["headers"]), ("Its body:", found["body"])):
        show.say(title)
        show.print_table(PARTS, parts) if parts else show.say("  neither JSON nor a form")
