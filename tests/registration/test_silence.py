"""What is usual is learned from the longest pause; where nothing can be learned nobody is alarmed."""

import pytest

from gateway.registration.silence import HOUR_MS, LONGER, NEW_MS, WEEK_MS, quiet_limit
from gateway.store.rhythms import Rhythm

DAY_MS = 24 * HOUR_MS


def rhythm(calls: int = 100, *, span: int = 4 * WEEK_MS, longest: int = DAY_MS) -> Rhythm:
    return Rhythm(calls=calls, first=0, last=span, longest=longest)


@pytest.mark.parametrize(
    ("measured", "limit"),
    [
        (rhythm(calls=0, span=0, longest=0), None),
        (rhythm(calls=4), None),
        (rhythm(), LONGER * DAY_MS),
        (rhythm(longest=3 * DAY_MS), LONGER * 3 * DAY_MS),
        (rhythm(longest=1000), HOUR_MS),
        (rhythm(span=3 * DAY_MS, longest=HOUR_MS), NEW_MS),
        (rhythm(span=3 * DAY_MS, longest=NEW_MS), LONGER * NEW_MS),
    ],
)
def test_the_limit_is_learned_from_the_longest_pause(measured: Rhythm, limit: float | None) -> None:
    assert quiet_limit(measured, None) == limit


def test_the_operators_own_limit_counts_whatever_the_history_is() -> None:
    assert quiet_limit(rhythm(calls=0), 60.0) == 60_000
