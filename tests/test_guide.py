"""README's guide to a new provider is followed to the letter, in a copy of the tree."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parent.parent


def test_a_provider_written_from_the_guide_passes_its_own_tests(tmp_path: Path) -> None:
    guide = (ROOT / "README.md").read_text().partition("## Add a provider in ten minutes")[2]
    plugin, test = (dedent(code) for code in re.findall(r"   ```python\n(.*?)   ```", guide, flags=re.DOTALL)[:2])
    (payload,) = re.findall(r"such as `(\{.*?\})`", guide)
    copied = shutil.ignore_patterns("__pycache__")
    for package in ("gateway", "providers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=copied)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    folder = tmp_path / "tests" / "providers" / "acme"
    (folder / "payloads").mkdir(parents=True)
    (tmp_path / "providers" / "acme").mkdir()
    (tmp_path / "providers" / "acme" / "__init__.py").write_text(plugin)
    (folder / "payloads" / "made.json").write_text(payload)
    (folder / "test_acme.py").write_text(test)
    for empty in (folder, folder.parent, folder.parent.parent):
        (empty / "__init__.py").touch()
    run(tmp_path, "--snapshot-update")
    golden = list((folder / "__snapshots__").rglob("*made*"))
    assert len(golden) == 1
    assert "booking.scheduled" in golden[0].read_text()
    assert " passed" in run(tmp_path)


def run(directory: Path, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "tests/providers/acme"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
