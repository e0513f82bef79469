"""A directory that is not right is refused in one line and left as it is."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.running import Gateway
from tests.faults.files import DAMAGES, made, refused
from tests.faults.provider import free_port

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(made(tmp_path_factory.mktemp("good") / "gateway"))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_database_that_is_not_right_is_refused(good: Path, damage: Callable[[Path], None], tmp_path: Path) -> None:
    directory = tmp_path / "data"
    shutil.copytree(good, directory)
    damage(directory / "gateway.db")

    line = refused(directory)
    assert str(directory / "gateway.db") in line


def test_a_second_gateway_on_a_directory_is_told_so_even_when_the_port_is_taken_too(good: Path, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    shutil.copytree(good, directory)
    port = str(free_port())
    first = Gateway(directory, {"GATEWAY_PORT": port}).start()
    second = Gateway(directory, {"GATEWAY_PORT": port})
    first.log.unlink()
    status = second.launch().wait(30)
    assert second.process is not None
    assert second.process.stdout is not None
    second.process.stdout.close()
    first.kill()

    assert status == 1
    (line,) = second.log.read_text().splitlines()
    assert "is in use by another gateway process" in line
