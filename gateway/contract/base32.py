"""Base32 text of ids. Two ids are written for every call, and the standard library takes ten microseconds for them."""

from typing import NamedTuple

STANDARD = b"abcdefghijklmnopqrstuvwxyz234567".ljust(256)
"""RFC 4648, in lower case."""
SORTABLE = b"0123456789abcdefghijklmnopqrstuv".ljust(256)
"""RFC 4648 "extended hex", in lower case: the text sorts as the bytes do."""

LONGEST = 20
"""Bytes: 160 bits are 32 characters, and halving 32 five times is what `_STEPS` do."""


class _Half(NamedTuple):
    keep: int
    move: int
    by: int


def _halves() -> list[_Half]:
    """Make the masks: each step cuts every lane in two and moves the upper half to a lane of its own."""
    steps = []
    for size in (16, 8, 4, 2, 1):
        lanes = range(0, 256, 16 * size)
        low = (1 << 5 * size) - 1
        steps.append(_Half(sum(low << at for at in lanes), sum(low << at + 5 * size for at in lanes), 3 * size))
    return steps


_STEPS = _halves()


def base32(raw: bytes, alphabet: bytes = SORTABLE) -> str:
    """Write up to 20 bytes in the letters of an alphabet above, without padding."""
    bits = int.from_bytes(raw.ljust(LONGEST, b"\0"), "big")
    for keep, move, by in _STEPS:
        bits = bits & keep | (bits & move) << by
    return bits.to_bytes(32, "big").translate(alphabet).decode("ascii")[: (len(raw) * 8 + 4) // 5]
