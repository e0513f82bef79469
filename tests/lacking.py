"""What some tests take that a machine with Python alone does not have: a C compiler, a browser.

There they are left out, and the end of the run says so and how to get it. With CI set they run, and fail.
"""

import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
COMPILERS = ("cc", "gcc", "clang")


def browser() -> str | None:
    """Find the machine's browser."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def compiler() -> str | None:
    """Find one for C."""
    return next((path for name in COMPILERS if (path := shutil.which(name))), None)


class Need(NamedTuple):
    """Something that tests with this mark take. `what`: what is not shown without it. `advice`: how to get it."""

    mark: str
    found: Callable[[], object]
    what: str
    advice: str


NEEDS = (
    Need(
        "machine", compiler, "bad disks, power cuts and clocks", "a C compiler (Debian: apt-get install gcc libc6-dev)"
    ),
    Need("browser", browser, "the dashboard in a browser", "Chromium or Chrome (Debian: apt-get install chromium)"),
)
ADVICE = {need.mark: f"tests of {need.what} take {need.advice}" for need in NEEDS}


def without(items: list[pytest.Item]) -> dict[str, list[pytest.Item]]:
    """Find the tests that cannot run here, by what to say of them. In CI that is a failure: none is left out."""
    if os.environ.get("CI"):
        return {}
    lacking = {
        need.mark: [item for item in items if item.get_closest_marker(need.mark)] for need in NEEDS if not need.found()
    }
    return {f"{len(some)} {ADVICE[mark]}, and were left out.": some for mark, some in lacking.items() if some}
