"""Ids are written as RFC 4648 has it, only faster."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.base32 import SORTABLE, STANDARD, base32


@given(st.binary(max_size=20))
def test_the_text_is_that_of_the_standard_library(raw: bytes) -> None:
    assert base32(raw, STANDARD) == base64.b32encode(raw).decode().rstrip("=").lower()
    assert base32(raw, SORTABLE) == base64.b32hexencode(raw).decode().rstrip("=").lower()


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_sortable_text_sorts_as_the_bytes_do(one: bytes, other: bytes) -> None:
    assert (base32(one) < base32(other)) == (one < other)
