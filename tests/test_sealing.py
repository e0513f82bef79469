"""What is sealed opens with its key, in its place, and nowhere else."""

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import sealing
from gateway.contract.errors import ConfigurationError
from gateway.sealing import KeyRing, SealBroken, load_or_create_keys

OLD = "A" * 43
NEW = "B" * 42 + "A"


@given(st.binary(max_size=4000), st.binary(max_size=60))
def test_what_was_sealed_comes_back(plain: bytes, about: bytes) -> None:
    keys = KeyRing.parse(OLD)
    sealed = keys.seal(plain, about)

    assert keys.unseal(sealed, about) == plain
    assert len(sealed) == len(plain) + 32
    assert len(plain) < 8 or plain not in sealed


@given(st.binary(max_size=100), st.integers(0, 1000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(plain: bytes, place: int, change: int) -> None:
    keys = KeyRing.parse(OLD)
    sealed = bytearray(keys.seal(plain, b"row"))
    sealed[place % len(sealed)] ^= change

    with pytest.raises(SealBroken):
        keys.unseal(bytes(sealed), b"row")


@pytest.mark.parametrize("length", [0, 3, 4, 15, 16, 31])
def test_bytes_cut_short_are_noticed(length: int) -> None:
    keys = KeyRing.parse(OLD)
    with pytest.raises(SealBroken):
        keys.unseal(keys.seal(b"plain", b"row")[:length], b"row")


def test_sealed_bytes_do_not_open_in_another_row() -> None:
    keys = KeyRing.parse(OLD)
    with pytest.raises(SealBroken):
        keys.unseal(keys.seal(b"plain", b"bodies:1"), b"bodies:2")


def test_no_two_seals_are_alike() -> None:
    keys = KeyRing.parse(OLD)
    assert len({keys.seal(b"same", b"row") for _ in range(1000)} | {KeyRing.parse(OLD).seal(b"same", b"row")}) == 1001


def test_a_rotated_ring_opens_the_old_and_seals_with_the_newest() -> None:
    old, both, new = KeyRing.parse(OLD), KeyRing.parse(f"{NEW},\n {OLD}\n"), KeyRing.parse(NEW)

    assert both.unseal(old.seal(b"plain", b"row"), b"row") == b"plain"
    assert new.unseal(both.seal(b"plain", b"row"), b"row") == b"plain"
    with pytest.raises(SealBroken, match="GATEWAY_SECRET_KEYS"):
        old.unseal(both.seal(b"plain", b"row"), b"row")


@pytest.mark.parametrize("text", ["", " ,\n", "short", "A" * 44, "Ä" * 43, OLD + "," + "!" * 43, "A" * 42 + "+"])
def test_keys_that_are_none_are_refused_by_the_setting_s_name(text: str) -> None:
    with pytest.raises(ConfigurationError, match="GATEWAY_SECRET_KEYS") as refused:
        KeyRing.parse(text)
    assert not text.strip(" ,\n") or text not in str(refused.value)


def test_the_first_start_makes_a_key_that_only_the_owner_reads(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"
    before = os.umask(0)
    try:
        made = load_or_create_keys(directory, None)
    finally:
        os.umask(before)

    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [path.name for path in directory.iterdir()] == ["secret.keys"]
    assert stat.S_IMODE((directory / "secret.keys").stat().st_mode) == 0o600
    assert load_or_create_keys(directory, None).unseal(made.seal(b"plain", b"row"), b"row") == b"plain"


def test_a_strict_umask_takes_nothing_from_the_owner(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        load_or_create_keys(tmp_path / "data", None)
    finally:
        os.umask(before)
    load_or_create_keys(tmp_path / "data", None)


def test_given_keys_leave_no_file(tmp_path: Path) -> None:
    load_or_create_keys(tmp_path, OLD)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe"])
def test_a_key_file_that_is_none_is_refused_by_its_name_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.keys"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=str(path)):
        load_or_create_keys(tmp_path, None)
    assert path.read_bytes() == content


def test_a_file_that_another_process_made_first_is_used(tmp_path: Path) -> None:
    path = tmp_path / "secret.keys"
    sealing.write_private_file(path, OLD)
    sealing.write_private_file(path, NEW)

    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_tokens_and_secrets_have_their_shapes_and_never_repeat() -> None:
    shapes = {
        sealing.new_url_token: r"[A-Za-z0-9_-]{43}",
        sealing.new_api_key: r"gwk_[A-Za-z0-9_-]{43}",
        sealing.new_signing_secret: r"whsec_[A-Za-z0-9+/]{43}=",
        sealing.new_provider_secret: r"[A-Za-z0-9_-]{43}",
    }
    for make, shape in shapes.items():
        made = {make() for _ in range(100)}
        assert len(made) == 100
        assert all(re.fullmatch(shape, each) for each in made)


def test_ids_sort_by_the_time_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for milliseconds in (1, 31, 32, 1_800_000_000_000, 1_800_000_000_001):
        monkeypatch.setattr("time.time_ns", lambda at=milliseconds: at * 1_000_000)
        made.append(sealing.new_id("con_"))

    assert made == sorted(made)
    assert all(re.fullmatch(r"con_[0-9a-v]{26}", each) for each in made)


def test_a_digest_is_sha256_of_any_text() -> None:
    assert sealing.digest("abc").hex().startswith("ba7816bf")
    assert len(sealing.digest("\ud800")) == 32
