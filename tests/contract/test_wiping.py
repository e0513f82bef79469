"""A token that acts without a login is blanked under its key and wherever else it stands."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.errors import NotUnderstood
from gateway.contract.reading import body_digest, wiped

MASKED = frozenset({"secret", "cancel.link"})
TOKENS = st.from_regex(r"[A-Za-z0-9_-]{8,40}", fullmatch=True)


@given(TOKENS, st.sampled_from(sorted(MASKED)), st.sampled_from(["", " ", "\n\t"]))
def test_it_stands_nowhere_afterwards(token: str, key: str, space: str) -> None:
    body = (
        f'{{"id":"1","deep":[{{"{key}"{space}:{space}"{token}"}}],"link":"https://x.example.com/?t={token}"}}'.encode()
    )
    assert token.encode() not in wiped(body, MASKED)
    assert len(wiped(body, MASKED)) == len(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"secrets":"12345678"}',
        b'{"secret":null,"id":"null"}',
        b'{"secret":"short"}',
        b'{"cancelXlink":"12345678"}',
    ],
)
def test_everything_else_stays_as_it_is(body: bytes) -> None:
    assert wiped(body, MASKED) == body


@given(st.binary(max_size=80), TOKENS)
def test_any_bytes_can_be_wiped(noise: bytes, token: str) -> None:
    assert len(wiped(noise + b'"secret":"%b"' % token.encode() + noise, MASKED)) == 2 * len(noise) + len(token) + 11


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "secret"]), st.integers() | st.dictionaries(st.just("secret"), st.text())
    )
)
def test_a_digest_leaves_out_what_does_not_count(value: dict[str, object]) -> None:
    counted = {key: {} if isinstance(item, dict) else item for key, item in value.items() if key != "secret"}
    digest = body_digest(msgspec.json.encode(value), MASKED)
    assert digest == body_digest(msgspec.json.encode(counted))


def test_a_body_of_nothing_but_tokens_is_refused_at_once() -> None:
    """Each one is looked for in the whole body, so there is a limit to how many may be there."""
    body = b"{" + b",".join(b'"secret":"%08x"' % n for n in range(50_000)) + b"}"
    with pytest.raises(NotUnderstood):
        wiped(body, MASKED)
