"""Show the bytes of a call without what acts without a login."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.provider import Inbound
from gateway.web.api.masking import masked

KEYS = frozenset({"secret", "cancel_link"})
CANARY = "Zq7"


def shown(body: bytes, media: bytes = b"application/json", keys: frozenset[str] = KEYS) -> bytes:
    return masked(Inbound("https://gw/in/t", (("content-type", media),), body, datetime.now(UTC)), keys)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"secret": "abc"}', b'{"secret": "***"}'),
        (b'{"a":[{"b":{"secret":"x"}}],"secret":"yy"}', b'{"a":[{"b":{"secret":"*"}}],"secret":"**"}'),
        (b'{"secret":12.5,"cancel_link":true}', b'{"secret":****,"cancel_link":****}'),
        (b'{"secret":null}', b'{"secret":null}'),
        (b'{"secret":{"k":["v",1]},"x":"v"}', b'{"secret":{"*":["*",*]},"x":"v"}'),
        (b'{"secret":[],"x":"secret"}', b'{"secret":[],"x":"secret"}'),
        (b'{"s\\u0065cret":"a\\"b\\\\"}', b'{"s\\u0065cret":"******"}'),
        ('{"secret":"é"}'.encode(), b'{"secret":"**"}'),
        (b'{"secret" :\n\t"abc" , "b" : 1 }', b'{"secret" :\n\t"***" , "b" : 1 }'),
        (b'{"secret":"a","secret":"b"}', b'{"secret":"*","secret":"*"}'),
        (b'{"Secret":"a","secrets":"b"}', b'{"Secret":"a","secrets":"b"}'),
        (b"", b""),
    ],
)
def test_values_of_masked_keys_are_stars_of_the_same_length(body: bytes, expected: bytes) -> None:
    assert shown(body) == expected


def test_fields_of_a_form_are_masked_by_name() -> None:
    body = b"a=1&secret=x%20y&booking%5Bsecret%5D=z&b.secret=w&c=secret&secret"
    expected = b"a=1&secret=*****&booking%5Bsecret%5D=*&b.secret=*&c=secret&secret"
    assert shown(body, b"application/x-www-form-urlencoded; charset=utf-8") == expected


@pytest.mark.parametrize("body", [b'{"secret": "abc', b"{'secret': 'abc'}", b"secret: abc", b"[" * 5000, b"\xff\xfe"])
def test_of_a_body_that_cannot_be_read_nothing_is_shown(body: bytes) -> None:
    assert shown(body) == b"*" * len(body)


def test_a_provider_without_such_keys_is_shown_as_it_came() -> None:
    assert shown(b"\xff not json", keys=frozenset()) == b"\xff not json"


# --- the law ------------------------------------------------------------------------------------------------------

_TEXT = st.text(st.characters(codec="utf-8"), max_size=10)
_LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT
_KEY = st.sampled_from(sorted(KEYS)) | _TEXT
_VALUE = st.recursive(_LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEY, inner, max_size=4))
_SPACE = st.sampled_from(["", " ", "\n\t"])


def written(value: Any, hide: bool, space: str, ascii_only: bool) -> tuple[str, str]:
    """Write JSON, and beside it what may be seen of it."""

    def leaf(of: Any, hidden: bool) -> tuple[str, str]:
        text = json.dumps(of, ensure_ascii=ascii_only)
        inside = len(text.encode()) - 2
        stars = f'"{"*" * inside}"' if isinstance(of, str) else "*" * len(text)
        return text, stars if hidden and of is not None else text

    def joined(parts: list[tuple[str, str]], ends: str) -> tuple[str, str]:
        one, other = (
            f"{ends[0]}{space}" + f"{space},".join(texts) + f"{space}{ends[1]}" for texts in zip(*parts, strict=True)
        )
        return one, other

    if isinstance(value, list) and value:
        return joined([written(item, hide, space, ascii_only) for item in value], "[]")
    if isinstance(value, dict) and value:
        pairs = [(leaf(k, hide), written(v, hide or k in KEYS, space, ascii_only)) for k, v in value.items()]
        return joined([(f"{k[0]}{space}:{v[0]}", f"{k[1]}{space}:{v[1]}") for k, v in pairs], "{}")
    return leaf(value, hide) if not isinstance(value, list | dict) else (json.dumps(value), json.dumps(value))


@given(_VALUE, _SPACE, st.booleans())
def test_no_masked_value_is_ever_seen_and_no_other_byte_changes(value: Any, space: str, ascii_only: bool) -> None:
    body, expected = written(value, False, space, ascii_only)
    assert shown(body.encode()) == expected.encode()


@given(st.lists(st.tuples(st.sampled_from(["a", "secret", "b[secret]", "c"]), st.text(max_size=8)), max_size=6))
def test_a_form_keeps_every_other_byte(fields: list[tuple[str, str]]) -> None:
    pairs = [(quote_plus(name), quote_plus(CANARY + value if "secret" in name else value)) for name, value in fields]
    body = "&".join(f"{name}={value}" for name, value in pairs).encode()
    expected = "&".join(f"{n}={'*' * len(v) if 'secret' in n else v}" for n, v in pairs).encode()
    assert shown(body, b"application/x-www-form-urlencoded") == expected
