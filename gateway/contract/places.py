"""Say what kind of place a text names: a meeting to join, a place to go to, a number to call, something else. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache

from gateway.contract.events import Location, LocationKind
from gateway.contract.reading import Warn, text

CONFERENCES: Mapping[str, str] = {
    "8x8.vc": "jitsi",
    "bluejeans.com": "bluejeans",
    "chime.aws": "amazon_chime",
    "daily.co": "daily",
    "discord.com": "discord",
    "discord.gg": "discord",
    "facetime.apple.com": "facetime",
    "goto.com": "goto_meeting",
    "gotomeet.me": "goto_meeting",
    "gotomeeting.com": "goto_meeting",
    "meet.google.com": "google_meet",
    "meet.jit.si": "jitsi",
    "skype.com": "skype",
    "teams.live.com": "microsoft_teams",
    "teams.microsoft.com": "microsoft_teams",
    "webex.com": "webex",
    "whereby.com": "whereby",
    "zoom.com": "zoom",
    "zoom.us": "zoom",
    "zoomgov.com": "zoom",
}
"""Products by the domain they own; a host below one of these is theirs too."""

MAPS: Mapping[str, str] = {
    "bing.com": "maps",
    "goo.gl": "maps",
    "maps.app.goo.gl": "",
    "maps.apple.com": "",
    "openstreetmap.org": "",
    "waze.com": "",
    "wego.here.com": "",
}
"""Where a link to a map is at, by domain and start of the path; Google's countries are read apart."""

_GOOGLE = re.compile(r"(maps\.|www\.)?google\.([a-z]{2,3}|com?\.[a-z]{2})")
_PHONE = re.compile(r"\+?[\d ().\-/\u00a0]{6,30}")
_FEWEST_DIGITS = 6
_LONGEST_AUTHORITY = 1024


def place(raw: object) -> tuple[Location | None, str | None]:
    """Say what kind of place a text names: (location, warning). A link to a map is a place to go to, not to join."""
    stated = text(raw)
    if stated is None:
        return None, None
    if stated[:8].lower().startswith(("https://", "http://")):
        return _linked(stated)
    if number := phone(stated):
        return Location(kind=LocationKind.PHONE, phone=number), None
    return Location(kind=LocationKind.OTHER, text=stated), "location_unrecognised"


def venue(
    word: object, link: object, stated: object, kinds: Mapping[str, tuple[LocationKind, str | None]], warn: Warn
) -> Location | None:
    """Say where a booking takes place that names its channel: `kinds` is the provider's table of kind and product.

    The table's word goes before what the link or the text looks like; a word that is not in it leaves it to them.
    """
    channel, found = text(word), (place(link) if text(link) else place(stated))[0]
    if channel is None and found is None:
        return None
    found = found or Location(kind=LocationKind.OTHER)
    kind, product = kinds.get(channel or "", (None, None))
    words = text(stated) or found.text
    if kind is None and (channel or found.kind is LocationKind.OTHER):
        warn("location_unrecognised")
        words = words or channel
    return Location(
        kind=kind or found.kind,
        text=None if words in (found.url, found.phone) else words,
        url=found.url,
        conference=product or found.conference,
        phone=found.phone,
    )


def phone(raw: str) -> str | None:
    """Read a phone number as written, with or without `tel:`; None when it is something else."""
    if raw[:4].lower() == "tel:":
        return raw[4:].partition(";")[0].strip() or None
    if _PHONE.fullmatch(raw) and sum(c.isdigit() for c in raw) >= _FEWEST_DIGITS:
        return raw
    return None


def conference(url: str) -> str | None:
    """Name the product behind a meeting link by the domain that owns it, never by what the link merely contains."""
    return _owner(_host(url)[0], CONFERENCES)


_AUTHORITY = re.compile(r"(?:[^@\\?#]*@)?(\[[\da-f:.]+\]|[^@:\[\]\\?#]+)(?::\d*)?([?#].*)?")


def _host(url: str) -> tuple[str, str]:
    """Split a link into host and path; no host when a browser could read another one out of it than we do."""
    if " " in url or not url.isprintable():
        return "", ""
    authority, _, path = url.partition("//")[2].lower().partition("/")
    if len(authority) > _LONGEST_AUTHORITY:  # to look for its owner takes a step a dot
        return "", ""
    if authority.replace(".", "").replace("-", "").isalnum():
        return authority, path
    odd = _AUTHORITY.fullmatch(authority)
    return (odd[1], "" if odd[2] else path) if odd else ("", "")


def _linked(url: str) -> tuple[Location, str | None]:
    host, path = _host(url)
    if not host:
        return Location(kind=LocationKind.OTHER, text=url), "location_unrecognised"
    product, map_path = _site(host)
    if map_path is not None and path.startswith(map_path):
        return Location(kind=LocationKind.IN_PERSON, url=url), None
    return Location(kind=LocationKind.ONLINE, url=url, conference=product), None


@lru_cache(maxsize=1024)  # thousands of bookings name a handful of hosts
def _site(host: str) -> tuple[str | None, str | None]:
    """Say what is at a host: the product to meet by, else how the paths of its maps begin."""
    product = _owner(host, CONFERENCES)
    if product is not None:
        return product, None
    if _GOOGLE.fullmatch(host) is None:
        return None, _owner(host, MAPS)
    return None, "" if host.startswith("maps.") else "maps"


def _owner(host: str, table: Mapping[str, str]) -> str | None:
    while host and host not in table:
        host = host.partition(".")[2]
    return table.get(host)
