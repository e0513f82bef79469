"""Why a call is in quarantine, for people: what the first word of its reason means, and what to do about it."""

import re
from collections.abc import Mapping

from msgspec import Struct


class Meaning(Struct, frozen=True):
    """`said`: a sentence, with the rest of the reason in place of the braces. `todo`: what to do, and when to retry."""

    said: str
    todo: str


MEANINGS: Mapping[str, Meaning] = {
    "not_understood": Meaning(
        "The provider's plugin expects something else: {}.",
        "Calls like this are new to the plugin, or the provider changed them. Wait for a plugin that reads them, then "
        "retry; or discard it, if nobody needs it. (`$` is the body of the call, `$.id` the field id in it.)",
    ),
    "plugin_error": Meaning(
        "The provider's plugin failed: {}.",
        "That is a mistake in the plugin, not in the call. Wait for a plugin that is mended, then retry.",
    ),
    "unrecognised": Meaning(
        "No connection recognises it: it came to the inbound URL, and is like no connected provider's call.",
        "Connect the provider that sends it, then retry. If it is nobody's that you know, discard it.",
    ),
    "ambiguous": Meaning(
        "Several connections recognise it, and nothing in it says whose it is.",
        "Give all of them but one a URL of their own (`gateway connect --own-url`), then retry.",
    ),
    "refused": Meaning(
        "It looks like a call of a connection that takes signed calls only, and it is not signed.",
        "It may be forged: discard it, unless you know better. Retry takes it once that connection takes such calls.",
    ),
    "connection_removed": Meaning(
        "The connection it came for was removed.",
        "Nothing can be made of it any more: see what it says, then discard it.",
    ),
    "contradicted": Meaning(
        "The provider says otherwise: {}.",
        "It may be forged, or the booking has changed since. Retry asks the provider again; discard what is forged.",
    ),
    "unconfirmed": Meaning(
        "The provider was asked whether it is true, and not heard: {}.",
        "Retry once the provider answers again: it is asked anew.",
    ),
    "damaged": Meaning(
        "What is kept of it is damaged: {}.",
        "Nothing can be made of it any more: discard it, and look at the disk.",
    ),
}
"""By the word that a reason begins with."""
_MISSING = re.compile("^Object missing required field (?=`)")
"""How msgspec says that there is no such field."""
_OTHER = Meaning("{}.", "See what it says, then retry or discard it.")


def meaning(reason: str | None) -> Meaning:
    """Say what a reason means, and what to do."""
    word, _, rest = (reason or "It is not stated").partition(": ")
    found = MEANINGS.get(word)
    if found is None:
        found, rest = _OTHER, reason or "It is not stated"
    return Meaning(found.said.replace("{}", _MISSING.sub("no ", rest.rstrip("."))), found.todo)
