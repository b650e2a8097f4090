"""An empty, migrated database: SQLite always, PostgreSQL too where its programs are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from aibridge.store.engine import open_engine, open_sync_engine
from aibridge.store.migrate import migrate
from aibridge.store.tables import metadata


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _as_nobody_special() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server of our own, on a socket in a directory of our own."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs are not installed: apt-get install postgresql")
    directory = Path(tempfile.mkdtemp(prefix="aibridge-pg-"))
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    run: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, **_as_nobody_special()}
    data, socket = f"{directory}/data", f"-c listen_addresses='' -c fsync=off -k {directory}"
    try:
        subprocess.run([programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], **run)
        subprocess.run([programs / "pg_ctl", "-D", data, "-o", socket, "-w", "-l", f"{directory}/log", "start"], **run)
        try:
            yield f"postgresql://postgres@/postgres?host={directory}"
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], **run)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/a.db"
    url: str = request.getfixturevalue("postgresql")
    _empty(url)
    return url


def _empty(url: str) -> None:
    """Cheaper than a database of its own for each test."""
    engine = open_sync_engine(url)
    with engine.begin() as connection:
        known = inspect(connection).get_table_names()
        for table in reversed(metadata.sorted_tables):
            if table.name in known:
                connection.execute(table.delete())
    engine.dispose()


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(url)
    await migrate(engine)
    yield engine
    await engine.dispose()
