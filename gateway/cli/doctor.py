"""`gateway doctor`: look at everything an operator would look at, and say what to do about what is not well."""

import ctypes
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import rich_click as click
from msgspec.structs import asdict
from rich.text import Text

from gateway import config
from gateway.cli import rounds, show
from gateway.cli.reach import Wishes, common
from gateway.cli.rounds import STYLES, Finding, Verdict
from gateway.contract.errors import ConfigurationError

LOW_DISK, LITTLE_DISK = 256 << 20, 2 << 30
"""Free bytes below which calls may soon be refused, and below which one should look."""
UNSYNCHRONISED = 5
"""adjtimex(2): the kernel knows of nobody who sets the clock."""
KEY_FILE, DATABASE = "secret.keys", "gateway.db"


@click.command("doctor")
@common
@click.pass_obj
def doctor(wishes: Wishes) -> int:
    """Check configuration, data directory, clock, the public URL, connections and destinations, and say what to do.

    Asks providers what exists there, and changes nothing. The exit status is 1 when something failed.
    """
    findings: list[Finding] = []
    for finding in _looks(wishes):
        findings.append(finding)
        if not wishes.as_json:
            _print(finding)
    if wishes.as_json:
        show.print_json({"findings": [asdict(finding) for finding in findings]})
    return int(any(finding.verdict == "failed" for finding in findings))


def _print(finding: Finding) -> None:
    line = Text().append(f"{finding.verdict:8}", style=STYLES[finding.verdict])
    line.append(f" {show.clean(finding.about)}: {show.clean(finding.detail)}")
    show.console().print(line, soft_wrap=True)
    if finding.advice:
        show.say(f"         -> {show.clean(finding.advice)}")
    sys.stdout.flush()


def _looks(wishes: Wishes) -> Iterator[Finding]:
    try:
        settings = wishes.settings()
    except ConfigurationError as error:
        yield Finding("configuration", "failed", str(error), "correct that setting; nothing else was looked at")
        return
    yield Finding("configuration", "ok", "every setting can be read")
    yield _clock()
    if wishes.gateway_url is None and settings.url is None:
        yield from _directory(settings) if settings.database_url is None else _server(settings, settings.database_url)
    yield from rounds.visit(wishes)


# --- this machine --------------------------------------------------------------------------------------------------


def _clock() -> Finding:
    """Signatures carry the time, and consumers refuse those that are minutes off."""
    about = "clock"
    if sys.platform != "linux":
        return Finding(about, "ok", f"{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())} by this machine")
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512))
    now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    if state == UNSYNCHRONISED:
        return Finding(
            about,
            "warning",
            f"{now}, and as far as this machine tells nothing keeps it right",
            "run an NTP client (chrony, systemd-timesyncd): consumers refuse signatures whose time is minutes off",
        )
    return Finding(about, "ok", f"{now}, kept right")


def _directory(settings: config.Settings) -> Iterator[Finding]:
    directory = settings.data_dir
    if not (directory / DATABASE).exists():
        yield Finding(
            "data", "warning", f"{directory} holds no database", "`gateway serve` makes one at its first start"
        )
        return
    yield _modes(directory)
    if settings.secret_keys is None:
        yield _keys(directory)
    free = shutil.disk_usage(directory).free
    detail = f"{free >> 20:,} MiB free for {directory}"
    if free < LITTLE_DISK:
        verdict: Verdict = "failed" if free < LOW_DISK else "warning"
        yield Finding("disk", verdict, detail, "make room: calls are answered 503 when it is full")
    else:
        yield Finding("disk", "ok", detail)


def _server(settings: config.Settings, url: str) -> Iterator[Finding]:
    from gateway.store.engines.bringing import look  # noqa: PLC0415 -- loads a driver that few need

    if settings.secret_keys is None:
        advice = "set it, to the same for every gateway on this database"
        yield Finding("keys", "failed", "GATEWAY_SECRET_KEYS is not set", advice)
    about, name = "database", config.database_name(url)
    try:
        version = look(url)
    except ConfigurationError as error:
        yield Finding(about, "failed", str(error), "nothing can be kept until that is put right")
        return
    if version:
        yield Finding(about, "ok", f"{name} answers, schema {version}, durable")
    else:
        advice = "`gateway serve` or `gateway migrate` makes it ready"
        yield Finding(about, "warning", f"{name} answers and holds nothing yet", advice)


def _modes(directory: Path) -> Finding:
    open_to_others = [
        path.name for path in (directory, *directory.iterdir()) if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_to_others:
        names = ", ".join(open_to_others[:3])
        return Finding("data", "failed", f"others on this machine may read {names}", f"chmod -R go= {directory}")
    return Finding("data", "ok", f"{directory} is for its owner only")


def _keys(directory: Path) -> Finding:
    if not (directory / KEY_FILE).exists():
        advice = "put the file back from where you keep it: without it the database cannot be read"
        return Finding("keys", "failed", f"{directory / KEY_FILE} is missing", advice)
    return Finding("keys", "ok", f"{directory / KEY_FILE} is there; keep a copy in another place than the backups")
