"""What a person does at a provider where the gateway makes no webhook: the URL to paste, the page, the signature."""

from collections.abc import Sequence

import msgspec

from gateway.contract.provider import ByHand, Provider, WebhookApi
from gateway.contract.signatures import Hmac, Unsigned
from gateway.registration.rules import scheme_of
from gateway.store.model import Connection

PASTE = """\
No webhook was made at {title}. Make one there, in its settings or through its API:
  URL:     {{url}}
  Events:  {{events}}
"""


def instructions(provider: Provider, row: Connection, url: str) -> str | None:
    """Say what to do for a connection; None where the gateway makes the webhook itself.

    Its parts are no format strings once they are filled in: a name or a URL may hold any brace.
    """
    by_hand = provider.webhooks if isinstance(provider.webhooks, ByHand) else None
    if by_hand is None and (row.webhook_ids or row.status in ("registering", "removing")):
        return None
    text = by_hand.steps if by_hand else PASTE.format(title=provider.title)
    warned = by_hand.unsigned if by_hand and not row.secrets else ""
    text += warned
    named = {"id": row.id, "events": ", ".join(_events(provider, row)) or "all that there are", "url": url}
    for name, value in (*named.items(), ("name", row.name)):
        text = text.replace(f"{{{name}}}", value)
    proof = "" if warned else f"{_proof(provider, row)}\n"
    return f"{text.rstrip()}\n{proof}Their page: {provider.docs}\n"


def _events(provider: Provider, row: Connection) -> Sequence[str]:
    chosen = msgspec.convert(row.settings, provider.settings).events
    all_there_are = provider.webhooks.events if isinstance(provider.webhooks, WebhookApi) else ()
    return chosen or all_there_are


def _proof(provider: Provider, row: Connection) -> str:
    """Say by what its calls are believed."""
    scheme = scheme_of(provider, row)
    if isinstance(scheme, Unsigned):
        return "Its calls carry no signature: whoever knows the URL can make them, so give it to nobody else."
    if not row.secrets:
        return "Unsigned calls are accepted, as you said: whoever knows the URL can make them."
    return (
        f"Secret: the one of this connection. Its calls are believed by the header `{scheme.header}` ({_how(scheme)}), "
        "and refused (401) without it."
    )


def _how(scheme: Hmac) -> str:
    fields = f", as `{scheme.fields[0]}=...,{scheme.fields[1]}=...`" if scheme.fields else ""
    prefix = f", behind `{scheme.prefix}`" if scheme.prefix else ""
    over = "the body" if scheme.signed == "{body}" else f"`{scheme.signed}`"
    return f"HMAC-SHA256 over {over}, {scheme.encoding}{prefix}{fields}"
