"""The command line: one line on standard error when something fails, and an exit status that says which kind it was."""

import sys
from collections.abc import Sequence

import rich_click as click

from gateway import __version__
from gateway.cli import asking, show
from gateway.cli.backup import backup
from gateway.cli.completion import completion
from gateway.cli.connect import connect, providers
from gateway.cli.connections import connections
from gateway.cli.demo import demo
from gateway.cli.destinations import destinations
from gateway.cli.doctor import doctor
from gateway.cli.events import events
from gateway.cli.keys import keys
from gateway.cli.migrate import migrate
from gateway.cli.privacy import audit, erase, rotate_encryption
from gateway.cli.reach import Wishes, common, config_option
from gateway.cli.simulate import simulate
from gateway.cli.traffic import deliveries, quarantine
from gateway.cli.url import url
from gateway.contract.errors import GatewayError

DONE, REFUSED, WRONG_USAGE = 0, 1, 2


@click.group("gateway", context_settings={"help_option_names": ["-h", "--help"]})
@common
@click.version_option(__version__, prog_name="gateway", message="%(prog)s %(version)s")
def cli() -> None:
    """Receive booking webhooks from every provider on one URL, and send one signed, canonical event out.

    `gateway serve` starts a gateway; the other commands talk to it.
    """


@cli.command()
@config_option
@click.pass_obj
def serve(wishes: Wishes) -> int:
    """Run the gateway until it is told to stop.

    Needs no configuration: what is missing is made in the data directory (GATEWAY_DATA_DIR).
    """
    settings = wishes.settings()
    from gateway.web.server import run  # noqa: PLC0415 -- loads the web framework and the store: not for clients

    return run(settings)


TRIALS = (demo, simulate)
TRAFFIC = (events, deliveries, quarantine)
CARE = (migrate, backup, erase, rotate_encryption, audit)
for command in (
    *TRIALS,
    doctor,
    url,
    providers,
    connect,
    connections,
    destinations,
    *TRAFFIC,
    keys,
    *CARE,
    completion,
):
    cli.add_command(command)
for command in asking.COMMANDS:
    connections.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 refused or failed, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:  # a terminal that cannot show a character shows its code, and no error
            reconfigure(errors="backslashreplace")
    try:
        result = cli.main(arguments, prog_name="gateway", standalone_mode=False, obj=Wishes())
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "gateway"
        return _fail(f"{error.format_message()} (see `{path} --help`)", WRONG_USAGE)
    except click.ClickException as error:
        return _fail(error.format_message(), REFUSED)
    except GatewayError as error:
        return _fail(str(error), REFUSED)
    except click.Abort:
        return _fail("stopped", REFUSED)
    return result if isinstance(result, int) else DONE


def _fail(message: str, status: int) -> int:
    line = show.clean(" ".join(message.split()))
    print(f"gateway: {line}", file=sys.stderr)  # noqa: T201 -- where errors belong
    return status
