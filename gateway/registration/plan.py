"""What should exist at a provider, what does, and how to get from one to the other. Pure, and in an operator's words.

A webhook is ours when it calls a URL of ours and carries our secret or our label, or the id that the provider gave to
one we made. Everything else belongs to somebody: to people, to another gateway, to the gateway that a restored copy
was taken from. No step of a plan ever names such a one.
"""

from collections.abc import Iterable, Sequence
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract.provider import Wanted, Webhook
from gateway.store.model import Remote

Kind = Literal["nothing", "create", "adopt", "update", "replace", "delete"]
Verb = Literal["create", "adopt", "update", "delete"]
Decision = Literal["move", "beside"]
"""What a person says about a webhook that calls another address of this gateway: it goes, or it is somebody else's."""

Finding = Literal["missing", "events", "disabled", "secret", "old_url", "moved", "restored", "foreign_url", "double"]

LOSING: frozenset[Finding] = frozenset({"missing", "events", "disabled", "secret", "foreign_url", "moved", "restored"})
"""What may have cost events."""

RESTORED = "This gateway's database was restored from a backup."
GOES_ON = "`repair` says that this gateway goes on in the place of the one that was backed up."


class Known(Struct, frozen=True, kw_only=True):
    """What our row knows of its webhook.

    `urls`: every URL that leads to it, older ones that are still accepted included. `label`: the text that names this
    gateway and connection, where a provider keeps one. `ids`: those it ever had there.
    `taken`: ids of our other connections. `last`: as last seen. `leaving`: those at addresses of before that a person
    said are to go. `alone`: the URLs are this connection's own.
    `updates`, `shows_secret`, `keeps_label`: what the provider's API can do. `decision`: a person's, or None.
    """

    urls: tuple[str, ...]
    secrets: tuple[str, ...]
    label: str
    ids: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    last: Remote | None = None
    leaving: tuple[Remote, ...] = ()
    alone: bool = False
    updates: bool = False
    shows_secret: bool = False
    keeps_label: bool = True
    restored: bool = False
    decision: Decision | None = None


class Drift(Struct, frozen=True):
    """One difference between what should be and what is."""

    what: Finding
    words: str


class Step(Struct, frozen=True):
    """One thing to do. `webhook`: the id of the one it is done to, None for one to be made."""

    verb: Verb
    webhook: str | None
    words: str


class Plan(Struct, frozen=True, kw_only=True):
    """The way from what is to what should be. `decide`: what a person has to say before anything is done.

    `left`: webhooks that look like ours and are left alone, in words. `seen`: the ids of all that are there.
    """

    kind: Kind = "nothing"
    drift: tuple[Drift, ...] = ()
    steps: tuple[Step, ...] = ()
    decide: str | None = None
    left: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()

    @property
    def in_place(self) -> bool:
        """Say whether changing a webhook would do: what is switched off is not known to go on by it."""
        return all(drift.what != "disabled" for drift in self.drift)

    @property
    def losing(self) -> bool:
        """Say whether events may have been missed."""
        return any(drift.what in LOSING for drift in self.drift)

    @property
    def words(self) -> str:
        """Say in one line what was found."""
        return " ".join(drift.words for drift in self.drift)


def plan(wanted: Wanted | None, listed: Sequence[Webhook], known: Known) -> Plan:
    """Compare what should exist (`wanted` None: nothing) with the provider's list."""
    ours = [webhook for webhook in listed if _ours(webhook, known)]
    if wanted is None:
        return _made((), tuple(_delete(webhook, "it is not needed any more") for webhook in ours))
    ours.sort(key=lambda webhook: _rank(webhook, wanted, known))
    keeper = ours[0] if ours else None
    drift = (*_doubts(listed, wanted, known), *_drift(keeper, wanted, known), *_doubles(ours[1:]))
    steps = _steps(keeper, ours[1:], wanted, known)
    made = _made(drift, steps, _left(listed, ours, known))
    return replace(made, decide=_decide(listed, wanted, known), seen=frozenset(webhook.id for webhook in listed))


def by_hand(*, restored: bool) -> Plan:
    """Plan for a webhook that no API of ours reaches."""
    left = ("There is nothing to look at: its webhook is made by hand, or its plugin is not installed.",)
    if not restored:
        return Plan(left=left)
    return Plan(drift=(Drift("restored", RESTORED),), decide=GOES_ON, left=left)


def standing(wanted: Wanted, listed: Sequence[Webhook], known: Known) -> Webhook | None:
    """Find the one of ours that is as it should be: what a create call made whose answer was lost."""
    ours = (webhook for webhook in listed if _ours(webhook, known))
    return next((webhook for webhook in ours if not _differences(webhook, wanted, known)), None)


# --- whose it is ---------------------------------------------------------------------------------------------------


def _ours(webhook: Webhook, known: Known) -> bool:
    if webhook.id in known.taken:
        return False
    if webhook.url not in known.urls:
        return _intended(known) == "move" and _former(webhook, known)
    if webhook.id in known.ids or (webhook.secret is not None and webhook.secret in known.secrets):
        return True
    if webhook.label is not None:
        return webhook.label == known.label
    return known.alone and not known.keeps_label and not known.secrets and webhook.secret is None


def _former(webhook: Webhook, known: Known) -> bool:
    """Say whether this is a webhook that was made for an address which this gateway does not have any more."""
    made = (*known.leaving, known.last) if known.last else known.leaving
    return webhook.url not in known.urls and any((webhook.id, webhook.url) == (one.id, one.url) for one in made)


def _moved(known: Known) -> bool:
    """Say whether the gateway's address changed since, and nobody has said what to make of it."""
    return known.decision is None and known.last is not None and known.last.url not in known.urls


def _intended(known: Known) -> Decision:
    """Say what `repair` does when it is told nothing more: a restored copy keeps its hands off what is elsewhere."""
    return known.decision or ("beside" if known.restored else "move")


# --- what is different ---------------------------------------------------------------------------------------------


def _rank(webhook: Webhook, wanted: Wanted, known: Known) -> tuple[bool, bool, bool, str]:
    last = known.last.id if known.last else None
    return bool(_differences(webhook, wanted, known)), webhook.id != last, webhook.url != wanted.url, webhook.id


def _drift(keeper: Webhook | None, wanted: Wanted, known: Known) -> tuple[Drift, ...]:
    if keeper is None:
        return (Drift("missing", "No webhook of this connection is there: its calls do not come."),)
    return _differences(keeper, wanted, known)


def _differences(webhook: Webhook, wanted: Wanted, known: Known) -> tuple[Drift, ...]:
    found = []
    if webhook.url != wanted.url:
        words = f"{webhook.id} calls an older URL of this gateway, which is accepted until it is moved."
        moved = f"{webhook.id} calls {_where(webhook.url, wanted)}, where this gateway was before."
        found.append(Drift("old_url", words) if webhook.url in known.urls else Drift("moved", moved))
    if set(webhook.events) != set(wanted.events):
        has, asked = ", ".join(sorted(webhook.events)) or "none", ", ".join(sorted(wanted.events))
        found.append(Drift("events", f"{webhook.id} calls for other events: {has}; wanted: {asked}."))
    if webhook.active is False:
        found.append(Drift("disabled", f"{webhook.id} is switched off."))
    if not _signs(webhook, wanted, known):
        without = webhook.secret is None and known.shows_secret
        words = "has no signing secret, so its calls are refused" if without else "has not the newest signing secret"
        found.append(Drift("secret", f"{webhook.id} {words}."))
    return tuple(found)


def _signs(webhook: Webhook, wanted: Wanted, known: Known) -> bool:
    """Say whether it signs with the newest secret; of a provider that shows none, we know only what we gave."""
    if wanted.secret is None:
        return True
    if webhook.secret is not None or known.shows_secret:
        return webhook.secret == wanted.secret
    given = known.last.secret if known.last and known.last.id == webhook.id else None
    return given is None or given == wanted.secret


def _doubles(spare: Iterable[Webhook]) -> tuple[Drift, ...]:
    return tuple(Drift("double", f"{webhook.id} is one of ours too: every call comes twice.") for webhook in spare)


def _doubts(listed: Sequence[Webhook], wanted: Wanted, known: Known) -> tuple[Drift, ...]:
    """Find what no difference of a webhook shows."""
    found = []
    if known.restored and known.decision is None:
        found.append(Drift("restored", RESTORED))
    last = known.last
    if _moved(known) and not any(_former(webhook, known) for webhook in listed):
        words = f"This gateway was at {_where(last.url if last else '', wanted)} and is now at {place(wanted.url)}."
        found.append(Drift("moved", words))
    for webhook in listed:
        if last is not None and webhook.id == last.id and webhook.url not in (*known.urls, last.url):
            words = f"{webhook.id}, which was ours, calls {place(webhook.url)} now: somebody changed it there."
            found.append(Drift("foreign_url", words))
    return tuple(found)


def _decide(listed: Sequence[Webhook], wanted: Wanted, known: Known) -> str | None:
    if known.decision is not None:
        return None
    former = next((webhook for webhook in listed if _former(webhook, known)), None)
    if known.restored:
        if former is None:
            return GOES_ON
        return (
            f"{GOES_ON} {former.id} calls {place(former.url)}: it is left alone, since a gateway may still run there; "
            "if none does, `repair --move` replaces it."
        )
    if not _moved(known):
        return None
    words = f"`repair` says that this gateway moved to {place(wanted.url)}."
    if former is None:
        return words
    return (
        f"{words} Is it a copy, and another gateway still runs at {_where(former.url, wanted)}? Then `repair --beside` "
        f"leaves {former.id} to that one."
    )


# --- what to do ----------------------------------------------------------------------------------------------------


def _steps(keeper: Webhook | None, spare: Sequence[Webhook], wanted: Wanted, known: Known) -> tuple[Step, ...]:
    deletes = [_delete(webhook, "it is there twice") for webhook in spare]
    if keeper is None:
        return (_create(wanted), *deletes)
    found = {drift.what for drift in _differences(keeper, wanted, known)}
    if not found:
        known_already = known.last is not None and (known.last.id, known.last.url) == (keeper.id, keeper.url)
        adopt = Step("adopt", keeper.id, f"Take {keeper.id} as this connection's webhook: it is there already.")
        return tuple(deletes) if known_already else (adopt, *deletes)
    if found == {"events"} and known.updates:
        words = f"Change {keeper.id} in place to {', '.join(wanted.events)}."
        return (Step("update", keeper.id, words), *deletes)
    return (_create(wanted, keeper, known), _delete(keeper, "once the new one is there"), *deletes)


def _create(wanted: Wanted, instead: Webhook | None = None, known: Known | None = None) -> Step:
    words = f"Make a webhook that calls {place(wanted.url)} for {', '.join(wanted.events)}."
    if instead is not None and known is not None:
        other = (
            f"{instead.id} is changed in place"
            if known.updates and instead.active is not False
            else f"{instead.id} is deleted first, and what happens between is missed"
        )
        words += f" (If the account has no room for one more: {other}.)"
    return Step("create", None, words)


def _delete(webhook: Webhook, why: str) -> Step:
    return Step("delete", webhook.id, f"Delete {webhook.id}: {why}.")


def _made(drift: tuple[Drift, ...], steps: tuple[Step, ...], left: tuple[str, ...] = ()) -> Plan:
    verbs = [step.verb for step in steps]
    kind: Kind = "nothing"
    if "create" in verbs:
        kind = "replace" if "delete" in verbs else "create"
    elif verbs:
        kind = verbs[0]
    return Plan(kind=kind, drift=drift, steps=steps, left=left)


def _left(listed: Sequence[Webhook], ours: Sequence[Webhook], known: Known) -> tuple[str, ...]:
    """Name those that look like ours: an operator may know more about them."""
    mine = {webhook.id for webhook in ours}
    found = []
    for webhook in listed:
        if webhook.id in mine or webhook.id in known.taken:
            continue
        if webhook.url in known.urls and known.alone:
            found.append(f"{webhook.id} calls this connection's URL, but was not made by this gateway: left alone.")
        elif webhook.id in known.ids or webhook.label == known.label:
            found.append(f"{webhook.id} calls {place(webhook.url)}: left alone.")
    return tuple(found)


def _where(url: str, wanted: Wanted) -> str:
    """Write where an older URL leads, and that its token is another one where nothing else is."""
    return f"{place(url)} (with another token)" if place(url) == place(wanted.url) else place(url)


def place(url: str) -> str:
    """Write where a URL leads without its path, which may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
