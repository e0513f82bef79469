"""/v1/keys: who may ask this API for what."""

from typing import Annotated, Any

from litestar import delete, get, post
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from gateway.sealing import digest, new_api_key, new_id
from gateway.store import model
from gateway.web.api.calls import call
from gateway.web.api.pages import Page, Paging, Time, moment, of_all
from gateway.web.api.reading import Asker, Id, wired
from gateway.web.auth import Scope
from gateway.web.damaged import all_keys
from gateway.web.problems import Refusal, missing


class KeyView(Struct, frozen=True, kw_only=True):
    """A key, without itself."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: Time


class NewKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make."""

    name: Annotated[str, Meta(min_length=1, max_length=100)] = "key"
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=20)]


class MadeKey(KeyView, frozen=True, kw_only=True):
    """A key just made. `key` is shown this once."""

    key: str


@get("/keys", **call("admin"))
async def list_keys(request: Asker, asked: NamedDependency[Paging]) -> Page[KeyView]:
    """List the keys; what they are themselves is kept nowhere."""
    services = wired(request)
    return of_all([_view(key) for key in await all_keys(services.store)], asked, lambda key: key.id)


@post("/keys", **call("admin"))
async def create_key(request: Asker, given: NamedDependency[NewKey]) -> MadeKey:
    """Make a key. It is shown in this answer and never again."""
    services = wired(request)
    secret = new_api_key()
    scopes = tuple(dict.fromkeys(given.scopes))
    key = model.Key(
        id=new_id("key_"), name=given.name, digest=digest(secret), scopes=scopes, created_at=services.store.now()
    )
    await services.store.put_key(key)
    return MadeKey(id=key.id, name=key.name, key=secret, scopes=scopes, created_at=moment(key.created_at))


@delete("/keys/{key_id:str}", **call("admin", 409))
async def revoke_key(request: Asker, key_id: Id) -> None:
    """Revoke a key, at once. The last one with the scope admin stays: nobody could make another."""
    services = wired(request)
    keys = {key.id: key for key in await all_keys(services.store)}
    if key_id not in keys:
        raise missing("key")
    if not any("admin" in key.scopes for key in keys.values() if key.id != key_id):
        raise Refusal(409, "This is the last key with the scope admin: make another one first.")
    await services.store.remove_key(key_id)


def _view(key: model.Key) -> KeyView:
    return KeyView(id=key.id, name=key.name, scopes=key.scopes, created_at=moment(key.created_at))


HANDLERS: list[Any] = [list_keys, create_key, revoke_key]
