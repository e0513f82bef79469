"""Framing: what is wrong is refused and the connection closed, what is odd is understood, and nothing rides along."""

from itertools import count

import pytest

from tests.bench.load import meeting
from tests.hostile.framing import ANSWERED, GOOD, REFUSED
from tests.hostile.standing import Standing, proof

_numbers = count()


def written(standing: Standing, recipe: bytes) -> bytes:
    """Fill a recipe in with a call that was never made before."""
    body = meeting(f"framed-{next(_numbers)}")
    ((name, value),) = proof(body)
    path = standing.path("signed, own")
    known = {
        b"{path}": path,
        b"{escaped}": path.replace(b"/in/", b"/%69n/"),
        b"{proof}": name + b": " + value + b"\r\n",
        b"{length}": b"%d" % len(body),
        b"{wrapped}": b"%d" % (2**64 + len(body)),
        b"{hex}": b"%x" % len(body),
        b"{body}": body,
    }
    for mark, text in known.items():
        recipe = recipe.replace(mark, text)
    return recipe


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_request_is_refused_and_nothing_behind_it_is_heard(standing: Standing, name: str) -> None:
    status, recipe = REFUSED[name]
    before = standing.kept()
    answers = standing.raw(written(standing, recipe), written(standing, GOOD))
    assert [answer.status for answer in answers if answer.status >= 200] == [status]
    assert answers[-1].fields[b"content-type"] == b"application/problem+json"
    assert standing.kept() == before
    standing.control()


@pytest.mark.parametrize("name", ANSWERED)
def test_an_odd_request_is_answered_and_so_is_the_next(standing: Standing, name: str) -> None:
    said, recipe = ANSWERED[name]
    answers = [a for a in standing.raw(written(standing, recipe), written(standing, GOOD)) if a.status >= 200]
    assert [answer.said for answer in answers] == [said, "accepted"]
    standing.control()


@pytest.mark.parametrize("name", ["a good one", "chunks", "another protocol on offer", "a trailer"])
def test_a_request_in_single_bytes_is_one_request(standing: Standing, name: str) -> None:
    said, recipe = ANSWERED[name]
    whole = written(standing, recipe)
    head = whole.index(b"\r\n\r\n") + 8
    answers = standing.raw(*(bytes([byte]) for byte in whole[:head]), whole[head:-8], *(bytes([b]) for b in whole[-8:]))
    assert [answer.said for answer in answers] == [said]


def test_whatever_is_cut_short_is_no_call(standing: Standing) -> None:
    """A caller that hangs up half-way gets nothing kept, wherever it stopped."""
    for name in ("a good one", "chunks"):
        whole = written(standing, ANSWERED[name][1])
        before = standing.kept()
        for end in (*range(1, len(whole), 97), len(whole) - 1):
            answers = standing.raw(whole[:end])
            assert [answer.status for answer in answers] in ([], [400]), end
        assert standing.kept() == before
    standing.control()
