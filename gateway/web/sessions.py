"""Who is signed in to the dashboard. Sessions live in the process and nowhere else: a restart signs everybody out."""

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from gateway.sealing import digest

LONGEST_SECONDS = 12 * 60 * 60.0
"""A session ends so long after signing in."""
IDLE_SECONDS = 2 * 60 * 60.0
"""A session ends so long after the last page that was asked for."""
MOST_SESSIONS = 1000
TRIES = 10
"""So many wrong keys are taken from one address or known browser within the window; after that none is looked at."""
WINDOW_SECONDS = 300.0
MOST_ADDRESSES = 10_000

Clock = Callable[[], float]


@dataclass(frozen=True)
class Notice:
    """Something to tell once, on the next page. `secret` is shown with it and then gone."""

    text: str
    kind: Literal["done", "failed"] = "done"
    secret: str | None = None


@dataclass
class Session:
    """One browser that is signed in with one key. Times are seconds on the clock of `Sessions`."""

    key: str
    secure: bool
    csrf: str
    began: float
    used: float
    notices: list[Notice] = field(default_factory=list)

    def tell(self, text: str, *, kind: Literal["done", "failed"] = "done", secret: str | None = None) -> None:
        """Tell something on the next page."""
        self.notices.append(Notice(text, kind, secret))

    def told(self) -> list[Notice]:
        """Take what there is to tell."""
        notices, self.notices = self.notices, []
        return notices


class Sessions:
    """Sessions by the digest of their token, which only the browser has."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}
        self._wrong: dict[str, deque[float]] = {}
        self._csrf_key = secrets.token_bytes(32)

    def open(self, key_id: str, *, secure: bool) -> str:
        """Begin a session for a key; gives its token. `secure`: only good in the cookie that needs TLS."""
        now = self._clock()
        self._sweep(now)
        token = secrets.token_urlsafe(32)
        self._sessions[digest(token)] = Session(key_id, secure, secrets.token_urlsafe(32), now, now)
        return token

    def find(self, token: str, *, secure: bool) -> Session | None:
        """Find a session that has not ended, and note that it is used."""
        now = self._clock()
        session = self._sessions.get(digest(token))
        if session is None or session.secure != secure or _ended(session, now):
            return None
        session.used = now
        return session

    def close(self, token: str) -> None:
        """End a session; one that ended already is done."""
        self._sessions.pop(digest(token), None)

    def _sweep(self, now: float) -> None:
        self._sessions = {key: each for key, each in self._sessions.items() if not _ended(each, now)}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]

    # --- before anybody is signed in -------------------------------------------------------------------------------

    def csrf_for(self, nonce: str) -> str:
        """Make what the sign-in form must carry beside the cookie that holds `nonce`."""
        return hmac.new(self._csrf_key, nonce.encode("utf-8", "replace"), "sha256").hexdigest()

    def wait(self, whose: str) -> int:
        """Tell how many seconds no key is looked at from this address or known browser; 0: it may try."""
        now = self._clock()
        wrong = self._wrong.get(whose)
        while wrong and wrong[0] <= now - WINDOW_SECONDS:
            wrong.popleft()
        if not wrong or len(wrong) < TRIES:
            return 0
        return max(1, round(wrong[0] + WINDOW_SECONDS - now))

    def wrong(self, whose: str) -> None:
        """Count a wrong key."""
        if whose not in self._wrong and len(self._wrong) >= MOST_ADDRESSES:
            del self._wrong[next(iter(self._wrong))]
        self._wrong.setdefault(whose, deque(maxlen=TRIES)).append(self._clock())


def _ended(session: Session, now: float) -> bool:
    return now - session.began >= LONGEST_SECONDS or now - session.used >= IDLE_SECONDS
