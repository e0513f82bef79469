"""Everything that the machine can do to the program, at length: python -m tests.faults [SCENE...] [--list]

Prints what each promise held, as counts; ends with 1 when one was broken. Some twenty minutes on two cores.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.faults import backlog, clock, disk, files, kill, power, process

Scene = Callable[[Path], Awaitable[dict[str, object]]]


async def damaged_files(folder: Path) -> dict[str, object]:
    """Damage a database in every way and expect a refusal of one line each time."""
    good = await files.made(folder / "good")
    said: dict[str, object] = {}
    for damage in files.DAMAGES:
        directory = folder / damage.__name__
        shutil.copytree(good, directory)
        damage(directory / "gateway.db")
        line = await asyncio.to_thread(files.refused, directory)
        said[damage.__name__.replace("_", " ")] = line.replace(f"{directory}/", "")
    return said


SCENES: dict[str, Scene] = {
    "kill": partial(kill.kill_loop, kills=100),
    "power": partial(power.power_cuts, cuts=100, calls=2000),
    "power-failing": partial(power.power_cuts, cuts=100, calls=3000, failing=True),
    "power-first-start": partial(power.first_start, cuts=60),
    "slow-fsync": partial(disk.slow_fsync, delays_ms=(1, 5, 20, 50, 2000), calls=500),
    "failing-fsync": partial(disk.failing_fsync, times=40),
    "full-disk": disk.full_disk,
    "nearly-full-disk": disk.nearly_full_disk,
    "small-disk": disk.small_disk,
    "locked": disk.locked_database,
    "clock": lambda folder: clock.clock_jumps_while_it_runs(folder, clock.jumps(), 300),
    "clock-restart": lambda folder: clock.clock_jumps_between_starts(folder, clock.jumps()),
    "stopped": partial(clock.stopped_past_a_lease, stops=10),
    "stopped-really": partial(clock.stopped_past_a_lease, stops=2, seconds=(35.0,)),
    "descriptors-64": partial(process.few_descriptors, limit=64, flood=500),
    "descriptors-128": partial(process.few_descriptors, limit=128, flood=500),
    "sigterm": partial(process.terminated, times=5),
    "files": damaged_files,
    "months": partial(backlog.months, count=6, calls=2000),
}


async def play(name: str) -> bool:
    """Play one scene on a directory of its own and print its figures; say whether it held."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            figures = await SCENES[name](Path(folder) / "gateway")
        except Exception as error:  # noqa: BLE001 -- whatever it was, the other scenes are to be seen too
            print(f"{name}: BROKEN\n    {type(error).__name__}: {error}", flush=True)
            return False
    print(f"{name}: held, {time.monotonic() - began:.0f} s", flush=True)
    for what, figure in figures.items():
        print(f"    {what:<52} {figure}", flush=True)
    return True


def main() -> int:
    """Play the scenes that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    parser.add_argument("--list", action="store_true", help="name the scenes")
    asked = parser.parse_args()
    if unknown := set(asked.scenes) - set(SCENES):
        parser.error(f"no such scene: {', '.join(sorted(unknown))}")
    if asked.list:
        print(*SCENES, sep="\n")
        return 0
    held = [asyncio.run(play(name)) for name in asked.scenes or SCENES]
    print(f"{sum(held)} of {len(held)} held")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
