"""A copy of the database, made on the machine where it lies."""

from pathlib import Path

import rich_click as click

from gateway.cli import show
from gateway.cli.progress import watching
from gateway.cli.reach import Failed, Wishes, config_option, json_option


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@json_option
@click.pass_obj
def backup(wishes: Wishes, file: Path) -> None:
    """Copy the database of the data directory to FILE, also while the gateway runs.

    FILE must not exist. It holds everything but the keys that it is sealed with: keep those too, in another place.

    To go back to it, stop the gateway, put FILE in the place of gateway.db and start: its connections want a repair.
    """
    from gateway.store.engines.sqlite_backup import backup as copy  # noqa: PLC0415 -- loads the store: not for --help

    settings = wishes.settings()
    if (settings.database_url or "").startswith("postgres"):
        raise Failed("the database is PostgreSQL's: copy it with pg_dump or by its own continuous archiving")
    with watching(lambda: _copied(file)):
        size = copy(settings.data_dir, file)
    wishes.answer({"file": str(file), "bytes": size}, lambda _: show.say(f"Wrote {show.clean(file)}: {size:,} bytes."))


def _copied(file: Path) -> str:
    """Tell how much lies in the draft beside FILE already."""
    drafts = list(file.parent.glob(f".{file.name}.*"))
    return f"{max((draft.stat().st_size for draft in drafts), default=0) >> 20:,} MiB copied"
