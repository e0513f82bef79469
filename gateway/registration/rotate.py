"""New signing secrets and inbound tokens: two are accepted until nothing of ours uses the old one, and some time on.

What is new is committed first. Moving a webhook to it is then nothing but a repair, which the watch does and finishes
wherever it was interrupted.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.provider import ByHand, Provider
from gateway.contract.signatures import Hmac
from gateway.pipeline.inboxes import newest_first, token_id
from gateway.registration import rules
from gateway.registration.plan import Plan, Step
from gateway.registration.repair import Looked, Repairs
from gateway.registration.rows import Rows
from gateway.registration.rules import Conflict, Invalid
from gateway.sealing import new_id, new_provider_secret, new_url_token
from gateway.store.model import Connection, Replaced, Token

GRACE_MS = 24 * 60 * 60 * 1000
"""How long an old secret or token is accepted when nothing of ours uses it any more: calls may be on their way."""
QUIET_MS = 7 * 24 * 60 * 60 * 1000
"""How long an old token that people pasted somewhere must be without a call before it is retired unconfirmed."""
MOST_TOKENS = 3


class RotateRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to renew. `signing_secret`: the new one, made here when left out. `inbound_url`: the connection's own URL
    instead of its secret. `finish`: the new one is in use everywhere, retire the old one now."""

    signing_secret: rules.Text | None = None
    inbound_url: bool = False
    finish: bool = False
    dry_run: bool = False


class Rotated(Struct, frozen=True, kw_only=True):
    """What became of it. `generated`: the signing secret that was made, to be shown this once."""

    looked: Looked
    generated: str | None = None


class OlderToken(Struct, frozen=True, kw_only=True):
    """A token of the shared URL that has a successor. `waiting`: connections whose webhooks still call it, `by_hand`:
    those where a person has to paste the new URL. Epoch milliseconds; `retires_at` None while that is open."""

    token: Token
    since: int
    waiting: tuple[str, ...]
    by_hand: tuple[str, ...]
    retires_at: int | None


class Rotation:
    """Renew secrets and tokens."""

    def __init__(self, rows: Rows, repairs: Repairs, providers: Mapping[str, Provider]) -> None:
        self._rows = rows
        self._store = rows.store
        self._repairs = repairs
        self._providers = providers

    # --- one connection --------------------------------------------------------------------------------------------

    async def rotate(self, connection_id: str, asked: RotateRequest) -> Rotated | None:
        """Renew a connection's secret or own URL, and move its webhook there; None when there is no such connection.

        Raises Invalid, Conflict, StoreUnavailable, and ProviderApiError in words for the operator: then the new one is
        kept, the old one is accepted, and the watch goes on.
        """
        row = await self._rows.find(connection_id)
        if row is None:
            return None
        if row.status in ("registering", "removing"):
            raise Conflict(f"It is {row.status}.")
        if asked.finish:
            return await self._finish(row, dry_run=asked.dry_run)
        if not asked.dry_run:
            await self._settle(row)
        others = await self._rows.others(row.id)
        value, renewed = self._renewing(row, asked, others)
        if asked.dry_run:
            return Rotated(
                looked=Looked(connection=row, plan=await self._repairs.preview(renewed(row)) or _to_paste(row))
            )
        after = await self._rows.update(row.id, renewed)
        generated = value if after.secrets != row.secrets and asked.signing_secret is None else None
        if not row.webhook_ids:
            return Rotated(looked=Looked(connection=after, plan=_to_paste(row)), generated=generated)
        looked = await self._repairs.repair(row.id)
        return None if looked is None else Rotated(looked=looked, generated=generated)

    async def _settle(self, row: Connection) -> None:
        """Finish what was begun before: two things are never replaced at once."""
        looked = await self._repairs.check(row.id)
        if looked is not None and looked.plan.decide is not None:
            raise Conflict(f"{looked.plan.words} {looked.plan.decide}")
        if looked is not None and looked.plan.steps:
            await self._repairs.repair(row.id)

    def _renewing(
        self, row: Connection, asked: RotateRequest, others: Sequence[Connection]
    ) -> tuple[str, Callable[[Connection], Connection]]:
        """Choose what is new, and how it comes into the row."""
        provider = self._providers.get(row.provider)
        if provider is None:
            raise Conflict(f"The plugin {row.provider!r} is not installed.")
        scheme, now = rules.scheme_of(provider, row), self._store.now()
        if isinstance(scheme, Hmac) and row.secrets and not asked.inbound_url:
            secret = asked.signing_secret or _made_secret(provider)
            rules.check_secret(scheme, secret)
            rules.check_unique(replace(row, secrets=(secret,)), scheme, others, self._providers)
            return secret, lambda c: with_secret(c, secret, now)
        if asked.signing_secret is not None:
            raise Invalid("signing_secret", "this connection has none: its calls are not signed")
        if row.token is None:
            raise Conflict("It is on the URL that all connections share: `gateway url rotate` renews that one.")
        token = new_url_token()
        return token, lambda c: with_token(c, token, now)

    async def _finish(self, row: Connection, *, dry_run: bool) -> Rotated:
        if row.webhook_ids and any(old.free_at is None for old in row.replaced):
            raise Conflict("Its webhook still uses the old one: `gateway connections repair` moves it first.")
        if not row.replaced:
            raise Conflict("There is no old one any more.")
        plan = Plan(kind="delete", steps=(Step("delete", None, "Accept the old one no longer."),))
        if dry_run:
            return Rotated(looked=Looked(connection=row, plan=plan))
        row = await self._rows.update(row.id, lambda c: without(c, c.replaced))
        done = ("The old one is not accepted any more.",)
        return Rotated(looked=Looked(connection=row, plan=plan, done=done))

    # --- the shared URL --------------------------------------------------------------------------------------------

    async def rotate_url(self) -> None:
        """Give the shared URL a new token; the watch, when woken, moves the webhooks there one by one.

        Raises Conflict.
        """
        if self._rows.urls.given:
            raise Conflict(
                "Its tokens are set by GATEWAY_INBOUND_TOKENS: put a new one first there, leave the old one behind it, "
                "and start again; the webhooks are then moved one by one."
            )
        tokens = newest_first(await self._store.tokens())
        if len(tokens) >= MOST_TOKENS:
            raise Conflict(f"{MOST_TOKENS} tokens are live: `gateway url rotate --finish` retires the old ones.")
        now = max(self._store.now(), tokens[0].created_at + 1)  # newest is newest, whatever the clock did
        await self._store.put_token(Token(id=new_id("tok"), token=new_url_token(), created_at=now))
        await self._rows.urls.refresh()

    async def finish_url(self) -> None:
        """Retire the shared URL's old tokens now. Raises Conflict while webhooks of ours still call them."""
        for old in await self.older():
            if old.waiting:
                raise Conflict(f"Not moved yet: {', '.join(old.waiting)}. `gateway connections check ID` says why.")
        for old in await self.older():
            await self._store.remove_token(old.token.id)
        await self._rows.urls.refresh()

    async def older(self) -> list[OlderToken]:
        """List the shared URL's tokens that have a successor, newest first."""
        if self._rows.urls.given:
            return []
        shared = [c for c in await self._store.connections() if c.token is None and c.status != "removing"]
        tokens = newest_first(await self._store.tokens())
        return [_older(token, newer.created_at, shared) for newer, token in pairwise(tokens)]

    # --- in the course of time -------------------------------------------------------------------------------------

    async def hear(self, heard: frozenset[str]) -> None:
        """Note that calls came with older tokens (`token_id`). Raises StoreUnavailable."""
        now = self._store.now()
        for row in await self._store.connections() if heard else ():
            if row.replaced:
                await self._rows.update(row.id, lambda c: _heard(c, heard, now))
        for old in await self.older() if heard else ():
            if token_id(old.token.token) in heard:
                await self._store.put_token(replace(old.token, heard_at=now))

    async def retire(self) -> None:
        """Let go of what was replaced, is used by nothing of ours, and had its time. Raises StoreUnavailable."""
        now = self._store.now()
        for row in await self._store.connections():
            if row.replaced and row.status != "removing":
                await self._rows.update(row.id, lambda c: _aged(c, now))
        for old in await self.older():
            free_at = None if old.waiting else old.token.free_at or now
            if old.retires_at is not None and old.retires_at <= now:
                await self._store.remove_token(old.token.id)
                await self._rows.urls.refresh()
            elif free_at != old.token.free_at:
                await self._store.put_token(replace(old.token, free_at=free_at))


# --- pure ------------------------------------------------------------------------------------------------------------


def with_secret(row: Connection, secret: str, now: int) -> Connection:
    """Put a new secret first, and keep the others accepted. `now` in epoch milliseconds."""
    old = tuple(Replaced(kind="secret", value=value, since=now) for value in row.secrets[:1])
    return replace(row, secrets=(secret, *row.secrets), replaced=(*old, *row.replaced))


def with_token(row: Connection, token: str, now: int) -> Connection:
    """Give a connection a new URL of its own, and keep the old one accepted."""
    assert row.token is not None, "a connection on the shared URL has no token to replace"
    old = Replaced(kind="token", value=row.token, since=now)
    return replace(row, token=token, replaced=(old, *row.replaced))


def without(row: Connection, gone: Sequence[Replaced]) -> Connection:
    """Accept these no longer."""
    secrets = {old.value for old in gone if old.kind == "secret"}
    return replace(
        row,
        secrets=tuple(secret for secret in row.secrets if secret not in secrets),
        replaced=tuple(old for old in row.replaced if old not in gone),
    )


def _made_secret(provider: Provider) -> str:
    if isinstance(provider.webhooks, ByHand):
        raise Invalid("signing_secret", f"{provider.title} makes the secret: give the new one it shows")
    return new_provider_secret()


def _to_paste(row: Connection) -> Plan:
    """Say that a person goes on: no API of ours reaches this webhook."""
    words = "Put what is new in at the provider, by hand. The old one is accepted until you say `--finish`"
    quiet = f", or its URL had no call for {QUIET_MS // GRACE_MS} days" if row.token else ""
    return Plan(kind="replace", steps=(Step("update", None, f"{words}{quiet}."),))


def _heard(row: Connection, heard: frozenset[str], now: int) -> Connection:
    replaced = tuple(
        replace(old, heard_at=now) if old.kind == "token" and token_id(old.value) in heard else old
        for old in row.replaced
    )
    return replace(row, replaced=replaced)


def _aged(row: Connection, now: int) -> Connection:
    return without(row, [old for old in row.replaced if _over(old, by_hand=not row.webhook_ids, now=now)])


def _over(old: Replaced, *, by_hand: bool, now: int) -> bool:
    if by_hand:  # which secret a call came with is not known: people say when an old one is out of use
        return old.kind == "token" and now - max(old.since, old.heard_at or 0) >= QUIET_MS
    return old.free_at is not None and now - old.free_at >= GRACE_MS


def _older(token: Token, since: int, shared: Sequence[Connection]) -> OlderToken:
    waiting = tuple(c.id for c in shared if c.remote and c.remote.url.endswith(f"/{token.token}"))
    by_hand = tuple(c.id for c in shared if not c.webhook_ids and c.created_at < since)
    retires_at = None if waiting or token.free_at is None else token.free_at + GRACE_MS
    if retires_at is not None and by_hand:
        retires_at = max(retires_at, max(since, token.heard_at or 0) + QUIET_MS)
    return OlderToken(token=token, since=since, waiting=waiting, by_hand=by_hand, retires_at=retires_at)
