"""What is forged leaves nothing behind, what is authentic is kept byte for byte, and the next call works."""

import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
import time
from itertools import count
from pathlib import Path

import pytest

from tests.bench.load import meeting
from tests.hostile import calls
from tests.hostile.calls import BODIES, BY_HAND_FORGED, FORGED, MEANT, NAMES, PROVEN, TYPES, appointment
from tests.hostile.standing import HEX_KEY, Answer, Standing, answers, digest, framed, proof, until_closed

FORGERIES = 10_000
GROWTH = 100_000
"""Bytes that the directory may grow by while 10,000 calls are refused: ten a call, for a count that is written down."""
_numbers = count()


def fresh() -> bytes:
    """Write the body of a call that was never made before."""
    return meeting(f"call-{next(_numbers)}")


def named(booking: str) -> bytes:
    return b'{"type": "conversation.transcribed", "data": {"id": "%b"}}' % booking.encode()


# --- signatures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["signed", "signed, own"])
@pytest.mark.parametrize("name", FORGED)
def test_a_forged_signature_is_refused_and_leaves_nothing(standing: Standing, url: str, name: str) -> None:
    body, before = fresh(), standing.kept()
    answer = standing.post(url, body, FORGED[name](body))
    assert answer.status == 401, answer.body
    assert standing.kept() == before
    standing.control()


@pytest.mark.parametrize("name", PROVEN)
def test_the_right_signature_proves_a_call(standing: Standing, name: str) -> None:
    body = fresh()
    answer = standing.post("signed, own", body, PROVEN[name](body))
    assert answer.said == "accepted"
    assert standing.bytes_of(answer) == body


@pytest.mark.parametrize("name", BY_HAND_FORGED)
def test_a_scheme_that_was_set_by_hand_is_kept_to_the_letter(standing: Standing, name: str) -> None:
    body, before = named(name), standing.kept()
    assert standing.post("by hand and signed", body, BY_HAND_FORGED[name](body)).status == 401
    assert standing.kept() == before
    right = ((b"x-signature", b"sha256=" + digest(bytes.fromhex(HEX_KEY), body).hex().encode()),)
    assert standing.post("by hand and signed", body, right).said == "accepted"


def test_a_stamp_that_is_not_of_now_is_refused(standing: Standing) -> None:
    now, before = int(time.time()), standing.kept()
    for name, forger in calls.late(now).items():
        body = named(name)
        assert standing.post("by hand and stamped", body, forger(body)).status == 401, name
    assert standing.kept() == before
    for pairs in (b"t={t},v1={v1}", b"v1={v1}, t={t}", b"t={t},v1=00,v1={v1},v0=x"):
        body = named(pairs.decode().replace("{", "").replace("}", ""))
        assert standing.post("by hand and stamped", body, calls.stamped(now, pairs=pairs)(body)).said == "accepted"


def test_ten_thousand_forged_calls_change_neither_sums_nor_disk(standing: Standing) -> None:
    standing.control()
    before, size = standing.kept(), weight(standing.gateway.directory)
    kinds = list(FORGED.values())
    paths = [standing.path("signed"), standing.path("signed, own"), b"/in/" + b"x" * 43]
    for share in range(10):
        forged = [fresh() for _ in range(FORGERIES // 10)]
        said = flooded(
            standing,
            [framed(paths[n % 3], body, kinds[(n + share) % len(kinds)](body)) for n, body in enumerate(forged)],
        )
        assert {answer.status for answer in said} == {401, 404}
        assert len(said) == len(forged)
    assert standing.kept() == before
    assert weight(standing.gateway.directory) <= size + GROWTH
    standing.control()


def flooded(standing: Standing, requests: list[bytes]) -> list[Answer]:
    """Send everything over one connection without waiting for answers; nobody waits for somebody who does not read."""
    with standing.dial() as connection:
        sender = threading.Thread(target=_send, args=(connection, b"".join(requests)))
        sender.start()
        said = until_closed(connection)
        sender.join()
    return answers(said)


def _send(connection: socket.socket, everything: bytes) -> None:
    connection.sendall(everything)
    connection.shutdown(socket.SHUT_WR)


def weight(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def test_identical_calls_at_the_same_time_are_one_event(standing: Standing) -> None:
    body = fresh()
    sent = framed(standing.path("signed"), body, (*proof(body), (b"connection", b"close")))
    lines = [standing.dial() for _ in range(50)]
    for line in lines:
        line.sendall(sent)
    said = [answers(until_closed(line))[0] for line in lines]
    for line in lines:
        line.close()
    assert sorted(answer.said for answer in said) == ["accepted"] + ["duplicate"] * 49
    assert len({(answer.json()["receipt"], *answer.json()["events"]) for answer in said}) == 1
    standing.control()


# --- bodies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BODIES)
def test_whatever_an_authentic_body_is_it_is_kept_as_it_came(standing: Standing, name: str) -> None:
    """On every kind of URL; where a signature is asked for the same body is refused without one."""
    body, stated = BODIES[name], ((b"content-type", b"application/json"),)
    for url in ("signed", "signed, own", "unsigned, own", "never signed, own", "by hand, own"):
        answer = standing.settled(url, body, (*stated, *proof(body)) if url.startswith("signed") else stated)
        assert answer.said in {"accepted", "quarantined"}, (url, answer.body)
        assert standing.bytes_of(answer) == body, url
    before = standing.kept()
    assert standing.post("signed, own", body, stated).status == 401
    assert standing.kept() == before
    standing.control()


@pytest.mark.parametrize("name", [name for name, body in BODIES.items() if len(body) < 1 << 17])
def test_a_body_nobody_signed_is_kept_or_refused_whatever_its_type_says(standing: Standing, name: str) -> None:
    """On the URL that signed and unsigned providers share; never from signed down to unsigned."""
    body = BODIES[name]
    said = [standing.post("unsigned", body, ((b"content-type", kind),)) for kind in TYPES]
    assert len({answer.said for answer in said} - {"duplicate"}) == 1, [answer.said for answer in said]
    for answer in said:
        assert answer.status == 401 or standing.bytes_of(answer) == body
    looks_signed = body.startswith(b'{"event":"meeting')
    assert (said[0].status == 401) == looks_signed
    standing.control()


@pytest.mark.parametrize("name", MEANT)
def test_a_booking_that_cannot_be_is_quarantined_and_an_odd_one_understood(standing: Standing, name: str) -> None:
    said, body = MEANT[name]
    answer = standing.settled("unsigned, own", body)
    assert answer.said == said, answer.body
    assert standing.bytes_of(answer) == body
    assert standing.post("unsigned, own", body).said == ("duplicate" if said == "accepted" else said)
    standing.control()


def test_a_replayed_call_says_so_however_often_it_comes(standing: Standing) -> None:
    body = fresh()
    first = standing.post("signed", body, proof(body))
    events = standing.kept()[1]
    for _ in range(20):
        again = standing.post("signed", body, proof(body))
        assert (again.said, again.json()["events"]) == ("duplicate", first.json()["events"])
    assert standing.kept()[1] == events


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guests(standing: Standing) -> dict[str, str]:
    """Book under every name; gives the events by name."""
    made = {}
    for name, text in NAMES.items():
        person = {"email": "a@example.com", "fullname": text, "firstname": text}
        body = appointment(f"guest {name} {text[:40]}", attendees=[person], location=text)
        answer = standing.post("unsigned, own", body)
        assert answer.said == "accepted", answer.body
        (made[name],) = answer.json()["events"]
    return made


@pytest.mark.parametrize("name", NAMES)
def test_a_name_reaches_consumers_as_it_was_written(standing: Standing, guests: dict[str, str], name: str) -> None:
    event = json.loads(standing.fetch(f"/v1/events/{guests[name]}"))
    (person,) = event["data"]["booking"]["attendees"]
    assert person["name"] == NAMES[name].strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_steers_no_terminal(standing: Standing, guests: dict[str, str], name: str) -> None:
    shown = on_a_terminal(standing, ["events", "show", guests[name]])
    assert guests[name] in shown
    assert not STEERING.search(COLOURS.sub("", shown)), repr(STEERING.search(COLOURS.sub("", shown)))


@pytest.mark.parametrize("also", [(), ("--json",)], ids=["table", "JSON"])
def test_a_list_of_steering_names_steers_no_terminal(
    standing: Standing, guests: dict[str, str], also: tuple[str, ...]
) -> None:
    shown = on_a_terminal(standing, ["events", "list", "--types", "booking.*", "--limit", "500", *also])
    assert guests["a formula"] in shown
    assert not STEERING.search(COLOURS.sub("", shown))


COLOURS = re.compile(r"\x1b\[[0-9;]*m")
STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


def on_a_terminal(standing: Standing, arguments: list[str]) -> str:
    """Run the command line on a pseudo-terminal and read what would be shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gateway", *arguments]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
        "GATEWAY_URL": standing.gateway.url,
        "GATEWAY_KEY": standing.gateway.key,
        "TERM": "xterm-256color",
        "COLUMNS": "100",
    }
    running = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env=environment)
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:
        pass  # the other end is closed: Linux says so by an error
    os.close(ours)
    assert running.wait(30) == 0, said
    return said.decode()
