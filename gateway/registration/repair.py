"""Look at a provider, say what is different, put it right. What is decided is committed before the provider is asked,
what the provider answers after it: whatever stops in between, the next run looks again and goes on."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.errors import (
    ApiUnavailable,
    CredentialRefused,
    EgressRefused,
    GatewayError,
    ProviderApiError,
    WebhookLimit,
)
from gateway.contract.provider import Webhook
from gateway.registration.plan import Decision, Plan, by_hand
from gateway.registration.remote import AnotherWebhook, Remote
from gateway.registration.rows import Gone, Rows
from gateway.registration.rules import Conflict, Invalid
from gateway.registration.ways import Ways
from gateway.store.model import Connection, ConnectionStatus
from gateway.store.model import Remote as Seen

REPAIRS_A_DAY = 5
"""So often in 24 hours the watch puts one connection right by itself; then a person finds out what changes it."""
DAY_MS = 24 * 60 * 60 * 1000
FRESH_MS = 60 * 60 * 1000
"""A row notes no more often that its webhook was found as it should be."""
TOO_OFTEN = (
    f"It was put right {REPAIRS_A_DAY} times in a day, so something else changes it: find out what, then say `repair`."
)

_log = structlog.get_logger(__name__)


class Looked(Struct, frozen=True, kw_only=True):
    """What was found and what became of it. `done`: in words; empty when nothing was changed."""

    connection: Connection
    plan: Plan
    done: tuple[str, ...] = ()


class Repairs:
    """Compare and repair connections.

    `missed`: awaited with the id of one that may have missed events, after the repair. `checked`: when each was looked
    at since the start, epoch milliseconds.
    """

    def __init__(self, rows: Rows, ways: Ways) -> None:
        self._rows = rows
        self._ways = ways
        self._now = rows.store.now
        self._fine: dict[str, int] = {}
        self.checked: dict[str, int] = {}
        self.missed: Callable[[str], Awaitable[None]] = _nobody_to_tell

    async def check(self, connection_id: str) -> Looked | None:
        """Look, and note what was found; None when there is no such connection.

        Raises Conflict, Invalid, ProviderApiError in words for the operator, StoreUnavailable.
        """
        async with self._rows.turn(connection_id):
            return await self._looked(connection_id, self._noted)

    async def repair(
        self, connection_id: str, decision: Decision | None = None, *, dry_run: bool = False
    ) -> Looked | None:
        """Look, and put right what is different, as a person asks for it: nothing is left to decide. As `check`."""

        async def shown(remote: Remote, plan: Plan) -> Looked:
            return Looked(connection=remote.connection, plan=plan)

        async def decided(remote: Remote, plan: Plan) -> Looked:
            if plan.decide is not None:
                remote = await self._decided(remote, decision or ("beside" if remote.known.restored else "move"))
            await self._rows.update(connection_id, lambda c: replace(c, repairs=()))
            return await self._carry_out(remote, plan)

        async with self._rows.turn(connection_id):
            looked = await self._looked(connection_id, shown if dry_run else decided, decision)
            if looked is None or dry_run or not looked.connection.restored:
                return looked
            heard, now = await self._heard(connection_id), self._now()  # made by hand: nothing else was done
            row = await self._rows.update(connection_id, lambda c: replace(settled(c, heard, now), restored=False))
            return Looked(
                connection=row, plan=replace(looked.plan, decide=None), done=("This gateway goes on with it.",)
            )

    async def preview(self, row: Connection) -> Plan | None:
        """Plan for a row as it might become; None where nothing can be looked at. Raises as `check`."""
        remote = self._ways.to(row, await self._rows.others(row.id)) if row.webhook_ids else None
        return None if remote is None else await self._look(remote)

    async def watch(self, connection_id: str) -> Looked | None:
        """Look, and put right what nobody has to decide, no oftener than REPAIRS_A_DAY. As `check`."""

        async def watched(remote: Remote, plan: Plan) -> Looked:
            if plan.decide is not None or not plan.steps or self._too_often(remote.connection):
                return await self._noted(remote, plan)
            return await self._carry_out(remote, plan, by_itself=True)

        async with self._rows.turn(connection_id):
            return await self._looked(connection_id, watched)

    # --- looking ---------------------------------------------------------------------------------------------------

    async def _looked(
        self,
        connection_id: str,
        then: Callable[[Remote, Plan], Awaitable[Looked]],
        decision: Decision | None = None,
    ) -> Looked | None:
        row = await self._rows.find(connection_id)
        if row is None:
            return None
        if row.status in ("registering", "removing"):
            raise Conflict(f"It is {row.status}.")
        remote = self._ways.to(row, await self._rows.others(row.id)) if row.webhook_ids else None
        if remote is None:
            return Looked(connection=row, plan=by_hand(restored=row.restored))
        remote = replace(remote, known=replace(remote.known, decision=row.repairing))
        plan = await self._look(remote)
        if plan.decide is not None and decision is not None:  # shown, or done, as a person says
            decide, remote = plan.decide, replace(remote, known=replace(remote.known, decision=decision))
            plan = replace(await self._look(remote), decide=decide)
        return await then(remote, plan)

    async def _look(self, remote: Remote) -> Plan:
        try:
            plan = await remote.look()
        except (ProviderApiError, EgressRefused) as error:
            raise await self._failed(remote, error) from None
        self.checked[remote.connection.id] = self._now()
        return plan

    async def _failed(self, remote: Remote, error: ProviderApiError | EgressRefused) -> GatewayError:
        """Note what a provider refused; give the error in words for the operator. An outage changes no status."""
        told = remote.explain(error) if isinstance(error, ProviderApiError) else Invalid("settings", str(error))
        status: ConnectionStatus | None = "broken" if isinstance(error, CredentialRefused) else "needs_repair"
        if isinstance(error, ApiUnavailable):
            status = None
        with suppress(Gone):
            await self._rows.update(remote.connection.id, lambda c: _troubled(c, status, str(told)))
        return told

    async def _noted(self, remote: Remote, plan: Plan) -> Looked:
        """Note what was found where nothing is put right now."""
        row, now = remote.connection, self._now()
        if not plan.drift:
            heard, self._fine[row.id] = await self._heard(row.id), now
            row = await self._rows.update(row.id, lambda c: settled(c, heard, now))
        elif plan.decide is not None or self._too_often(row):
            problem = f"{plan.words} {plan.decide or TOO_OFTEN}"
            row = await self._rows.update(row.id, lambda c: _troubled(c, "needs_repair", problem))
        return Looked(connection=row, plan=plan)

    def _too_often(self, row: Connection) -> bool:
        return len(_recent(row.repairs, self._now())) >= REPAIRS_A_DAY

    async def _heard(self, connection_id: str) -> bool:
        return connection_id in await self._rows.store.activity()

    # --- putting right ---------------------------------------------------------------------------------------------

    async def _decided(self, remote: Remote, decision: Decision) -> Remote:
        """Commit what a person decided, so that whatever stops this the next run need not ask again."""
        last = remote.known.last
        leaving = (last,) if last and decision == "move" and last.url not in remote.known.urls else ()
        row = await self._rows.update(
            remote.connection.id, lambda c: replace(c, repairing=decision, leaving=(*c.leaving, *leaving))
        )
        return replace(remote, connection=row, known=replace(remote.known, decision=decision, leaving=row.leaving))

    async def _carry_out(self, remote: Remote, plan: Plan, *, by_itself: bool = False) -> Looked:
        connection_id = remote.connection.id
        if plan.losing:
            await self._may_miss(remote.connection)
        done: list[str] = []
        try:
            await self._take_steps(remote, plan, done)
        except (ProviderApiError, EgressRefused) as error:
            if by_itself and isinstance(error, AnotherWebhook):  # each try may leave one more there
                tried = self._now()
                with suppress(Gone):
                    await self._rows.update(
                        connection_id, lambda c: replace(c, repairs=(*_recent(c.repairs, tried), tried))
                    )
            raise await self._failed(remote, error) from None
        heard, now = await self._heard(connection_id), self._now()
        repairs = (now,) if by_itself and done else ()
        row = await self._rows.update(
            connection_id,
            lambda c: replace(settled(c, heard, now), restored=False, repairs=(*_recent(c.repairs, now), *repairs)),
            repaired=" ".join((plan.words, *done)) if by_itself and done else None,
        )
        if done:
            found = [drift.what for drift in plan.drift]
            _log.info("connection_repaired", connection=row.id, provider=row.provider, plan=plan.kind, found=found)
        self._fine[connection_id] = now
        if plan.losing:
            await self.missed(connection_id)
        return Looked(connection=row, plan=plan, done=tuple(done))

    async def _take_steps(self, remote: Remote, plan: Plan, done: list[str]) -> None:
        """Take the steps in their order; `done` grows with each, in words."""
        changed: frozenset[str] = frozenset()
        instead = next((step.webhook for step in plan.steps if step.verb == "delete"), None)
        for step in plan.steps:
            if step.verb == "create":
                changed = await self._create(remote, instead, done, plan)
            elif step.verb == "delete" and step.webhook not in changed:
                await remote.delete(str(step.webhook))
                done.append(f"Deleted {step.webhook}.")
            elif step.verb == "update":
                await self._update(remote, str(step.webhook), done)
            elif step.verb == "adopt":
                await self._adopt(remote, str(step.webhook), done)

    async def _create(self, remote: Remote, instead: str | None, done: list[str], plan: Plan) -> frozenset[str]:
        """Make the webhook; where there is no room, in the place of the old one. Answers what is not to be deleted."""
        try:
            return frozenset({await self._made(remote, await remote.create(plan.seen), done)})
        except WebhookLimit:
            if instead is None:
                raise
        done.append("The account has no room for one more webhook.")
        if plan.in_place and await self._update(remote, instead, done):
            return frozenset({instead})
        await self._may_miss(remote.connection)
        await remote.delete(instead)
        done.append(f"Deleted {instead} first: what happened until the new one was there is missed.")
        made = await self._made(remote, await remote.create(plan.seen - {instead}), done)
        await self.missed(remote.connection.id)
        return frozenset({instead, made})

    async def _update(self, remote: Remote, webhook_id: str, done: list[str]) -> bool:
        webhook = await remote.update(webhook_id)
        if webhook is None:
            return False
        await self._rows.update(remote.connection.id, lambda c: registered(c, remote, webhook, self._now()))
        done.append(f"Changed {webhook_id} in place.")
        return True

    async def _adopt(self, remote: Remote, webhook_id: str, done: list[str]) -> None:
        found = Webhook(id=webhook_id, url=remote.wanted.url, events=remote.wanted.events)
        await self._rows.update(remote.connection.id, lambda c: registered(c, remote, found, self._now()))
        done.append(f"Took {webhook_id}, which was there.")

    async def _made(self, remote: Remote, webhook: Webhook, done: list[str]) -> str:
        try:
            await self._rows.update(remote.connection.id, lambda c: registered(c, remote, webhook, self._now()))
        except Gone:  # somebody forgot the connection meanwhile: nobody would know of this one
            await remote.delete(webhook.id)
            raise
        done.append(f"Made {webhook.id}.")
        return webhook.id

    async def _may_miss(self, connection: Connection) -> None:
        """Commit since when events may be missing: since the webhook was last seen as it should be."""
        if self._ways.bookings(connection) is None:
            return  # nobody can be asked for them
        fine = self._fine.get(connection.id, 0)
        await self._rows.update(connection.id, lambda c: missing(c, fine))


# --- what a row becomes: pure ----------------------------------------------------------------------------------------


def registered(row: Connection, remote: Remote, webhook: Webhook, now: int) -> Connection:
    """Note what the provider says it made or changed. `now` in epoch milliseconds."""
    noted = Seen(id=webhook.id, url=webhook.url, events=webhook.events, checked_at=now, secret=remote.wanted.secret)
    ids = tuple(dict.fromkeys((webhook.id, *row.webhook_ids)))
    return replace(row, account=webhook.account or row.account, remote=noted, webhook_ids=ids)


def settled(row: Connection, heard: bool, now: int) -> Connection:
    """Note that all is as it should be: nothing of ours uses an older secret or token any more."""
    healthy: ConnectionStatus = "active" if heard else "waiting"
    stale = row.remote is not None and row.remote.checked_at < now - FRESH_MS
    return replace(
        row,
        status=healthy if row.status in ("needs_repair", "broken", "registering") else row.status,
        problem=None,
        repairing=None,
        leaving=(),
        remote=replace(row.remote, checked_at=now) if row.remote and stale else row.remote,
        replaced=tuple(replace(old, free_at=now if old.free_at is None else old.free_at) for old in row.replaced),
    )


def missing(row: Connection, fine: int) -> Connection:
    """Note that events may be missing since the webhook was last seen as it should be. `fine`: epoch milliseconds."""
    since = max(fine, row.remote.checked_at if row.remote else 0, row.created_at)
    return replace(row, missed_since=since if row.missed_since is None else min(since, row.missed_since))


def _troubled(row: Connection, status: ConnectionStatus | None, problem: str) -> Connection:
    """Note a problem; `status` None: it may pass by itself, and what is known already counts for more.

    A connection that somebody removes meanwhile stays so.
    """
    if row.status == "removing":
        return row
    if status is None:
        return row if row.problem else replace(row, problem=problem)
    return replace(row, status=status, problem=problem)


async def _nobody_to_tell(connection_id: str) -> None:
    """Stand in where nothing can be asked for what was missed."""
    del connection_id


def _recent(repairs: tuple[int, ...], now: int) -> tuple[int, ...]:
    return tuple(at for at in repairs if at > now - DAY_MS)
