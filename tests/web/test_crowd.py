"""Room for connections and bytes is bounded, and those give way who make the least of it or take the most."""

from dataclasses import dataclass, field

import pytest

from gateway.web.crowd import ALLOWANCE, LARGEST_CROWD, Crowd, Place, descriptors, raise_limit

NOW = 1000.0


@dataclass(eq=False)
class One:
    """A connection that says how well it uses its place. `fate`: what was done to it."""

    stands: Place | None = None
    lying: int = 0
    held: int = 0
    fate: list[str] = field(default_factory=list)

    def place(self, now: float) -> Place | None:
        return self.stands

    def unsent(self) -> int:
        return self.lying

    def drop(self) -> None:
        self.fate.append("dropped")

    def make_room(self) -> None:
        self.fate.append("refused")


def filled(most: int, *members: One) -> Crowd:
    crowd = Crowd(most, 1000)
    for member in members:
        crowd.join(member, NOW)
    return crowd


def test_while_there_is_room_nobody_goes() -> None:
    members = [One(Place(0, 0.0)) for _ in range(5)]
    crowd = filled(5, *members)
    assert list(crowd.members) == members
    assert not any(member.fate for member in members)


def test_the_oldest_of_those_who_never_finished_a_request_goes_first() -> None:
    resting, older, old, busy = One(Place(1, 1.0)), One(Place(0, 5.0)), One(Place(0, 6.0)), One(None)
    crowd = filled(4, resting, old, older, busy)
    newcomer = One()
    crowd.join(newcomer, NOW)
    assert older.fate == ["dropped"]
    assert set(crowd.members) == {resting, old, busy, newcomer}


def test_whoever_rests_goes_before_those_who_just_came_or_are_sending() -> None:
    sending, just_came, resting = One(Place(3, 1.0)), One(Place(2, NOW)), One(Place(1, NOW))
    crowd = filled(3, sending, just_came, resting)
    crowd.join(One(Place(2, NOW)), NOW)
    assert [one.fate for one in (sending, just_came, resting)] == [[], [], ["dropped"]]
    crowd.join(One(None), NOW)
    assert just_came.fate == ["dropped"]


def test_where_all_are_served_the_newcomer_goes() -> None:
    crowd = filled(2, One(None), One(None))
    newcomer = One()
    crowd.join(newcomer, NOW)
    assert newcomer.fate == ["dropped"]
    assert len(crowd.members) == 2


def test_several_go_at_once_when_a_large_crowd_is_full_but_only_those_who_do_nothing() -> None:
    idle = [One(Place(0, float(number))) for number in range(40)]
    sending = [One(Place(3, float(number))) for number in range(120)]
    crowd = filled(160, *idle, *sending)
    crowd.join(One(None), NOW)
    assert [bool(one.fate) for one in idle] == [True] * 10 + [False] * 30
    few = [One(Place(3, float(number))) for number in range(32)]
    filled(32, *few).join(One(None), NOW)
    assert [bool(one.fate) for one in few] == [True] + [False] * 31


def test_whoever_holds_the_most_bytes_gives_way() -> None:
    large, small, other = One(), One(), One()
    crowd = filled(9, large, small, other)
    crowd.hold(large, 900)
    crowd.hold(small, 100)
    assert not large.fate
    crowd.hold(other, 1)
    assert (large.fate, small.fate, other.fate) == (["refused"], [], [])
    assert crowd.held == 101
    crowd.release(small)
    crowd.leave(other)
    assert crowd.held == 0


def test_bytes_of_the_next_request_stay_counted() -> None:
    one = One()
    crowd = filled(9, one)
    crowd.hold(one, 700)
    crowd.release(one, 200)
    assert (crowd.held, one.held) == (200, 200)


def test_whoever_leaves_the_most_answers_lying_goes() -> None:
    worst, bad, good = One(lying=900), One(lying=500), One(lying=100)
    crowd = filled(9, good, worst, bad)
    crowd.fetch_or_go()
    assert (worst.fate, bad.fate, good.fate) == (["dropped"], [], [])


def test_room_follows_from_descriptors_and_the_largest_body(monkeypatch: pytest.MonkeyPatch) -> None:
    raise_limit()
    assert descriptors() > 0
    for given, most in ((1024, 512), (10, 16), (1 << 20, LARGEST_CROWD)):
        monkeypatch.setattr("gateway.web.crowd.descriptors", lambda given=given: given)
        assert Crowd.for_bodies(1 << 20).most == most
    assert Crowd.for_bodies(1 << 20).room == ALLOWANCE
    assert Crowd.for_bodies(1 << 26).room == 8 << 26
