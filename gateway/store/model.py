"""What the store keeps and gives back. Times are epoch milliseconds (UTC) unless the name says otherwise."""

from typing import Any, Literal

from msgspec import Struct, field

from gateway.contract.errors import GatewayError

# --- configuration rows --------------------------------------------------------------------------------------------

ConnectionStatus = Literal["registering", "waiting", "active", "needs_repair", "broken", "removing"]


class Remote(Struct, frozen=True, kw_only=True):
    """The webhook at the provider, as last seen. `secret`: the one that it was given, where that is known."""

    id: str
    url: str
    events: tuple[str, ...]
    checked_at: int
    secret: str | None = None


class Replaced(Struct, frozen=True, kw_only=True):
    """A signing secret or a URL token that has a successor and is still accepted.

    `since`: when it was replaced. `free_at`: since when no webhook of ours uses it, None while one may. `heard_at`: the
    latest call that came with it, noted of tokens only.
    """

    kind: Literal["secret", "token"]
    value: str
    since: int
    free_at: int | None = None
    heard_at: int | None = None


class Connection(Struct, frozen=True, kw_only=True):
    """One account at one provider. `secrets`: live signing secrets, newest first, empty when unsigned.

    `token` is the connection's own URL token, None when it is on the shared URL. `credentials`, `secrets` and `token`
    are sealed at rest. `version` grows with each change.

    `replaced`: older secrets (they are in `secrets` too) and own tokens that are still accepted. `problem`: what the
    latest look at the provider found, in words for the operator. `repairing`: what a person decided and is not done
    yet; `leaving`: the webhooks at addresses of before that go by it. `restored`: the row came out of a backup, and
    nobody has said since that this gateway is the one that goes on.
    `repairs`: when the watch last changed something at the provider. `missed_since`: events may be missing from then
    on. `silent_since`: the last call before it became silent. `rejected`, `last_rejected_at`: refused calls, noted now
    and then.
    """

    id: str
    provider: str
    name: str
    status: ConnectionStatus = "registering"
    account: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    credentials: dict[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    token: str | None = None
    remote: Remote | None = None
    webhook_ids: tuple[str, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    problem: str | None = None
    repairing: Literal["move", "beside"] | None = None
    leaving: tuple[Remote, ...] = ()
    restored: bool = False
    repairs: tuple[int, ...] = ()
    missed_since: int | None = None
    silent_since: int | None = None
    rejected: int = 0
    last_rejected_at: int | None = None
    created_at: int
    version: int = 0


class SigningSecret(Struct, frozen=True, kw_only=True):
    """One `whsec_...`; `expires_at` None is the current one."""

    secret: str
    expires_at: int | None = None


class Destination(Struct, frozen=True, kw_only=True):
    """Where events go. `number` is its short key in the queue. `headers` and `secrets` are sealed at rest.

    `failing_since`: nothing but failures since then; changing a destination forgets it.
    """

    id: str
    number: int = 0
    name: str
    url: str
    types: tuple[str, ...] = ("*",)
    providers: tuple[str, ...] | None = None
    connections: tuple[str, ...] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    format: Literal["standard", "cloudevents"] = "standard"
    profile: Literal["full", "thin"] = "full"
    rate: float | None = None
    paused: bool = False
    paused_reason: str | None = None
    secrets: tuple[SigningSecret, ...] = ()
    failing_since: int | None = None
    created_at: int
    version: int = 0


class Key(Struct, frozen=True, kw_only=True):
    """An API key; `digest` is its SHA-256, the key itself is kept nowhere."""

    id: str
    name: str
    digest: bytes
    scopes: tuple[str, ...]
    created_at: int


class Token(Struct, frozen=True, kw_only=True):
    """A token of the shared inbound URL, newest first; sealed at rest because it is shown and registered again.

    The rest is about one that has a successor, as in `Replaced`.
    """

    id: str
    token: str
    created_at: int
    free_at: int | None = None
    heard_at: int | None = None


class Damaged(Struct, frozen=True, kw_only=True):
    """A row that cannot be opened: its bytes were changed on disk. All that is known of it is its id."""

    kind: Literal["connection", "destination", "key", "token"]
    id: str


# --- what comes in -------------------------------------------------------------------------------------------------

ReceiptStatus = Literal["understood", "quarantined", "held", "discarded"]


class NewReceipt(Struct, frozen=True, kw_only=True, gc=False):
    """One call to keep. `digest`: 16 bytes over connection (or URL token) and body, by which the same bytes are known
    again. `inbound`: headers and body, packed; sealed by the store. `sha256`: of the body. `wants`: the keys of the
    bookings that its provider is asked about before it is understood; the call is held until then."""

    digest: bytes
    connection: str | None
    token: str
    status: ReceiptStatus
    reason: str | None = None
    proof: Literal["signature", "token"]
    received_at: int
    size: int
    sha256: bytes
    inbound: bytes
    wants: tuple[str, ...] = ()


class NewEvent(Struct, frozen=True, kw_only=True, gc=False):
    """One event to number, keep and plan. `id` 20 bytes, `data_digest` 32 bytes. `live`: it came by a call of the
    provider's, not by asking. `body`: the envelope as JSON, the bytes that are delivered; sealed by the store."""

    id: bytes
    type: str
    provider: str
    connection: str
    key: str | None
    timestamp: int
    data_digest: bytes
    live: bool
    body: bytes


class Accepted(Struct, frozen=True, gc=False):
    """What became of a call. `receipt` is the public id of the row that holds it; `events` the public ids.

    `conflict`: nothing was written, because the events at these positions have ids that other facts already have.
    """

    status: Literal["accepted", "duplicate", "quarantined", "held", "conflict"]
    receipt: str
    events: tuple[str, ...] = ()
    reason: str | None = None
    conflicts: tuple[int, ...] = ()


class StoredReceipt(Struct, frozen=True, kw_only=True):
    """A receipt as it lies in the store. `inbound` is None once its bytes are gone, and in lists."""

    id: str
    connection: str | None
    token: str
    status: ReceiptStatus
    reason: str | None
    proof: Literal["signature", "token"]
    received_at: int
    size: int
    sha256: bytes
    inbound: bytes | None = None


class StoredEvent(Struct, frozen=True, kw_only=True):
    """An event as it lies in the store. `seq` is its number, the cursor. `receipt` is where its bytes are.

    `gone` says why its body is empty: somebody had it erased, it is older than what is kept, or it was changed on disk.
    Never so in lists.
    """

    seq: int
    id: str
    type: str
    provider: str
    connection: str
    key: str | None
    timestamp: int
    receipt: str | None
    body: bytes
    gone: Literal["erased", "expired", "damaged"] | None = None


# --- what goes out -------------------------------------------------------------------------------------------------

DeliveryStatus = Literal["pending", "delivered", "dead", "skipped"]


class Delivery(Struct, frozen=True, kw_only=True):
    """One event on its way to one destination, as the API shows it. `attempt`: tries so far."""

    id: str
    event: str
    event_type: str
    destination: str
    key: str | None
    status: DeliveryStatus
    attempt: int
    due_at: int | None
    last_status: int | None
    last_error: str | None
    created_at: int
    finished_at: int | None


class Attempt(Struct, frozen=True, kw_only=True):
    """One try. `status` is the HTTP status, None when no answer came; `error` says what went wrong."""

    number: int
    started_at: int
    duration_ms: int
    status: int | None
    error: str | None


class Claimed(Struct, frozen=True, kw_only=True):
    """A delivery this process may try once, until its lease ends.

    `attempt` is the fence and never starts over; `tries` counts from 1 since the latest retry or replay: which place on
    the schedule this try has. `accepted_at`: when the event was. `wait`: seconds until it may be sent, where several
    gateways share a destination's rate.
    """

    delivery: int
    attempt: int
    tries: int = 1
    event_id: str
    event_type: str
    accepted_at: int = 0
    wait: float = 0.0
    body: bytes


class Result(Struct, frozen=True, kw_only=True):
    """What became of a claimed delivery.

    `outcome`: `delivered`; `retry` (due again in `wait` seconds); `dead`; `released` (never tried: due at once, the
    attempt is taken back); `skipped` (its body is gone: never tried).
    """

    delivery: int
    attempt: int
    outcome: Literal["delivered", "retry", "dead", "released", "skipped"]
    wait: float = 0.0
    started_at: int
    duration_ms: int
    status: int | None = None
    error: str | None = None


class Work(Struct, frozen=True, kw_only=True):
    """What is due: destination numbers with due deliveries, and seconds until the next one is (None: nothing waits)."""

    destinations: tuple[int, ...]
    wait: float | None


# --- about the whole -----------------------------------------------------------------------------------------------


class Counts(Struct, frozen=True, kw_only=True):
    """Sums that add up: all receipts are understood, quarantined, held or discarded; all deliveries have one status.

    `duplicates`: calls answered "duplicate". `deliveries`: by destination id and status, removed destinations too.
    """

    understood: int
    quarantined: int
    held: int
    discarded: int
    duplicates: int
    events: int
    deliveries: dict[tuple[str, DeliveryStatus], int]


class VersionConflict(GatewayError):
    """Say that somebody else changed the row since it was read: read it again, then change that."""
