"""Sessions end by themselves, and after too many wrong keys none is looked at."""

import pytest

from gateway.web.sessions import IDLE_SECONDS, LONGEST_SECONDS, MOST_SESSIONS, TRIES, WINDOW_SECONDS, Sessions


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def test_a_session_is_found_by_its_token_alone(sessions: Sessions) -> None:
    token = sessions.open("key_1", secure=False)
    found = sessions.find(token, secure=False)
    assert found is not None
    assert found.key == "key_1"
    assert sessions.find(token + "x", secure=False) is None
    assert sessions.find(token, secure=True) is None
    assert sessions.open("key_1", secure=False) != token


def test_a_session_ends_when_nobody_uses_it(sessions: Sessions, clock: Clock) -> None:
    token = sessions.open("key_1", secure=True)
    clock.now += IDLE_SECONDS - 1
    assert sessions.find(token, secure=True)
    clock.now += IDLE_SECONDS - 1
    assert sessions.find(token, secure=True)
    clock.now += IDLE_SECONDS
    assert sessions.find(token, secure=True) is None


def test_a_session_ends_however_much_it_is_used(sessions: Sessions, clock: Clock) -> None:
    token = sessions.open("key_1", secure=True)
    for _ in range(int(LONGEST_SECONDS // 3600) - 1):
        clock.now += 3600
        assert sessions.find(token, secure=True)
    clock.now += 3600
    assert sessions.find(token, secure=True) is None


def test_there_are_only_so_many_and_the_oldest_makes_room(sessions: Sessions) -> None:
    first, second = (sessions.open("key_1", secure=False) for _ in range(2))
    for _ in range(MOST_SESSIONS - 1):
        sessions.open("key_1", secure=False)
    assert sessions.find(first, secure=False) is None
    assert sessions.find(second, secure=False)


def test_what_there_is_to_tell_is_told_once(sessions: Sessions) -> None:
    session = sessions.find(sessions.open("key_1", secure=False), secure=False)
    assert session is not None
    session.tell("Done.", secret="once")
    assert [(notice.text, notice.secret) for notice in session.told()] == [("Done.", "once")]
    assert session.told() == []


def test_wrong_keys_are_counted_by_address_and_forgiven_with_time(sessions: Sessions, clock: Clock) -> None:
    for _ in range(TRIES):
        assert sessions.wait("192.0.2.1") == 0
        sessions.wrong("192.0.2.1")
        clock.now += 1
    assert 0 < sessions.wait("192.0.2.1") <= WINDOW_SECONDS
    assert sessions.wait("192.0.2.2") == 0
    clock.now += WINDOW_SECONDS - TRIES
    assert sessions.wait("192.0.2.1") == 0


def test_the_sign_in_token_fits_its_nonce_alone(sessions: Sessions) -> None:
    assert sessions.csrf_for("a") == sessions.csrf_for("a")
    assert sessions.csrf_for("a") != sessions.csrf_for("b")
    assert sessions.csrf_for("a") != Sessions().csrf_for("a")
