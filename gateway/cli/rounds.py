"""What `gateway doctor` looks at in a running gateway: one finding for each thing, whatever is wrong with it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from gateway.cli import show
from gateway.cli.reach import Failed, Gateway, LacksScope, NotAdmitted, Unreachable, Wishes, segment

Verdict = Literal["ok", "warning", "failed"]
STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}
LATELY = timedelta(days=1)
"""So long a refused call is news; on the internet somebody always tries something."""
TELL = "If a provider's own list of the webhooks it sent shows failures (401), they are its calls"
"""How to tell a provider's calls from forged ones: the gateway keeps nothing of either."""
REFUSED = {
    "token": (
        "calls to a URL that is none of this gateway's (404)",
        "a provider may still have an old or mistyped URL: `gateway url` shows the one to paste",
    ),
    "signature": (
        "calls that fit no connection, or are not signed with its secret (401)",
        f"forged calls are refused like this: nothing came in. {TELL}: `gateway connect PROVIDER`, or mend its secret",
    ),
    "encoding": ("compressed calls (415)", "switch the compression of webhooks off at the provider"),
}
"""Why calls are refused: which they are, and what to do about it."""


class Finding(Struct, frozen=True):
    """One thing that was looked at. `advice`: what to do, when it is not well."""

    about: str
    verdict: Verdict
    detail: str
    advice: str = ""


def visit(wishes: Wishes) -> Iterator[Finding]:
    """Look at everything that the gateway tells; what the key may not see is said, with the scope that it lacks."""
    answered = False
    try:
        with wishes.gateway() as gateway:
            for finding in _gateway(gateway):
                answered = True
                yield finding
    except NotAdmitted as error:
        yield Finding("key", "failed", str(error), "`gateway keys create` makes one, with the key in admin.key")
    except Failed as error:
        if answered:
            advice = "run `gateway doctor` again when the gateway is ready"
            yield Finding("all else", "failed", f"not looked at: {error}", advice)
        else:
            yield Finding(
                "gateway", "failed", str(error), "`gateway serve` starts it; its first lines say what is wrong"
            )


def _gateway(gateway: Gateway) -> Iterator[Finding]:
    yield _ready(gateway)
    lacking: dict[str, list[str]] = {}
    for about, look in LOOKS:
        try:
            yield from look(gateway)
        except LacksScope as error:
            lacking.setdefault(error.scope, []).append(about)
    if lacking:
        kept = "; ".join(f"without {scope} not looked at: {', '.join(abouts)}" for scope, abouts in lacking.items())
        options = " ".join(f"--scope {scope}" for scope in lacking)
        make = f"`gateway keys create {options}`, with the scopes it has and an admin's key, makes one that may"
        yield Finding("key", "warning", f"it lacks scopes: {kept}", make)


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


def _public(gateway: Gateway) -> Iterator[Finding]:
    """Ask the inbound URL as a provider would that probes it; its token is in no answer of ours."""
    url = gateway.get("/v1/url", holds="inbound_url")["inbound_url"]
    shown = url.rpartition("/in/")[0]
    about = "public URL"
    advice = "GATEWAY_PUBLIC_URL must lead here from the internet: check DNS, the TLS proxy and its certificate"
    try:
        status = gateway.probe(url)
    except Failed as error:
        yield Finding(about, "failed", f"{shown} cannot be reached from here: {error}", advice)
        return
    if status != 200:  # noqa: PLR2004 -- what a probe is answered
        yield Finding(about, "failed", f"{shown} answers {status}, not as this gateway does", advice)
    elif not url.startswith("https://"):
        advice = "providers on the internet need GATEWAY_PUBLIC_URL=https://... with a TLS proxy in front"
        yield Finding(about, "warning", f"{shown} answers, but without TLS", advice)
    else:
        yield Finding(about, "ok", f"{shown} answers")


def _calls(gateway: Gateway) -> Iterator[Finding]:
    refused = gateway.get("/v1/stats")["refused"]
    lately = {reason: one for reason, one in refused.items() if _is_late(one["last_at"])}
    if "signature" in lately and _told_of_one(gateway):
        del lately["signature"]
    for reason, one in lately.items():
        what, advice = REFUSED.get(reason, (f"calls refused for their {reason}", "the gateway's log says more"))
        detail = f"{what}: {one['count']:,} since the start, the last at {show.when(one['last_at'])}"
        yield Finding("refused calls", "warning", detail, advice)
    if not lately:
        yield Finding("refused calls", "ok", "no others lately" if "signature" in refused else "none lately")


def _told_of_one(gateway: Gateway) -> bool:
    """Say whether refused signatures are told of a connection, so that they need not be told twice."""
    with suppress(LacksScope):
        return any(_refuses(connection) for connection in _all(gateway, "/v1/connections"))
    return False


def _is_late(at: str | None) -> bool:
    return at is not None and datetime.now(UTC) - datetime.fromisoformat(at) < LATELY


def _quarantine(gateway: Gateway) -> Iterator[Finding]:
    waiting = gateway.get("/v1/stats")["receipts"]["quarantined"]
    if waiting:
        detail = "1 call was not understood" if waiting == 1 else f"{waiting:,} calls were not understood"
        yield Finding("quarantine", "warning", detail, "`gateway quarantine` says why")
    else:
        yield Finding("quarantine", "ok", "empty")


# --- connections ---------------------------------------------------------------------------------------------------


def _connections(gateway: Gateway) -> Iterator[Finding]:
    for connection in _all(gateway, "/v1/connections"):
        yield _connection(gateway, connection)


def _connection(gateway: Gateway, connection: dict[str, Any]) -> Finding:
    about, path = _named("connection", connection), f"/v1/connections/{segment(connection['id'])}"
    try:
        checked = gateway.post(f"{path}/check", holds="plan")
    except (Unreachable, LacksScope, NotAdmitted):
        raise
    except Failed as error:
        return Finding(about, "failed", str(error), "put that right at the provider, or `gateway connections show` it")
    status, words = checked["status"], "; ".join(one["words"] for one in checked["drift"])
    if status in ("broken", "needs_repair") or words:
        detail = f"{status}: {words or checked.get('problem') or 'it needs a person'}"
        return Finding(about, "failed", detail, f"`gateway connections check {connection['id']}` shows the plan")
    if _refuses(checked):
        return _refused(about, checked)
    if checked["silent"]:
        advice = "see at the provider whether bookings were made, and whether its webhook still points here"
        return Finding(about, "warning", f"{status}, but silent for longer than usual", advice)
    heard = checked["last_received_at"]
    return Finding(about, "ok", f"{status}, {'last call ' + show.when(heard) if heard else 'no call yet'}")


def _refuses(checked: dict[str, Any]) -> bool:
    """Say whether the latest thing that happened to it is a refused call."""
    refused, heard = checked["last_rejected_at"], checked["last_received_at"]
    return _is_late(refused) and (heard is None or datetime.fromisoformat(refused) > datetime.fromisoformat(heard))


def _refused(about: str, checked: dict[str, Any]) -> Finding:
    many, last = checked["rejected"], show.when(checked["last_rejected_at"])
    detail = f"{checked['status']}, but refused calls that look like its own (401): {many:,}, the last at {last}"
    if checked["verification"] == "token":
        return Finding(about, "warning", detail, f"`gateway connections show {checked['id']}` says what it takes")
    advice = (
        f"they may be forged: then all is well, and nothing came in. {TELL}, signed with another secret: give that "
        f"with `gateway connections rotate {checked['id']} --signing-secret`"
    )
    return Finding(about, "warning", detail, advice)


# --- destinations --------------------------------------------------------------------------------------------------


def _destinations(gateway: Gateway) -> Iterator[Finding]:
    counts = gateway.get("/v1/stats")["deliveries"]
    for destination in _all(gateway, "/v1/destinations"):
        yield _destination(destination, counts.get(destination["id"], {}), gateway)


def _destination(destination: dict[str, Any], counts: dict[str, int], gateway: Gateway) -> Finding:
    """Say in one line all that is wrong with one, and in the other what to do, in its order."""
    about, identity = _named("destination", destination), destination["id"]
    dead, pending = counts.get("dead", 0), counts.get("pending", 0)
    waits = f"{pending:,} waiting" if pending else "nothing waiting"
    detail, advice = waits, []
    if destination["paused"]:
        detail = f"paused ({destination['paused_reason'] or 'by an operator'}), {waits}"
        advice.append(f"`gateway destinations {'resume' if destination['url'] else 'remove'} {identity}`")
    elif pending and (tried := _tried(identity, gateway)):
        detail = f"{waits}; {tried}"
        hurry = f"`gateway deliveries retry --status pending --destination {identity}`"
        advice.append(
            f"`gateway destinations test {identity}` tells how it is now; once it is well, {hurry} sends these"
        )
    if dead:
        detail = f"{detail}; {dead:,} deliveries are dead"
        which = f"--status dead --destination {identity}"
        advice.append(f"`gateway deliveries {which}` says why, `gateway deliveries retry {which}` tries them again")
    return Finding(about, "warning" if advice else "ok", detail, "; ".join(advice))


def _tried(identity: str, gateway: Gateway) -> str | None:
    """Tell of the oldest that waits, if it was tried in vain."""
    asked = {"status": "pending", "destination": identity, "limit": 1}
    oldest = next(iter(gateway.page("/v1/deliveries", asked)["items"]), None)
    if oldest is None or not oldest["attempt"]:
        return None
    error = oldest["last_error"] or oldest["last_status"] or "no answer yet"
    often = "once" if oldest["attempt"] == 1 else f"{oldest['attempt']} times"
    return f"the oldest was tried {often}: {error}"


LOOKS: tuple[tuple[str, Callable[[Gateway], Iterator[Finding]]], ...] = (
    ("public URL", _public),
    ("refused calls", _calls),
    ("quarantine", _quarantine),
    ("connections", _connections),
    ("destinations", _destinations),
)
