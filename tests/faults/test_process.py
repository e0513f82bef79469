"""Few descriptors and SIGTERM: honest calls are kept, and the end is a clean one."""

from pathlib import Path

import pytest

from tests.faults.process import few_descriptors, terminated

pytestmark = pytest.mark.faults


async def test_idle_connections_that_use_up_the_descriptors_keep_no_honest_call_out(tmp_path: Path) -> None:
    figures = await few_descriptors(tmp_path / "gateway", limit=64, flood=100)

    assert figures["kept meanwhile"]


async def test_sigterm_under_load_ends_with_0_and_loses_nothing(tmp_path: Path) -> None:
    assert await terminated(tmp_path / "gateway", times=1)
