"""Harmony (heyharmony.com): records meetings and analyses conversations. It schedules nothing.

Its events are named `<entity>.<action>`, and that is all that is documented of a call: the body is read by shape, and
no event of theirs is listed here.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from gateway.contract import events, people, reading
from gateway.contract.provider import Account, ByHand, Draft, Inbound, Provider, Receipt, Settings, decode
from gateway.contract.reading import Warn, first, keys, text
from gateway.contract.signatures import Hmac, Unsigned
from providers.harmony import wire

DOTTED = re.compile(r"([A-Za-z][\w-]{0,63})\.([\w-]{1,64}(?:\.[\w-]{1,64}){0,2})", re.ASCII)
WORD = re.compile(r"[\w:-]{1,128}", re.ASCII)

STEPS = """\
In Harmony, as somebody who may manage webhooks (an admin may):
  1. Click your workspace's name, then Workspace settings, then Webhooks under Connections.
  2. Click + Create Webhook.
  3. Name:                 {name}
  4. Webhook URL:          {url}
  5. Events to Subscribe To: {events}. Whichever you tick are passed on.
  6. Click Test beside the URL, then Create Webhook. This shows what arrived:
     gateway connections show {id}
"""
UNSIGNED = """\
If Harmony then shows a signing secret, keep it: it is shown once. How calls are signed with it is not documented, but
the command above tells which headers the latest call has. Say what you see there, for example
     gateway connections change {id} --signing-secret \\
       --set signature.header=x-harmony-signature --set signature.encoding=hex
It is tried on that call before it is believed. Until then nothing but the URL proves a call, so give it to nobody else.
"""


class Signature(Hmac, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How calls are signed, as the operator found out."""


class SignatureSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    signature: Annotated[Signature | None, Meta(description="how calls are signed: header, encoding, prefix, ...")] = (
        None
    )


class Harmony(Provider):
    name = "harmony"
    title = "Harmony"
    docs = "https://help.heyharmony.com/docs/integrations/webhooks"
    settings = SignatureSettings
    signature = Unsigned(f"Harmony hands out a signing secret and documents no use of it: {docs}")
    webhooks = ByHand(STEPS, UNSIGNED)
    types = ("conversation.activity", "provider.event")

    def scheme(self, settings: SignatureSettings) -> Hmac | Unsigned:
        return settings.signature or self.signature

    def recognises(self, inbound: Inbound, body: object, account: Account) -> bool:
        del account  # a call does not say whose it is
        told = _flat(keys(body))
        event, name = told.get("event"), _name(told, inbound)
        foreign = "webhookType" in told or (isinstance(event, str) and not DOTTED.fullmatch(event))
        shape = DOTTED.fullmatch(name or "")
        return not foreign and shape is not None and shape[1].lower() not in wire.SCHEDULING

    def translate(self, receipt: Receipt) -> Sequence[Draft]:
        inbound = receipt.inbound
        told = _flat(decode(inbound.body, dict[str, Any]))
        name, said = _name(told, inbound), ["payload_undocumented", "account_not_stated"]
        event_id = people.identifier(first(told, wire.EVENT_IDS)) or _header(inbound, wire.EVENT_ID_HEADERS)
        data, at = _told(told, name, said.append)
        said += [
            *([] if name else ["no_event_name"]),
            *([] if at else ["event_time_not_stated"]),
            *([] if event_id else ["id_from_digest"]),
        ]
        parts = (name, event_id) if event_id else (name, None, reading.body_digest(inbound.body))
        warnings = tuple(dict.fromkeys(said))
        return [Draft(data=data, parts=parts, word=name, at=at, event_id=event_id, warnings=warnings)]


def _flat(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put `event.type` and its neighbours beside the other keys, for vendors who nest them."""
    return {**{f"event.{key}": value for key, value in keys(body.get("event")).items()}, **body}


def _header(inbound: Inbound, names: Sequence[str]) -> str | None:
    return next((value for name in names if (value := text(inbound.header(name)))), None)


def _name(told: Mapping[str, Any], inbound: Inbound) -> str | None:
    """Find the event's name: what looks like one, else the first single word where a name belongs.

    `name` may as well be a person's: it counts only when it looks like an event's.
    """
    stated = [text(told.get(place)) for place in wire.NAMES] + [_header(inbound, wire.NAME_HEADERS)]
    dotted = [word for word in stated if word and DOTTED.fullmatch(word)]
    words = [word for word in (*stated[:-2], stated[-1]) if word and WORD.fullmatch(word)]
    return next(iter((*dotted, *words)), None)


def _told(told: Mapping[str, Any], name: str | None, warn: Warn) -> tuple[events.Data, datetime | None]:
    """Say what happened and when, by the object that the call is about; without one that is the body itself."""
    shape = DOTTED.fullmatch(name or "")
    entity, action = shape.groups() if shape else ("", name)
    outer = next((found for key in (*wire.OBJECTS, entity) if (found := keys(told.get(key)))), None)
    at = _moment(first(told, wire.TIMES if outer is None else wire.ENVELOPE_TIMES), warn)
    thing = {key: value for key, value in told.items() if value != name} if outer is None else outer
    thing = keys(thing.get(entity)) or thing
    about = people.identifier(first(thing, (f"{entity}_id", f"{entity}Id", "id", "uuid")))
    if entity.lower() == "conversation":
        return _activity(thing, about, action or "", warn), at
    who = people.person(thing, lambda _: None)
    subject = events.Subject(id=about, name=(who and who.name) or text(first(thing, wire.TITLE)))
    known = subject if subject != events.Subject() else None
    return events.Other(entity=entity or None, action=action, subject=known), at


def _activity(thing: Mapping[str, Any], about: str | None, action: str, warn: Warn) -> events.Activity:
    conversation = events.Conversation(
        id=about,
        title=text(first(thing, wire.TITLE)),
        url=text(first(thing, wire.LINK)),
        started_at=_moment(first(thing, wire.STARTED), warn),
        ended_at=_moment(first(thing, wire.ENDED), warn),
    )
    listed = next((thing[key] for key in wire.PARTICIPANTS if isinstance(thing.get(key), list)), None)
    participants = people.people(listed, "attendees_not_stated", warn)
    return events.Activity(conversation=conversation, action=action, participants=participants)


def _moment(value: object, warn: Warn) -> datetime | None:
    """Read a time with an offset; a number may be seconds or milliseconds, so it is not read."""
    at = reading.moment(value)
    if at is None and value is not None:
        warn("value_unreadable")
    return at
