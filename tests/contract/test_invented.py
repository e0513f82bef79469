"""What our three providers lack is carried by the contract as it is: shown by the conformance classes."""

import base64
import hashlib
import hmac
from pathlib import Path

from gateway.contract.testing import ByHandSuite, SignedSuite, TranslationSuite, Vector
from tests.contract.invented.addressed import Addressed
from tests.contract.invented.formed import Formed
from tests.contract.invented.stamped import Stamped

INVENTED = Path(__file__).parent / "invented"
AT = 1772357400
"""2026-03-01T09:30:00Z"""


def _digest(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


class TestStamped(TranslationSuite, ByHandSuite):
    provider = Stamped()
    folder = INVENTED / "stamped"


class TestStampedSignature(SignedSuite):
    """Time and signature stand in one header, and both of two live secrets may have signed."""

    provider = Stamped()
    body = b'{"happened":"created"}'
    right = _digest(b"a-secret", b"%d.%b" % (AT, body)).hex()
    vectors = (
        Vector(body=body, secret="a-secret", headers={"Stamped-Signature": f"t={AT},v1={right}"}),
        Vector(body=body, secret="a-secret", headers={"Stamped-Signature": f"t={AT}, v1={'0' * 64}, v1={right}"}),
    )


class TestFormed(TranslationSuite, ByHandSuite):
    provider = Formed()
    folder = INVENTED / "formed"


class TestFormedSignature(SignedSuite):
    provider = Formed()
    body = (INVENTED / "formed" / "payloads" / "scheduled.form").read_bytes()
    right = base64.b64encode(_digest(b"the-api-key", body)).decode()
    vectors = (Vector(body=body, secret="the-api-key", headers={"X-Formed-Signature": right}),)


class TestAddressed(TranslationSuite, ByHandSuite):
    provider = Addressed()
    folder = INVENTED / "addressed"


class TestAddressedSignature(SignedSuite):
    provider = Addressed()
    url = "https://gateway.example.com/in/token"
    body = (INVENTED / "addressed" / "payloads" / "scheduled.json").read_bytes()
    right = base64.b64encode(_digest(bytes.fromhex("00ff10ab"), url.encode() + body)).decode()
    vectors = (Vector(body=body, secret="00ff10ab", url=url, headers={"X-Addressed-Signature": f"sha256={right}"}),)

    def test_a_call_to_another_address_is_not_accepted(self, vector: Vector) -> None:
        assert not self.verified(vector, url=f"{vector.url}-other")
