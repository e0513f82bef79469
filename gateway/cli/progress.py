"""How far long work is: one line beside the output that is written over, on a terminal only."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gateway.cli.reach import Failed

LOOK_SECONDS = 0.5
"""How often it is looked how far something is."""
ANEW = "\r\x1b[K"
"""Back to the beginning of the line, and nothing on it."""


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Hand out what tells how far it is; the line ends when the work does."""
    shown = False

    def tell(words: str) -> None:
        nonlocal shown
        if sys.stderr.isatty():
            shown = True
            print(f"{ANEW}{words}", end="", file=sys.stderr, flush=True)  # noqa: T201 -- beside the output

    try:
        yield tell
    finally:
        if shown:
            print(file=sys.stderr)  # noqa: T201 -- beside the output


@contextmanager
def watching(look: Callable[[], str]) -> Iterator[None]:
    """Tell what `look` says again and again while something is waited for that does not say itself how far it is."""
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    with progress() as tell:
        thread = threading.Thread(target=_watch, args=(look, tell, over), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _watch(look: Callable[[], str], tell: Callable[[str], None], over: threading.Event) -> None:
    while not over.wait(LOOK_SECONDS):
        with suppress(Failed, OSError):  # whoever may not look, or where nothing is yet: the work goes on without
            tell(look())
