"""What kind of place a text names is told by who owns the link, never by what it merely contains."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.events import Location, LocationKind
from gateway.contract.places import CONFERENCES, conference, phone, place, venue

ONLINE, IN_PERSON, PHONE, OTHER = LocationKind.ONLINE, LocationKind.IN_PERSON, LocationKind.PHONE, LocationKind.OTHER


@pytest.mark.parametrize(
    ("url", "product"),
    [
        ("https://zoom.us/j/1", "zoom"),
        ("https://us02web.zoom.us/j/1?pwd=a#b", "zoom"),
        ("HTTPS://Meet.Google.com/abc-defg-hij", "google_meet"),
        ("https://teams.microsoft.com:443/l/meetup-join/x", "microsoft_teams"),
        ("https://user:word@zoom.us/j/1", "zoom"),
        ("https://zoom.us?x", "zoom"),
        ("https://google.com/meet", None),
        ("https://notzoom.us/j/1", None),
        ("https://zoom.us.evil.example.com/", None),
        ("https://zoom.us@evil.example.com/", None),
        ("https://evil.example.com/zoom.us", None),
        ("https://evil.example.com#@zoom.us", None),
        ("https://evil.example.com?@zoom.us/", None),
        ("https://[::1]/zoom.us", None),
    ],
)
def test_a_link_to_join_names_the_product_that_owns_its_domain(url: str, product: str | None) -> None:
    assert place(url) == (Location(kind=ONLINE, url=url, conference=product), None)
    assert conference(url) == product


@pytest.mark.parametrize(
    "url",
    [
        "https://maps.google.de/?q=x",
        "https://www.google.co.uk/maps/place/x",
        "https://google.com/maps/@52.5,13.4",
        "https://goo.gl/maps/abc",
        "https://maps.app.goo.gl/abc",
        "https://maps.apple.com/?q=x",
        "https://www.openstreetmap.org/#map=1/2/3",
    ],
)
def test_a_link_to_a_map_is_a_place_to_go_to(url: str) -> None:
    assert place(url) == (Location(kind=IN_PERSON, url=url), None)


@pytest.mark.parametrize(
    "url", ["https://goo.gl/abc", "https://google.evil.example.com/maps", "https://bing.com/search"]
)
def test_a_link_that_only_looks_like_a_map_is_none(url: str) -> None:
    assert place(url) == (Location(kind=ONLINE, url=url), None)


@pytest.mark.parametrize(
    ("stated", "number"),
    [
        ("tel:+48123456789", "+48123456789"),
        ("TEL:+48-123;ext=5", "+48-123"),
        ("+48 123 456 789", "+48 123 456 789"),
        ("(030) 1234-56", "(030) 1234-56"),
    ],
)
def test_a_number_is_a_call(stated: str, number: str) -> None:
    assert place(stated) == (Location(kind=PHONE, phone=number), None)


@pytest.mark.parametrize(
    "stated",
    [
        "The café at the old market",
        "Room 12",
        "10115",
        "https://",
        "https://evil.example.com\\.zoom.us/",
        "https://evil.example.com\\@zoom.us/",
        "https://zoom.us/j/1 or call us",
        "https://zo\x00om.us/",
        "javascript:alert(1)",
        "tel:",
    ],
)
def test_anything_else_is_kept_as_text_with_a_warning(stated: str) -> None:
    assert place(stated) == (Location(kind=OTHER, text=stated), "location_unrecognised")


@pytest.mark.parametrize("stated", [None, "", " ", 5, ["https://zoom.us"]])
def test_no_place_is_null(stated: object) -> None:
    assert place(stated) == (None, None)


@given(st.text() | st.text().map(lambda rest: f"https://{rest}"))
def test_nothing_that_is_written_raises(stated: str) -> None:
    location, _ = place(stated)
    assert location is None or location.url in (None, stated.strip())
    assert phone(stated) is None or conference(stated) is None


JOIN, MEET = "https://zoom.us/j/1", "https://meet.google.com/x"
CHANNELS = {"google": (ONLINE, "google_meet"), "phone": (PHONE, None), "local": (IN_PERSON, None)}


@pytest.mark.parametrize(
    ("word", "link", "stated", "expected", "warned"),
    [
        (
            "google",
            "https://meet.google.com/x",
            None,
            Location(kind=ONLINE, url="https://meet.google.com/x", conference="google_meet"),
            False,
        ),
        ("local", None, "Main Street 5", Location(kind=IN_PERSON, text="Main Street 5"), False),
        ("phone", None, "+48123456789", Location(kind=PHONE, phone="+48123456789"), False),
        ("hologram", JOIN, None, Location(kind=ONLINE, text="hologram", url=JOIN, conference="zoom"), True),
        (None, JOIN, None, Location(kind=ONLINE, url=JOIN, conference="zoom"), False),
        (None, None, "Main Street 5", Location(kind=OTHER, text="Main Street 5"), True),
        (None, None, None, None, False),
    ],
)
def test_a_named_channel_goes_before_what_the_text_looks_like(
    word: object, link: object, stated: object, expected: Location | None, warned: bool
) -> None:
    warnings: list[str] = []
    assert venue(word, link, stated, CHANNELS, warnings.append) == expected
    assert bool(warnings) is warned


def test_products_are_known_by_domains_in_lower_case() -> None:
    assert all(domain == domain.lower() and "." in domain and "/" not in domain for domain in CONFERENCES)


def test_what_is_longer_than_any_host_is_no_link() -> None:
    """Each dot would be a step in the search for its owner, and the whole name would be remembered."""
    location, warning = place("https://" + "a." * 5000 + "zoom.us/j/1")
    assert (location and location.kind, warning) == (OTHER, "location_unrecognised")
