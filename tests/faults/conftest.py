"""Tests marked `machine` need a C compiler. Where there is none they are left out, and the end of the run says so."""

import pytest

from tests.faults.machine import compiler

_LEFT_OUT: list[str] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if compiler() is not None:
        return
    without = [item for item in items if item.get_closest_marker("machine")]
    _LEFT_OUT.extend(item.nodeid for item in without)
    items[:] = [item for item in items if item not in without]
    config.hook.pytest_deselected(items=without)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _LEFT_OUT:
        terminalreporter.section("NOT SHOWN", yellow=True)
        terminalreporter.line(
            f"{len(_LEFT_OUT)} tests of bad disks, power cuts and clocks were left out: they need a C compiler "
            "(Debian: apt-get install gcc libc6-dev)."
        )
