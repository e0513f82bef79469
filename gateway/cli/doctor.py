"""`gateway doctor`: look at everything an operator would look at, and say what to do about what is not well."""

import ctypes
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import rich_click as click
from msgspec import Struct
from msgspec.structs import asdict
from rich.text import Text

from gateway import config
from gateway.cli import show
from gateway.cli.reach import Failed, Gateway, Unreachable, Wishes, common, segment
from gateway.contract.errors import ConfigurationError

LOW_DISK, LITTLE_DISK = 256 << 20, 2 << 30
"""Free bytes below which calls may soon be refused, and below which one should look."""
UNSYNCHRONISED = 5
"""adjtimex(2): the kernel knows of nobody who sets the clock."""
KEY_FILE, DATABASE = "secret.keys", "gateway.db"

Verdict = Literal["ok", "warning", "failed"]
STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}


class Finding(Struct, frozen=True):
    """One thing that was looked at. `advice`: what to do, when it is not well."""

    about: str
    verdict: Verdict
    detail: str
    advice: str = ""


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
    try:
        with wishes.gateway() as gateway:
            yield from _gateway(gateway)
    except Failed as error:
        yield Finding("gateway", "failed", str(error), "`gateway serve` starts it; its first lines say what is wrong")


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


# --- the running gateway -------------------------------------------------------------------------------------------


def _gateway(gateway: Gateway) -> Iterator[Finding]:
    yield _ready(gateway)
    yield _public(gateway)
    yield _quarantine(gateway)
    for connection in _all(gateway, "/v1/connections"):
        yield _connection(gateway, connection)
    counts = gateway.get("/v1/stats")["deliveries"]
    for destination in _all(gateway, "/v1/destinations"):
        yield from _destination(destination, counts.get(destination["id"], {}), gateway)


def _named(kind: str, thing: dict[str, Any]) -> str:
    return f"{kind} {thing['name']} ({thing['id']})"


def _all(gateway: Gateway, path: str) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        page = gateway.page(path, {"after": after, "limit": 500})
        yield from page["items"]
        after = page["next"]
        if after is None:
            return


def _ready(gateway: Gateway) -> Finding:
    status, said = gateway.look("/ready")
    failing = said.get("failing") or {}
    if status != 200:  # noqa: PLR2004 -- the only status that means ready
        return Finding("gateway", "failed", f"not ready: {said.get('reason')}", "calls are answered 503 until it is")
    if failing:
        words = "; ".join(f"{name}: {why}" for name, why in failing.items())
        return Finding("gateway", "warning", f"ready, but {words}", "its log says more; it tries again by itself")
    return Finding("gateway", "ok", f"ready at {gateway.url}")


def _public(gateway: Gateway) -> Finding:
    """Ask the inbound URL as a provider would that probes it; its token is in no answer of ours."""
    url = gateway.get("/v1/url", holds="inbound_url")["inbound_url"]
    shown = url.rpartition("/in/")[0]
    about = "public URL"
    advice = "GATEWAY_PUBLIC_URL must lead here from the internet: check DNS, the TLS proxy and its certificate"
    try:
        status = gateway.probe(url)
    except Failed as error:
        return Finding(about, "failed", f"{shown} cannot be reached from here: {error}", advice)
    if status != 200:  # noqa: PLR2004 -- what a probe is answered
        return Finding(about, "failed", f"{shown} answers {status}, not as this gateway does", advice)
    if not url.startswith("https://"):
        advice = "providers on the internet need GATEWAY_PUBLIC_URL=https://... with a TLS proxy in front"
        return Finding(about, "warning", f"{shown} answers, but without TLS", advice)
    return Finding(about, "ok", f"{shown} answers")


def _quarantine(gateway: Gateway) -> Finding:
    waiting = gateway.get("/v1/stats")["receipts"]["quarantined"]
    if waiting:
        return Finding(
            "quarantine", "warning", f"{waiting:,} calls were not understood", "`gateway quarantine` says why"
        )
    return Finding("quarantine", "ok", "empty")


def _connection(gateway: Gateway, connection: dict[str, Any]) -> Finding:
    about, path = _named("connection", connection), f"/v1/connections/{segment(connection['id'])}"
    try:
        checked = gateway.post(f"{path}/check", holds="plan")
    except Unreachable:
        raise
    except Failed as error:
        return Finding(about, "failed", str(error), "put that right at the provider, or `gateway connections show` it")
    status, words = checked["status"], "; ".join(one["words"] for one in checked["drift"])
    if status in ("broken", "needs_repair") or words:
        detail = f"{status}: {words or checked.get('problem') or 'it needs a person'}"
        return Finding(about, "failed", detail, f"`gateway connections check {connection['id']}` shows the plan")
    if checked["silent"]:
        advice = "see at the provider whether bookings were made, and whether its webhook still points here"
        return Finding(about, "warning", f"{status}, but silent for longer than usual", advice)
    heard = checked["last_received_at"]
    return Finding(about, "ok", f"{status}, {'last call ' + show.when(heard) if heard else 'no call yet'}")


def _destination(destination: dict[str, Any], counts: dict[str, int], gateway: Gateway) -> Iterator[Finding]:
    about, identity = _named("destination", destination), destination["id"]
    dead, pending = counts.get("dead", 0), counts.get("pending", 0)
    waits = f"{pending:,} waiting" if pending else "nothing waiting"
    if destination["paused"]:
        why = destination["paused_reason"] or "by an operator"
        yield Finding(about, "warning", f"paused ({why}), {waits}", f"`gateway destinations resume {identity}`")
    elif pending:
        yield _backlog(about, identity, waits, gateway)
    else:
        yield Finding(about, "ok", waits)
    if dead:
        advice = f"`gateway deliveries --status dead --destination {identity}` says why; `... retry` tries again"
        yield Finding(about, "warning", f"{dead:,} deliveries are dead", advice)


def _backlog(about: str, identity: str, waits: str, gateway: Gateway) -> Finding:
    asked = {"status": "pending", "destination": identity, "limit": 1}
    oldest = next(iter(gateway.page("/v1/deliveries", asked)["items"]), None)
    if oldest is None or not oldest["attempt"]:
        return Finding(about, "ok", waits)
    error = oldest["last_error"] or oldest["last_status"] or "no answer yet"
    detail = f"{waits}; the oldest was tried {oldest['attempt']} times: {error}"
    return Finding(about, "warning", detail, f"`gateway destinations test {identity}` tries it now")
