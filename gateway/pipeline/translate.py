"""The first half of step 2: what a call says, in drafts; or whom to ask before that can be said."""

import traceback
from collections.abc import Iterable, Sequence

import structlog
from msgspec import Struct

from gateway.contract.asked import booking_of, settled
from gateway.contract.errors import Contradicted, NotUnderstood
from gateway.contract.provider import Draft, Found, Receipt
from gateway.pipeline.receive import Candidate, Received, Unclaimed

AMBIGUOUS = "cancel_scope_ambiguous"
"""What a plugin warns of and the provider itself can settle."""

_log = structlog.get_logger(__name__)


class Translated(Struct, frozen=True):
    """What a call became. `reason` is set when it was not understood, and then there are no drafts.

    `wants`: the bookings that the provider is asked about first; then there are no drafts either.
    """

    drafts: Sequence[Draft]
    reason: str | None = None
    wants: tuple[str, ...] = ()


def translate(call: Received | Unclaimed, *, asking: bool = True) -> Translated:
    """Ask the plugin. Whatever goes wrong in it is a reason for quarantine, never a lost call.

    `asking` False: the provider was asked, or cannot be; what it answered is in the receipt.
    """
    if isinstance(call, Unclaimed):
        return Translated((), call.reason)
    candidate, receipt = call.candidate, call.receipt
    try:
        if not candidate.askable:
            return Translated(candidate.provider.translate(receipt))
        return _doubted(candidate, receipt) if asking else Translated(_held_against(candidate, receipt))
    except Contradicted as error:
        return Translated((), f"contradicted: {error}")
    except NotUnderstood as error:
        return Translated((), f"not_understood: {error}")
    except Exception as error:  # noqa: BLE001 -- the one place where a plugin's own mistake is caught
        where = _innermost(error)
        _log.error("plugin_error", provider=call.candidate.provider.name, error=type(error).__name__, where=where)
        return Translated((), f"plugin_error: {type(error).__name__} at {where}")


def _doubted(candidate: Candidate, receipt: Receipt) -> Translated:
    """Translate, unless the provider has to be asked first: for what the call is about, or whether it is true."""
    if wanted := candidate.provider.wants(receipt):
        return Translated((), wants=tuple(wanted))
    drafts = candidate.provider.translate(receipt)
    confirming = receipt.proof == "token" and getattr(receipt.account.settings, "confirm", "no") != "no"
    doubtful = [booking.id for d in drafts if (confirming or AMBIGUOUS in d.warnings) and (booking := booking_of(d))]
    return Translated((), wants=tuple(dict.fromkeys(doubtful))) if doubtful else Translated(drafts)


def _held_against(candidate: Candidate, receipt: Receipt) -> Sequence[Draft]:
    """Translate, and hold what the call says against what the provider answered, unless the plugin itself did."""
    drafts, api = candidate.provider.translate(receipt), candidate.provider.bookings
    if api is None or not receipt.fetched or candidate.provider.wants(receipt):
        return drafts
    checked = []
    for draft in drafts:
        booking = booking_of(draft)
        answer = receipt.fetched.get(booking.id) if booking else None
        if booking is None or answer is None:
            checked.append(draft)
        else:
            checked.append(settled(draft, api.state(receipt.account, Found(booking.id, answer))))
    return checked


def keys_of(candidate: Candidate, bookings: Iterable[str]) -> tuple[str, ...]:
    """Name the ordering keys of a connection's bookings."""
    return tuple(f"{candidate.provider.name}:{candidate.account.connection}:{booking}" for booking in bookings)


def _innermost(error: Exception) -> str:
    """Say where it happened, and nothing of what the values were."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name}:{frame.lineno}"
