"""`gateway simulate`: one provider's stand-in by itself, so that a connection can be tried without an account."""

import rich_click as click

from gateway.cli.reach import Wishes, json_option
from gateway.cli.source import SOURCES, Sources

PORT = 9100


@click.command("simulate")
@click.argument("provider")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, metavar="N", help=f"Where: {PORT}. 0: a free one.")
@click.option("--send", is_flag=True, help="Make all calls once there is a webhook, and end.")
@click.option("--webhook", metavar="SOURCE", help=f"The URL to call where it is pasted by hand, from {SOURCES}.")
@json_option
@click.pass_obj
def simulate(wishes: Wishes, provider: str, *, port: int, send: bool, webhook: str | None) -> int:
    """Be PROVIDER on this machine: its API, which wants a log-in, and its calls to the webhooks that are made there.

    Prints the command that connects it. Each Enter makes the next call of a booking's life; the last one is broken on
    purpose. Ctrl-C ends it.
    """
    pasted = Sources().read("--webhook", webhook) if webhook is not None else None
    from gateway.cli.demo import alone  # noqa: PLC0415 -- loads a simulator and a server: not for --help

    return alone.run(provider, port, pasted, send=send, as_json=wishes.as_json)
