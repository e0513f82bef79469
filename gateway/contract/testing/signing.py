"""Signature: the declared scheme accepts the vendor's own calls, and nothing that was changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec import Struct

from gateway.contract.signatures import Hmac, Unsigned, sign, verify
from gateway.contract.testing.suite import AT, URL, Suite


class Vector(Struct, frozen=True, kw_only=True):
    """One call that is known to be signed rightly: from the vendor's page, or made by the vendor's own code.

    `headers` in the vendor's names, any case. `body`: the bytes, or the file that holds them. `at`: when it was signed.
    """

    body: bytes | Path
    secret: str
    headers: Mapping[str, str]
    url: str = URL
    at: datetime = AT

    def raw(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()


class SignedSuite(Suite):
    vectors: ClassVar[Sequence[Vector]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        super().pytest_generate_tests(metafunc)
        if "vector" in metafunc.fixturenames:
            metafunc.parametrize("vector", self.vectors, ids=range(len(self.vectors)))

    def scheme(self) -> Hmac:
        scheme = self.provider.scheme(self.account().settings)
        assert isinstance(scheme, Hmac), "signature: not declared"
        return scheme

    def verified(self, vector: Vector, **changed: Any) -> bool:
        """Check a vector against the declared scheme, with some of secret, headers, body, url and at changed."""
        headers = [(name.lower(), value.encode()) for name, value in vector.headers.items()]
        given: dict[str, Any] = {"secret": vector.secret, "headers": headers, "body": vector.raw()}
        given |= {"url": vector.url, "at": vector.at, **changed}
        secret = given.pop("secret")
        return verify(self.scheme(), [secret], **given)

    def test_the_vendors_own_call_is_accepted(self, vector: Vector) -> None:
        assert self.verified(vector), "header, encoding, prefix, signed or key is not what the vendor does"

    def test_another_secret_is_not(self, vector: Vector) -> None:
        for secret in (f"{vector.secret[:-2]}zz", vector.secret[::-1], vector.secret.swapcase() + "0", ""):
            assert not self.verified(vector, secret=secret)

    def test_a_changed_body_is_not(self, vector: Vector) -> None:
        body = vector.raw()
        for at in range(0, len(body), max(1, len(body) // 20)):
            assert not self.verified(vector, body=body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])
        assert not self.verified(vector, body=b"")
        assert not self.verified(vector, body=body + b" "), "the raw bytes are signed, not what they mean"

    def test_a_missing_doubled_or_spoilt_header_is_not(self, vector: Vector) -> None:
        headers = [(name.lower(), value.encode()) for name, value in vector.headers.items()]
        signature = next(value for name, value in headers if name == self.scheme().header)
        rest = [(name, value) for name, value in headers if name != self.scheme().header]
        for values in ([], [signature] * 2, [b""], [signature[:-1]], [signature + b"="], [b"\xff" + signature]):
            assert not self.verified(vector, headers=[*rest, *((self.scheme().header, value) for value in values)])

    def test_the_digest_in_another_encoding_is_not(self, vector: Vector) -> None:
        scheme = self.scheme()
        other = msgspec.structs.replace(scheme, encoding="hex" if scheme.encoding == "base64" else "base64")
        name, value = sign(other, vector.secret, url=vector.url, body=vector.raw(), at=vector.at)
        assert not self.verified(vector, headers=[(name, value.encode())])

    def test_a_signed_time_is_checked(self, vector: Vector) -> None:
        scheme = self.scheme()
        if "{t}" not in scheme.signed:
            assert self.verified(vector, at=vector.at + timedelta(days=3650)), "no time is signed: none may be checked"
            return
        assert scheme.tolerance > 0, "tolerance: the time is signed and nobody looks at it"
        edge, second = timedelta(seconds=scheme.tolerance), timedelta(seconds=1)
        for way in (edge, -edge):
            assert self.verified(vector, at=vector.at + way)
        for way in (edge + second, -edge - second):
            assert not self.verified(vector, at=vector.at + way), "tolerance: a call this old or this early is a replay"

    def test_what_is_signed_here_is_accepted_here(self, vector: Vector) -> None:
        name, value = sign(self.scheme(), vector.secret, url=vector.url, body=b"{}", at=AT)
        assert self.verified(vector, headers=[(name, value.encode())], body=b"{}", at=AT)


class UnsignedSuite(Suite):
    """No signature: said on purpose, with the page that says it."""

    def test_it_says_why_and_where(self) -> None:
        scheme = self.provider.scheme(self.account().settings)
        assert isinstance(scheme, Unsigned), "signature: Unsigned(...) is how a provider says that it does not sign"
        assert "https://" in scheme.why, "why: name the page that says so"
        assert len(scheme.why) > len("https://") + 20
