"""How Harmony signs is a setting: once the operator knows, what is said there is what is checked."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
import pytest

from gateway.contract.signatures import Hmac, Unsigned
from gateway.contract.testing import SignedSuite, SimulatorSuite, Vector
from providers.harmony import Harmony, SignatureSettings
from providers.harmony.simulator import Simulation

BODY = b'{"event":"contact.created","data":{"id":"contact-bo"}}'
KEY = "00112233445566778899aabbccddeeff" * 2
AT_LEAST = {"header": "x-harmony-signature", "encoding": "hex"}


def signing() -> Simulation:
    return Simulation(Hmac(header="x-harmony-signature", encoding="hex", prefix="sha256="))


class TestOverTheBody(SignedSuite, SimulatorSuite):
    provider = Harmony()
    settings: ClassVar[Mapping[str, Any]] = {"signature": {**AT_LEAST, "prefix": "sha256="}}
    simulation = signing
    vectors = (
        Vector(
            body=BODY,
            secret=KEY,
            headers={"X-Harmony-Signature": "sha256=" + hmac.new(KEY.encode(), BODY, hashlib.sha256).hexdigest()},
        ),
    )


class TestOverTimeAndBody(SignedSuite):
    provider = Harmony()
    settings: ClassVar[Mapping[str, Any]] = {
        "signature": {**AT_LEAST, "fields": ["t", "v1"], "signed": "{t}.{body}", "key": "hex", "tolerance": 300}
    }
    vectors = (
        Vector(
            body=BODY,
            secret=KEY,
            headers={
                "X-Harmony-Signature": "t=1772357400,v1="
                + hmac.new(bytes.fromhex(KEY), b"1772357400." + BODY, hashlib.sha256).hexdigest()
            },
        ),
    )


def test_the_simulators_settings_say_how_it_signs() -> None:
    settings = msgspec.convert(signing().settings("http://localhost"), SignatureSettings)
    scheme = Harmony().scheme(settings)
    assert isinstance(scheme, Hmac)
    assert (scheme.header, scheme.encoding, scheme.prefix) == ("x-harmony-signature", "hex", "sha256=")
    assert Simulation().settings("http://localhost") == {}


def test_without_the_setting_nothing_is_signed() -> None:
    assert isinstance(Harmony().scheme(SignatureSettings()), Unsigned)


@pytest.mark.parametrize(
    ("signature", "named"),
    [
        ({"encoding": "hex"}, "header"),
        ({"header": "X-Signature", "encoding": "hex"}, "lower-case"),
        ({**AT_LEAST, "encoding": "rot13"}, "encoding"),
        ({**AT_LEAST, "signed": "{t}"}, "{body}"),
        ({**AT_LEAST, "tolerance": 300}, "tolerance"),
        ({**AT_LEAST, "prefixx": "sha256="}, "prefixx"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(signature: dict[str, str], named: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=named):
        msgspec.convert({"signature": signature}, SignatureSettings)
