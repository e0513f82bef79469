"""SQL lies in files, each statement under a name that the code uses."""

import re
from importlib import resources
from pathlib import Path

import pytest

from gateway.store import ids, statements
from tests.store.samples import digest

CODE = [path.read_text("utf-8") for path in Path(statements.__file__).parent.rglob("*.py")]
SQL = resources.files("gateway.store") / "sql"


@pytest.mark.parametrize("file", sorted(file.name for file in SQL.iterdir() if file.name.endswith(".sql")))
def test_every_statement_is_used(file: str) -> None:
    names = re.findall(r"^-- name: (\w+)$", (SQL / file).read_text("utf-8"), re.MULTILINE)

    assert len(names) == len(set(names))
    assert set(names) == used(file.removesuffix(".sql"))


def used(file: str) -> set[str]:
    """Name the statements that the code runs of one file: by the variable that each module loads it into."""
    found: set[str] = set()
    for text in CODE:
        for variable in re.findall(rf'^(\w+) = load\("{file}"\)$', text, re.MULTILINE):
            found |= set(re.findall(rf"(?<![.\w]){variable}\.(\w+)", text))
    return found


def test_a_statement_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="no_such"):
        getattr(statements.load("queue"), "no_such")  # noqa: B009 -- reading it is the point


def test_comments_are_for_readers_only() -> None:
    assert "--" not in statements.load("queue").push.text


def test_every_column_has_a_comment() -> None:
    text = "\n".join(statements.migrations())
    columns = [line for line in text.splitlines() if re.match(r"    [a-z_0-9]+ +(INTEGER|TEXT|BLOB)", line)]

    assert len(columns) > 60
    assert [line for line in columns if " -- " not in line] == []


def test_ids_are_read_as_they_are_written() -> None:
    raw = digest("x")

    assert ids.receipt_digest(ids.receipt_id(raw[:16])) == raw[:16]
    assert ids.delivery_number(ids.delivery_id(12345)) == 12345
    assert ids.event_bytes(ids.event_ids(raw[:20])[0]) == raw[:20]
    assert ids.event_ids(raw[:20] + raw[5:25])[1] == ids.event_ids(raw[5:25])[0]
    assert ids.event_ids(None) == ids.event_ids(b"") == ()
    assert sorted(ids.delivery_id(number) for number in (1, 9, 10, 33, 4096)) == [
        ids.delivery_id(number) for number in (1, 9, 10, 33, 4096)
    ]
