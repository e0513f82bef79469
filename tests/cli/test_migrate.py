"""`gateway migrate`: the schema, and the move to PostgreSQL, in words for people."""

import json
from pathlib import Path

import psycopg
import pytest

from gateway.cli.main import main
from tests.e2e.running import Gateway
from tests.postgres import new_database
from tests.store.samples import KEYS


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Serve once, so that there is something."""
    gateway = Gateway(tmp_path / "data", {"GATEWAY_DATABASE_URL": "sqlite"})
    gateway.start()
    gateway.call("POST", "/v1/destinations", {"url": "https://consumer.example/hooks"})
    gateway.kill()
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(gateway.directory))
    return gateway.directory


def test_it_brings_either_database_up_and_says_so(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate"]) == 0
    assert f"{data_dir} has schema" in capsys.readouterr().out.replace("\n", "")
    monkeypatch.setenv("GATEWAY_DATABASE_URL", new_database())
    assert main(["migrate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] >= 4


def test_it_moves_a_gateway_that_then_serves_what_the_other_had(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = new_database()
    assert main(["migrate", "--from", f"sqlite://{data_dir}", "--to", url]) == 0
    said = capsys.readouterr()
    assert "counts and digests agree" in said.out.replace("\n", " ")
    assert "destinations" in said.err
    keys = (data_dir / "secret.keys").read_text().strip()
    settings = {"GATEWAY_DATABASE_URL": url, "GATEWAY_SECRET_KEYS": keys, "GATEWAY_ADMIN_KEY": "k" * 40}
    gateway = Gateway(tmp_path / "other", settings)
    gateway.start()
    (gateway.directory / "admin.key").write_text("k" * 40)
    (destination,) = gateway.call("GET", "/v1/destinations")["items"]
    gateway.kill()
    assert destination["url"] == "https://consumer.example/hooks"


@pytest.mark.usefixtures("data_dir")
@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--from", "mysql://x"], 2, "--from is sqlite:///DIR"),
        (["--to", "mysql://x"], 2, "--to is postgresql://"),
        (["--from", "sqlite:////nowhere", "--to", "postgresql:///x?host=/nowhere"], 1, "there is no database"),
        (["--to", "postgresql://u:canary@127.0.0.1:1/x"], 1, "Nothing is lost"),
    ],
)
def test_what_cannot_be_moved_is_one_line(
    arguments: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", *arguments]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert "canary" not in line


def test_a_backup_of_postgresql_is_its_own_tools_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_DATABASE_URL", "postgresql://u:canary@127.0.0.1/x")
    assert main(["backup", str(tmp_path / "copy")]) == 1
    said = capsys.readouterr().err
    assert "pg_dump" in said
    assert "canary" not in said


def test_the_doctor_looks_at_postgresql_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = new_database().replace("user=gateway", "user=gateway&password=canary")
    monkeypatch.setenv("GATEWAY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("GATEWAY_DATABASE_URL", url)
    main(["doctor"])
    said = capsys.readouterr().out
    assert "GATEWAY_SECRET_KEYS is not set" in said
    assert "holds nothing yet" in said
    monkeypatch.setenv("GATEWAY_SECRET_KEYS", KEYS)
    main(["migrate"])
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("UPDATE schema_version SET version = 999")
    main(["doctor"])
    said += capsys.readouterr().out
    assert "newer gateway" in said
    assert "canary" not in said
