"""`gateway serve` on PostgreSQL starts safely or not at all: one line, exit 1, no secret in it."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.fleet import KEYS
from tests.e2e.running import Gateway
from tests.faults.provider import free_port
from tests.postgres import Server, new_database, server

PASSWORD = "canary-of-the-database"
LONGEST_START = 30


def serving(folder: Path, url: str, **settings: str) -> Gateway:
    return Gateway(
        folder / "data",
        {"GATEWAY_DATABASE_URL": url, "GATEWAY_SECRET_KEYS": KEYS, "GATEWAY_LOG_FORMAT": "json"} | settings,
    )


def refusal(gateway: Gateway) -> str:
    """Start it in vain, and give the one line that it says."""
    process = gateway.launch()
    said, _ = process.communicate(timeout=LONGEST_START)
    (line,) = gateway.log.read_text().splitlines()
    assert process.returncode == 1, line
    assert said == ""
    assert PASSWORD not in line
    return line


@pytest.fixture
def own_server() -> Iterator[Server]:
    made = Server()
    yield made
    made.remove()


def test_a_wrong_password_is_one_line(tmp_path: Path, own_server: Server) -> None:
    with psycopg.connect(own_server.url(), autocommit=True) as db:
        db.execute("CREATE ROLE guarded LOGIN PASSWORD 'another'")
    (own_server.data / "pg_hba.conf").write_text("local all gateway trust\nlocal all all scram-sha-256\n")
    own_server.stop()
    own_server.start()
    url = f"postgresql://guarded:{PASSWORD}@/postgres?host={own_server.directory}"
    assert "password authentication failed" in refusal(serving(tmp_path, url))


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "nowhere.invalid"])
def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, host: str) -> None:
    address = host.format(port=free_port())
    line = refusal(serving(tmp_path, f"postgresql://gateway:{PASSWORD}@{address}/gateway"))
    assert "GATEWAY_DATABASE_URL" in line


@pytest.mark.parametrize("url", [f"postgresql://a:{PASSWORD}@{PASSWORD}@host/x", f"postgresql://a:/{PASSWORD}@host/x"])
def test_an_address_that_cannot_be_read_is_one_line(tmp_path: Path, url: str) -> None:
    assert "GATEWAY_DATABASE_URL" in refusal(serving(tmp_path, url))


def test_missing_keys_are_one_line(tmp_path: Path) -> None:
    gateway = serving(tmp_path, f"postgresql://gateway:{PASSWORD}@127.0.0.1/gateway")
    del gateway.environment["GATEWAY_SECRET_KEYS"]
    assert "GATEWAY_SECRET_KEYS is needed" in refusal(gateway)


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit"])
def test_a_server_that_would_lose_a_commit_is_refused(tmp_path: Path, own_server: Server, setting: str) -> None:
    with psycopg.connect(own_server.url(), autocommit=True) as db:
        db.execute(f"ALTER SYSTEM SET {setting} = off".encode())
    own_server.stop()
    own_server.start()
    assert f"{setting}=off" in refusal(serving(tmp_path, own_server.url()))


def test_the_database_of_a_newer_gateway_and_one_of_other_keys_are_refused(tmp_path: Path) -> None:
    url = new_database()
    gateway = serving(tmp_path, url)
    gateway.start()
    assert gateway.kill() != 0
    other = serving(tmp_path, url, GATEWAY_SECRET_KEYS="B" * 42 + "A")
    other.log.write_text("")
    assert "GATEWAY_SECRET_KEYS" in refusal(other)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("UPDATE schema_version SET version = 999")
    gateway.log.write_text("")
    assert "start the newer gateway" in refusal(gateway)


def test_the_first_lines_name_the_database_and_not_who_we_are_there(tmp_path: Path) -> None:
    url = new_database().replace("user=gateway", f"user=gateway&password={PASSWORD}")
    gateway = serving(tmp_path, url)
    gateway.start()
    said = "".join(gateway.said)
    gateway.kill()
    assert re.search(r"data +PostgreSQL local/gateway_\w+; this process's own files: ", said), said
    assert PASSWORD not in said + gateway.log.read_text()
    assert server().url() not in said
