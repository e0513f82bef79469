"""Read objects that no vendor documents: likely keys are tried, what is not found stays null, and nothing is an error.

For optional parts of a body only. Whoever uses this warns `payload_undocumented` and keeps the object in `extensions`.
"""

from collections.abc import Mapping
from typing import Any

from gateway.contract.events import Actor, Answer, AnswerType, Identity, Payment, PaymentStatus, Person, Previous
from gateway.contract.people import person
from gateway.contract.reading import Warn, answer, bounded, first, keys, moment, text

BY = ("by", "initiator", "actor", "canceled_by", "cancelled_by", "rescheduled_by")
REASON = ("reason", "message", "comment")
OLD_START = (
    "previous_start",
    "old_start",
    "original_start",
    "previous_scheduled_at",
    "old_scheduled_at",
    "original_scheduled_at",
)
OLD_END = ("previous_end", "old_end", "previous_end_date", "old_end_date", "original_end_date")
OLD_ID = ("previous_id", "old_id", "previous_uuid", "old_uuid", "original_uuid")
AMOUNT = ("amount", "price", "total")
PROCESSOR = ("processor", "provider")
REFERENCE = ("reference", "transaction_id", "id")
RESPONDENT = ("respondent", "contact", "attendee", "lead")
ANSWER_LIST = ("answers", "formAnswers", "form_answers", "fields", "responses")
QUESTION = ("question", "label", "title", "name")
QUESTION_TYPE = ("type", "fieldType", "question_type")
VALUE = ("value", "answer", "values")

ACTORS: Mapping[str, Actor] = {
    "attendee": Actor.ATTENDEE,
    "client": Actor.ATTENDEE,
    "guest": Actor.ATTENDEE,
    "host": Actor.HOST,
    "invitee": Actor.ATTENDEE,
    "organizer": Actor.HOST,
    "system": Actor.SYSTEM,
    "user": Actor.HOST,
}
ANSWERS: Mapping[str, AnswerType] = {
    "checkbox-multi": AnswerType.CHOICE,
    "checkbox-single": AnswerType.BOOLEAN,
    "email": AnswerType.EMAIL,
    "number": AnswerType.NUMBER,
    "phone": AnswerType.PHONE,
    "radio": AnswerType.CHOICE,
    "select": AnswerType.CHOICE,
    "text": AnswerType.TEXT,
    "text-multi": AnswerType.TEXT,
    "text-single": AnswerType.TEXT,
    "textarea": AnswerType.TEXT,
    "yes-no": AnswerType.BOOLEAN,
}
"""Types of questions whose word says itself what they are; a plugin adds those that its provider documents."""


def actor(word: object) -> Actor | None:
    """Say who acted; a word that is not known, such as a name, is `other`."""
    stated = text(word)
    return ACTORS.get(stated.lower(), Actor.OTHER) if stated else None


def by(told: object) -> Actor | None:
    """Find who moved or cancelled."""
    return actor(first(keys(told), BY))


def reason(told: object) -> str | None:
    """Find why; a plain text in the place of the object is the reason."""
    return text(told) or text(first(keys(told), REASON))


def previous(told: object, booking_id: str, warn: Warn) -> Previous:
    """Find the slot and the id a moved booking had before; no old id says nothing about whether it kept its own."""
    old, start, end = (first(keys(told), names) for names in (OLD_ID, OLD_START, OLD_END))
    identity = Identity.SAME if old == booking_id else Identity.NEW if text(old) else Identity.UNKNOWN
    if moment(start) is None:
        warn("previous_slot_not_stated")
    return Previous(identity=identity, booking_id=text(old), start=moment(start), end=moment(end))


def payment(told: object) -> Payment | None:
    """Find what was paid. A whole number is left out: it may be units or cents."""
    if not (known := keys(told)):
        return None
    amount = first(known, AMOUNT)
    return Payment(
        status=PaymentStatus((text(known.get("status")) or "").lower()),
        amount=str(amount) if _decimal(amount) else None,
        currency=text(known.get("currency")),
        processor=text(first(known, PROCESSOR)),
        reference=text(first(known, REFERENCE)),
    )


def _decimal(amount: Any) -> bool:
    whole, point, part = str(amount).partition(".") if isinstance(amount, float | str) else ("", "", "")
    return bool(point) and whole.isdecimal() and part.isdecimal()


def respondent(told: object, warn: Warn) -> Person | None:
    """Find who filled a form in."""
    return person(first(keys(told), RESPONDENT), warn)


def answers(told: object, warn: Warn) -> tuple[Answer, ...] | None:
    """Find what a form was filled in with: a list of questions with answers, or an object of answers by question.

    Raises NotUnderstood when there are more than `reading.MOST`.
    """
    found = first(keys(told), ANSWER_LIST)
    if isinstance(found, dict):
        return tuple([answer(question, None, value, ANSWERS, warn) for question, value in bounded(found).items()])
    if not isinstance(found, list):
        return None
    asked = [[first(keys(one), names) for names in (QUESTION, QUESTION_TYPE, VALUE)] for one in bounded(found)]
    return tuple([answer(question, word, value, ANSWERS, warn) for question, word, value in asked])
