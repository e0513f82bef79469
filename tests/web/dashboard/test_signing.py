"""How calls are signed, in words."""

import pytest
from msgspec.structs import fields

from gateway.contract.signatures import Hmac
from gateway.web.dashboard.signing import ASKED, told


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        (Hmac(header="x-sig", encoding="hex"), "HMAC-SHA256 of the body, as hex, in the header x-sig"),
        (
            Hmac(header="sig", encoding="base64", signed="{t}.{body}", fields=("t", "v1"), tolerance=300, key="hex"),
            (
                "HMAC-SHA256 of {t}.{body}, as base64, in the header sig, the time as t and the signature as v1, "
                "at most 5 min away from our clock, the secret decoded from hex"
            ),
        ),
    ],
)
def test_a_scheme_is_told(scheme: Hmac, words: str) -> None:
    assert told(scheme) == words


def test_every_part_of_a_scheme_is_asked_for_in_words() -> None:
    assert set(ASKED) == {field.name for field in fields(Hmac)}
