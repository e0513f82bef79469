"""Which token leads to whom: a snapshot of the configuration that every call is decided on."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from gateway.contract.provider import Account, Provider
from gateway.pipeline.receive import Candidate, Inbox
from gateway.store.model import Connection, Token


class ConfigurationStore(Protocol):
    """What the snapshot is made from."""

    async def connections(self) -> list[Connection]: ...
    async def tokens(self) -> list[Token]: ...


class Inboxes:
    """Every live URL token and the connections behind it.

    `given`: tokens of the shared URL from the settings, newest first, in place of those in the store.
    """

    def __init__(
        self,
        store: ConfigurationStore,
        providers: Mapping[str, Provider],
        public_url: str,
        given: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._providers = providers
        self._public_url = public_url
        self._given = tuple(given)
        self._shared: tuple[str, ...] = ()
        self._by_digest: dict[bytes, Inbox] = {}
        self._older: dict[bytes, Inbox] = {}
        self._heard: set[str] = set()
        self._by_id: dict[str, Inbox] = {}

    async def refresh(self) -> None:
        """Take the configuration as it is now; called after each change of it."""
        connections = [c for c in await self._store.connections() if c.status != "removing"]
        shared = self._given or tuple(t.token for t in newest_first(await self._store.tokens()))
        known = [c for c in connections if c.provider in self._providers]
        common = tuple(c for c in known if not c.token)
        current = [self._inbox(shared[0], False, common), *(self._inbox(c.token, True, (c,)) for c in known if c.token)]
        older = [self._inbox(token, False, common) for token in shared[1:]]
        older += [self._inbox(token, True, (c,)) for c in known for token in older_tokens(c)]
        self._shared = shared
        self._by_digest = {_digest(inbox.url.rpartition("/")[2]): inbox for inbox in current}
        self._older = {_digest(inbox.url.rpartition("/")[2]): inbox for inbox in older}
        self._by_id = {inbox.token: inbox for inbox in (*older, *current)}

    def by_token(self, token: str) -> Inbox | None:
        """Find the inbox of a URL token; found by digest, so that no comparison tells how much of a guess was right."""
        return self._by_digest.get(_digest(token)) or self._by_older(token)

    def _by_older(self, token: str) -> Inbox | None:
        inbox = self._older.get(_digest(token))
        if inbox is not None:
            self._heard.add(inbox.token)
        return inbox

    def heard(self) -> frozenset[str]:
        """Name the older tokens (`token_id`) that calls came with since this was asked last."""
        heard, self._heard = frozenset(self._heard), set()
        return heard

    def candidate(self, connection_id: str) -> Candidate | None:
        """Find a connection as calls are held against it; None when it is being removed, or its plugin is gone."""
        candidates = (c for inbox in self._by_id.values() for c in inbox.candidates)
        return next((c for c in candidates if c.account.connection == connection_id), None)

    def accepts(self, token_id: str) -> bool:
        """Say whether calls to the URL of this token are taken."""
        return token_id in self._by_id

    def by_id(self, token_id: str, connection_id: str | None = None) -> Inbox:
        """Find the inbox that a receipt came on; when its token was retired, the one of its connection, or the shared
        one."""
        return self._by_id.get(token_id) or self._leading_to(connection_id)

    def _leading_to(self, connection_id: str | None) -> Inbox:
        for inbox in self._by_digest.values():
            if any(candidate.account.connection == connection_id for candidate in inbox.candidates):
                return inbox
        return self._by_digest[_digest(self._shared[0])]

    @property
    def given(self) -> bool:
        """Say whether the shared URL's tokens are settings, and so only the operator's to change."""
        return bool(self._given)

    def shared_url(self) -> str:
        """Name the one inbound URL, by its newest token."""
        return self._url(self._shared[0])

    def url_of(self, connection: Connection) -> str:
        """Name the URL that a connection's provider calls."""
        return self._url(connection.token) if connection.token else self.shared_url()

    def urls_of(self, connection: Connection) -> tuple[str, ...]:
        """Name every URL that leads to a connection: the one that its provider should call first, then older ones."""
        tokens = (connection.token, *older_tokens(connection)) if connection.token else self._shared
        return tuple(self._url(token) for token in tokens)

    def _inbox(self, token: str, pinned: bool, connections: Iterable[Connection]) -> Inbox:
        url = self._url(token)
        return Inbox(token_id(token), url, pinned, tuple(self._candidate(c) for c in connections))

    def _candidate(self, connection: Connection) -> Candidate:
        provider = self._providers[connection.provider]
        settings = msgspec.convert(connection.settings, provider.settings)
        account = Account(connection.id, connection.account, settings, frozenset(connection.webhook_ids))
        return Candidate(
            provider, account, provider.scheme(settings), connection.secrets, askable(provider, connection.credentials)
        )

    def _url(self, token: str) -> str:
        return f"{self._public_url}/in/{token}"


def askable(provider: Provider, credentials: Mapping[str, Any]) -> bool:
    """Say whether a provider can be asked for bookings, and there is something to log in with."""
    if provider.bookings is None:
        return False
    try:
        msgspec.convert(credentials, provider.credentials)
    except msgspec.ValidationError:
        return False
    return True


def newest_first(tokens: Iterable[Token]) -> list[Token]:
    """Put the shared URL's tokens in order."""
    return sorted(tokens, key=lambda token: (token.created_at, token.id), reverse=True)


def older_tokens(connection: Connection) -> tuple[str, ...]:
    """List a connection's own tokens that have a successor and are still accepted."""
    return tuple(old.value for old in connection.replaced if old.kind == "token")


def token_id(token: str) -> str:
    """Make a token's public name, under which receipts are filed: `url_` and 16 base32 characters of its digest."""
    return "url_" + base64.b32encode(_digest(token)[:10]).decode("ascii").lower()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
