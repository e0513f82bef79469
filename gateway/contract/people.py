"""Read people in the spellings that schedulers use. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.contract.events import Person
from gateway.contract.reading import Warn, bounded, full_name, keys, text, zone

PARTS: Mapping[str, str] = {
    **dict.fromkeys(("id", "userId", "user_id", "contactId", "contact_id"), "id"),
    **dict.fromkeys(("name", "fullName", "full_name", "fullname", "displayName", "display_name"), "name"),
    **dict.fromkeys(("givenName", "given_name", "firstName", "first_name", "firstname"), "given_name"),
    **dict.fromkeys(("familyName", "family_name", "lastName", "last_name", "lastname"), "family_name"),
    **dict.fromkeys(("email", "emailAddress", "email_address"), "email"),
    **dict.fromkeys(("phone", "phoneNumber", "phone_number"), "phone"),
    **dict.fromkeys(("timezone", "timeZone", "time_zone"), "timezone"),
    **dict.fromkeys(("locale", "language"), "locale"),
}
"""Which part of a person a key holds; of several keys for one part the first in this table that says something."""

_LONGEST = 64


def person(value: object, warn: Warn) -> Person | None:
    """Read one; a text is a name or an address. What says nothing about a person is null."""
    if isinstance(value, str):
        said = text(value)
        return (Person(email=said) if "@" in said else Person(name=said)) if said else None
    stated, parts = keys(value), dict[str, str]()
    for key, part in PARTS.items():
        if key in stated and part not in parts and (said := identifier(stated[key])):
            parts[part] = said
    timezone, unclear = zone(parts.pop("timezone", None))
    if unclear:
        warn(unclear)
    name = full_name(parts.pop("name", None), parts.get("given_name"), parts.get("family_name"))
    return Person(**parts, name=name, timezone=timezone) if parts or name or timezone else None


def people(values: object, unsaid: str, warn: Warn) -> tuple[Person, ...] | None:
    """Read a list of people; without a list it is null, with the warning `unsaid`. Empty entries are left out.

    Raises NotUnderstood when there are more than `reading.MOST`.
    """
    if not isinstance(values, list):
        warn(unsaid)
        return None
    return tuple([found for value in bounded(values) if (found := person(value, warn))])


def identifier(value: Any) -> str | None:
    """Read an id or a number as text: JSON has both, and what is a key is none to calculate with."""
    number = isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _LONGEST
    return str(value) if number else text(value)
