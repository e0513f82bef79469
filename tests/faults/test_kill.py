"""SIGKILL at any moment: what was answered 2xx arrives, once but for what was in flight, in order, signed."""

import sys
from pathlib import Path

import pytest

from tests.faults.kill import kill_loop

pytestmark = pytest.mark.faults


async def test_nothing_kept_is_lost_when_the_process_is_killed_again_and_again(tmp_path: Path) -> None:
    figures = await kill_loop(tmp_path / "gateway", kills=4)

    assert figures["kills while starting"], "some fall into a start"


@pytest.mark.embedded  # the fault is planted in its engine
async def test_a_program_that_answers_before_its_commit_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"lost: [1-9]"):
        await kill_loop(
            tmp_path / "gateway", 3, (sys.executable, "-m", "tests.faults.planted", "early-answer", "serve")
        )
