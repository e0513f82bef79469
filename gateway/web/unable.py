"""Say in the log that the store cannot be used: at once, and then seldom. Callers come again, each with a line more."""

import time
from collections import Counter

import structlog

from gateway.contract.errors import StoreUnavailable

SAY_AGAIN_SECONDS = 60.0
"""The same reason is logged no more often, so that an outage does not fill the disk with words."""
MOST_REASONS = 32

_log = structlog.get_logger(__name__)


class Unable:
    """Count who was refused for want of the store."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def tell(self, error: StoreUnavailable) -> None:
        """Log it, with how many there were since the last line, or only count it."""
        reason, now = str(error), time.monotonic()
        if now - self._said.get(reason, -SAY_AGAIN_SECONDS) < SAY_AGAIN_SECONDS:
            self._unsaid[reason] += 1
            return
        if len(self._said) >= MOST_REASONS:
            self._said.clear()
            self._unsaid.clear()
        self._said[reason] = now
        _log.error("cannot_store", reason=reason, not_said=self._unsaid.pop(reason, 0))


unable = Unable()
"""The one of this process."""
