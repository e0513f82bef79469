"""A power cut at any moment: what was answered 2xx is among what was fsynced."""

import sys
from pathlib import Path

import pytest

from tests.faults.power import first_start, power_cuts

pytestmark = [pytest.mark.faults, pytest.mark.machine, pytest.mark.embedded]  # what it fsyncs itself


async def test_what_was_answered_survives_a_power_cut(tmp_path: Path) -> None:
    figures = await power_cuts(tmp_path / "gateway", cuts=4, calls=300)

    assert figures["answers before their fsync"] == 0


async def test_what_was_answered_survives_a_power_cut_on_a_disk_whose_fsyncs_fail(tmp_path: Path) -> None:
    figures = await power_cuts(tmp_path / "gateway", cuts=4, calls=500, failing=True)

    assert figures["fsyncs that failed"]
    assert figures["answers before their fsync"] == 0


async def test_a_first_start_that_a_power_cut_ended_is_followed_by_one_that_works(tmp_path: Path) -> None:
    assert await first_start(tmp_path / "gateway", cuts=4)


async def test_a_program_that_answers_before_its_fsync_is_found_out(tmp_path: Path) -> None:
    planted = (sys.executable, "-m", "tests.faults.planted", "lazy-fsync", "serve")
    with pytest.raises(AssertionError, match=r"lost: [1-9]"):
        await power_cuts(tmp_path / "gateway", cuts=12, calls=200, command=planted)  # the first one may be lucky
