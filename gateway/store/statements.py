"""Read the `.sql` files: statements under a `-- name:` line, one text for every engine.

`:name` is one value. `(:names*)` is a list of values after IN; it must not be empty.
"""

import re
from functools import cache
from importlib import resources
from typing import NamedTuple

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT = re.compile(r"--[^\n]*")
_SQL = resources.files("gateway.store") / "sql"


class Statement(NamedTuple):
    name: str
    text: str


class Statements:
    """The statements of one file, each an attribute by its name."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._statements = {name: Statement(name, text) for name, text in texts.items()}

    def __getattr__(self, name: str) -> Statement:
        try:
            return self._statements[name]
        except KeyError:
            raise AttributeError(f"no statement is called {name}") from None


def load(file: str) -> Statements:
    """Read `sql/<file>.sql`."""
    parts = _NAME.split(_SQL.joinpath(f"{file}.sql").read_text("utf-8"))
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return Statements({name: " ".join(_COMMENT.sub("", text).split()) for name, text in pairs})


@cache
def migrations(engine: str = "sqlite") -> tuple[str, ...]:
    """Read `sql/migrations/NNNN.sql`, in order; the first makes schema version 1.

    `NNNN.<engine>.sql` belongs to the same step: what this engine has words of its own for.
    """
    steps: dict[str, str] = {}
    files = (_SQL / "migrations").iterdir()
    for file in sorted(files, key=lambda file: (file.name.count("."), file.name)):  # what is for all comes first
        number, *of = file.name.split(".")
        if of in (["sql"], [engine, "sql"]):
            steps[number] = steps.get(number, "") + file.read_text("utf-8")
    return tuple(steps.values())
