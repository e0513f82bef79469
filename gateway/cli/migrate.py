"""Bring the database to what this version knows, or move everything to PostgreSQL. Done without a running gateway."""

import sys
from pathlib import Path

import rich_click as click

from gateway.cli import show
from gateway.cli.reach import Wishes, config_option, json_option
from gateway.cli.source import Sources
from gateway.config import Settings, database_name

EMBEDDED = "sqlite:///"
SHOW_EVERY = 50_000
"""Rows between two lines about one table."""


@click.command("migrate")
@click.option("--from", "source", metavar="sqlite:///DIR", help="Move what is in this data directory.")
@click.option(
    "--to",
    "target",
    metavar="postgresql://...",
    help="An empty database; by default GATEWAY_DATABASE_URL. With a password in it: @FILE, - or env:NAME.",
)
@config_option
@json_option
@click.pass_obj
def migrate(wishes: Wishes, source: str | None, target: str | None) -> None:
    """Bring the database to what this version knows, and end. `gateway serve` does so too.

    With --from and --to, move everything from SQLite to PostgreSQL: stop the gateway first. An interrupted move goes on
    when it is started again. What was delivered is not sent again; what waits is, by the gateways on PostgreSQL.
    """
    settings = wishes.settings()
    if source is None and target is None:
        _bring_up(wishes, settings)
    else:
        _move(wishes, _directory(source, settings), _database(target, settings))


def _bring_up(wishes: Wishes, settings: Settings) -> None:
    from gateway.store.engines import bringing  # noqa: PLC0415 -- loads the store: not for --help

    if settings.database_url is None:
        version, name = bringing.embedded(settings.data_dir), str(settings.data_dir)
    else:
        version, name = bringing.postgres(settings.database_url), database_name(settings.database_url)
    wishes.answer({"schema": version}, lambda _: show.say(f"{show.clean(name)} has schema {version}."))


def _directory(source: str | None, settings: Settings) -> Path:
    if source is None:
        return settings.data_dir
    if not source.startswith(EMBEDDED):
        raise click.UsageError("--from is sqlite:///DIR, with the data directory of the gateway that is to be moved")
    rest = source.removeprefix(EMBEDDED)
    path = Path("/", rest) if Path("/", rest).exists() else Path(rest)
    return path.parent if path.is_file() else path


def _database(target: str | None, settings: Settings) -> str:
    if target is not None and (target == "-" or target.startswith(("@", "env:"))):
        target = Sources().read("--to", target)
    url = target or settings.database_url
    if url is None or not url.startswith(("postgresql://", "postgres://")):
        raise click.UsageError("--to is postgresql://..., or GATEWAY_DATABASE_URL is set to it")
    return url


def _move(wishes: Wishes, source: Path, target: str) -> None:
    from gateway.store.engines.moving import move  # noqa: PLC0415 -- loads the store: not for --help

    tables = move(source, target, _Progress(wishes.as_json))
    rows = sum(tables.values())
    words = (
        f"Moved {rows:,} rows of {len(tables)} tables to {show.clean(database_name(target))}; counts and digests"
        f" agree. Set GATEWAY_DATABASE_URL and GATEWAY_SECRET_KEYS (what {show.clean(source / 'secret.keys')} holds),"
        f" then start gateways on it. None starts on {show.clean(source)} any more: it would send what waits twice."
    )
    wishes.answer({"rows": rows, "tables": tables}, lambda _: show.say(words))


class _Progress:
    """Tell on standard error how far it is."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._said: dict[str, int] = {}

    def __call__(self, table: str, done: int, rows: int) -> None:
        before = self._said.get(table)
        if self._quiet or not rows or (before is not None and done - before < SHOW_EVERY and done < rows):
            return
        if done != before:
            self._said[table] = done
            print(f"{table:14} {done:>12,} of {rows:,}", file=sys.stderr, flush=True)  # noqa: T201 -- not the answer
