"""Databases of PostgreSQL's that no gateway starts on, and what is said then: enough to put it right at night."""

import psycopg
import pytest

from gateway.contract.errors import ConfigurationError
from gateway.store.engines import bringing
from tests.postgres import new_database


@pytest.fixture
def url() -> str:
    return new_database()


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for each in statements:
            db.execute(each.encode())


def tables(url: str) -> set[str]:
    with psycopg.connect(url, autocommit=True) as db:
        rows = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall()
    return {name for (name,) in rows}


def given(url: str, option: str) -> str:
    """Give the URL an option of the session's."""
    return f"{url}{'&' if '?' in url else '?'}options=-c{option.replace('=', '%3D')}"


@pytest.mark.parametrize("name", ["invoices", "events", "schema_version"])
def test_another_program_s_database_is_refused_by_a_table_of_it_and_left_alone(url: str, name: str) -> None:
    run(url, f"CREATE TABLE {name} (version TEXT)")
    for bring in (bringing.postgres, bringing.look):
        with pytest.raises(ConfigurationError, match=f"another program's tables, such as '{name}'"):
            bring(url)
    assert tables(url) == {name}


def test_a_schema_of_its_own_beside_another_program_s_is_enough(url: str) -> None:
    run(url, "CREATE TABLE invoices (id int)", "CREATE SCHEMA apart")
    ours = given(url, "search_path=apart")
    bringing.postgres(ours)
    assert bringing.look(ours)
    assert "events" in tables(ours)
    assert tables(url) == {"invoices"}


def test_a_user_who_may_make_no_tables_is_told_what_to_grant(url: str) -> None:
    run(url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(ConfigurationError, match="owner of the database, or GRANT USAGE, CREATE ON SCHEMA public"):
        bringing.postgres(given(url, "role=pg_monitor"))


def test_a_database_that_takes_no_writes_is_told_as_that(url: str) -> None:
    with pytest.raises(ConfigurationError, match="it is a replica, or default_transaction_read_only is on"):
        bringing.postgres(given(url, "default_transaction_read_only=on"))


def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"an option after its \? is none") as refused:
        bringing.postgres(f"{url}{'&' if '?' in url else '?'}hunter2=on")
    assert "hunter2" not in str(refused.value)
