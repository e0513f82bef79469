"""Bring a database to the schema that this version knows, without starting anything on it."""

import os
from pathlib import Path

import psycopg

from gateway.contract.errors import ConfigurationError
from gateway.store.engines import sqlite_file
from gateway.store.engines.postgres_schema import bring_up, check, refuse_strangers
from gateway.store.engines.postgres_words import said
from gateway.store.statements import migrations


def embedded(data_dir: Path) -> int:
    """Bring up the embedded one; its version. Raises ConfigurationError: none there, in use, damaged, or newer."""
    path = data_dir / sqlite_file.FILE
    if not path.exists():
        raise ConfigurationError(f"there is no database in {data_dir}: GATEWAY_DATA_DIR says where it is")
    handle = sqlite_file.lock(data_dir)
    try:
        sqlite_file.prepare(path)
        db = sqlite_file.connect(path)
        sqlite_file.examine(db, path)
        sqlite_file.migrate(db)
        db.close()
    finally:
        os.close(handle)
    return len(migrations())


def postgres(url: str) -> int:
    """Bring up one of PostgreSQL's; its version. Raises ConfigurationError: not reached, not durable, or newer."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as db:
            bring_up(db)
    except psycopg.Error as error:
        raise ConfigurationError(f"GATEWAY_DATABASE_URL: {said(error)}") from None
    return len(migrations("postgres"))


def look(url: str) -> int:
    """Read the version of one of PostgreSQL's without changing it, 0 when it is empty; raises as `postgres`."""
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as db:
            check(db)
            refuse_strangers(db)
            if db.execute("SELECT to_regclass('schema_version')").fetchall()[0][0] is None:
                return 0
            version: int = db.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()[0][0]
    except psycopg.Error as error:
        raise ConfigurationError(f"GATEWAY_DATABASE_URL: {said(error)}") from None
    if version > len(migrations("postgres")):
        raise ConfigurationError(f"GATEWAY_DATABASE_URL: the database has schema {version}: start the newer gateway")
    return version
