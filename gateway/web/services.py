"""What every request can reach: made once at start, handed to the web by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from gateway.config import Settings
from gateway.contract.provider import Provider
from gateway.egress import Egress
from gateway.loops import Loops
from gateway.metrics import Metrics
from gateway.pipeline.confirm import Confirmation
from gateway.pipeline.inboxes import Inboxes
from gateway.registration.asking import Asking
from gateway.registration.reconcile import Reconciler
from gateway.registration.registrar import Registrar
from gateway.store.store import Store
from gateway.tracing import NotTracing, Tracing
from gateway.upkeep import Upkeep
from gateway.web.following import Following
from gateway.web.sessions import Sessions

_log = structlog.get_logger(__name__)
_SAY_AGAIN = timedelta(minutes=1)
_NEVER = datetime.min.replace(tzinfo=UTC)


class Refusals:
    """Count refused calls by connection, since the start. They leave no row, so that nobody can fill the disk.

    The watch adds them up in the connection's row now and then, so that a restart forgets few.
    """

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, datetime]] = {}
        self._noted: dict[str, int] = {}
        self._said: dict[str, datetime] = {}

    def add(self, connections: tuple[str, ...]) -> None:
        """Count one refused call for each connection that it may have pretended to be; say so once a minute."""
        now = datetime.now(UTC)
        for connection in connections:
            count = self._counts.get(connection, (0, now))[0] + 1
            self._counts[connection] = (count, now)
            if now - self._said.get(connection, _NEVER) >= _SAY_AGAIN:
                self._said[connection] = now
                _log.warning("calls_refused", connection=connection, since_start=count, reason="signature")

    def of(self, connection: str) -> tuple[int, datetime | None]:
        """Say how many refused calls are not in the row yet, and when the last of all was (UTC)."""
        count, last = self._counts.get(connection, (0, None))
        return count - self._noted.get(connection, 0), last

    def pending(self) -> dict[str, tuple[int, datetime]]:
        """List what is not in the rows yet."""
        found = {name: (count - self._noted.get(name, 0), last) for name, (count, last) in self._counts.items()}
        return {name: one for name, one in found.items() if one[0]}

    def noted(self, connection: str, count: int) -> None:
        """Take so many as noted in the row."""
        self._noted[connection] = self._noted.get(connection, 0) + count


@dataclass
class Services:
    """The parts of a running gateway. `not_ready` says why it cannot accept; None when it can. `streams` are open."""

    settings: Settings
    store: Store
    egress: Egress
    providers: Mapping[str, Provider]
    registrar: Registrar
    inboxes: Inboxes
    public_url: str
    refusals: Refusals = field(default_factory=Refusals)
    loops: Loops = field(default_factory=Loops)
    metrics: Metrics = field(default_factory=Metrics)
    tracing: Tracing = field(default_factory=NotTracing)
    sessions: Sessions = field(default_factory=Sessions)
    not_ready: str | None = "starting"
    streams: int = 0
    following: Following | None = None
    """Set where other processes change the configuration too."""
    upkeep: Upkeep = field(init=False)
    reconciler: Reconciler = field(init=False)
    confirmation: Confirmation = field(init=False)

    @property
    def schemas_at(self) -> str | None:
        """Say under which address consumers find `/schemas`; None where the public one does not serve them."""
        return None if self.settings.public_listen else self.public_url

    def __post_init__(self) -> None:
        self.upkeep = Upkeep(self.store, self.settings.retention_days)
        asking, every = Asking(self.store, self.registrar.ways), self.settings.catch_up_interval or None
        self.reconciler = Reconciler(self.store, self.inboxes, asking, every=every)
        self.confirmation = Confirmation(self.store, self.inboxes, asking)
        self.registrar.repairs.missed = self.reconciler.gap
