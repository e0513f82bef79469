"""Who is connected, and how much they have sent that is not answered: never more than there is room for.

When it gets crowded, those go who have kept a place the longest without making anything of it; when memory gets
short, whoever holds the most of it. A caller with a small call who sends it at once is not among them.
"""

import sys
from typing import Literal, NamedTuple, Protocol

LARGEST_CROWD = 4096
"""Connections at most, however many descriptors there are: each may hold a head of 36 KiB."""
ALLOWANCE = 64 << 20
"""Bytes of bodies under way at most, and of answers that nobody fetches; or eight of the largest bodies."""
GRACE = 1.0
"""Seconds that a new connection has to say something before it counts as one that keeps its place for nothing."""
SHARE = 16
"""One in so many goes when it is full: looking for them costs a walk through all."""
DESCRIPTORS = 65_536
_FEWEST = 16


class Place(NamedTuple):
    """What a connection makes of its place, those first that lose it first, and since when (loop's clock)."""

    rank: Literal[0, 1, 2, 3]
    since: float


class Member(Protocol):
    """A connection, as the crowd sees it."""

    held: int
    """Bytes of bodies that it has sent and that are not answered."""

    def place(self, now: float) -> Place | None:
        """Say how well it uses its place; None when it is being served and is not to be sent away."""

    def unsent(self) -> int:
        """Tell the bytes of answers that it has not fetched."""

    def drop(self) -> None:
        """Hang up, without an answer."""

    def make_room(self) -> None:
        """Refuse what it is sending: there is no room for it."""


class Crowd:
    """All connections of one process. `most`: how many; `room`: bytes of bodies."""

    def __init__(self, most: int, room: int) -> None:
        self.most = most
        self.room = room
        self.held = 0
        self.members: dict[Member, None] = {}

    @classmethod
    def for_bodies(cls, max_body: int) -> "Crowd":
        """Make the crowd that this process has descriptors and memory for."""
        return cls(min(LARGEST_CROWD, max(descriptors() // 2, _FEWEST)), max(ALLOWANCE, 8 * max_body))

    def join(self, member: Member, now: float) -> None:
        """Take one in, and send others away when it is full."""
        if len(self.members) >= self.most:
            self._thin_out(now)
        self.members[member] = None
        if len(self.members) > self.most:
            self.leave(member)
            member.drop()

    def leave(self, member: Member) -> None:
        """Forget one that has gone."""
        self.members.pop(member, None)
        self.release(member)

    def hold(self, member: Member, more: int) -> None:
        """Count bytes of a body; when that is too much, whoever has sent the most has to give way."""
        member.held += more
        self.held += more
        while self.held > self.room:
            largest = max(self.members, key=_held)
            largest.make_room()
            self.release(largest)

    def release(self, member: Member, kept: int = 0) -> None:
        """Count bytes no more that were answered; `kept` are those of the next request."""
        self.held -= member.held - kept
        member.held = kept

    def fetch_or_go(self) -> None:
        """Send those away who leave the most answers lying, while they are more than there is room for."""
        lying = sorted(self.members, key=_unsent)
        total = sum(map(_unsent, lying))
        while total > self.room:
            one = lying.pop()
            total -= one.unsent()
            one.drop()

    def _thin_out(self, now: float) -> None:
        places = [(place, member) for member in self.members if (place := member.place(now)) is not None]
        places.sort(key=_standing)
        for place, member in places[: max(self.most // SHARE, 1)]:
            if place.rank > 1 and len(self.members) < self.most:
                return
            self.leave(member)
            member.drop()


def _held(member: Member) -> int:
    return member.held


def _unsent(member: Member) -> int:
    return member.unsent()


def _standing(placed: tuple[Place, Member]) -> Place:
    return placed[0]


def descriptors() -> int:
    """Tell how many files and sockets this process may have."""
    if sys.platform == "win32":
        return 2 * LARGEST_CROWD
    import resource  # noqa: PLC0415 -- does not exist on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def raise_limit() -> None:
    """Take as many descriptors as this process may: what it is given by default is often 1,024."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 -- as above

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            return  # some systems have a limit below the one they state
