"""Databases for whoever asks: each test that takes `database` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aibridge.store.engine import open_engine
from aibridge.store.migrate import migrate
from tests import postgres
from tests.databases import KINDS, Database, Postgresql, Sqlite

_ABSENT = (
    "PostgreSQL's programs (initdb, postgres) are not here, so nothing is tested on it: apt-get install postgresql"
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`@pytest.mark.only_on("sqlite")` is for what has no meaning on the other."""
    only = metafunc.definition.get_closest_marker("only_on")
    for name in {"database", "empty_database"} & set(metafunc.fixturenames):
        metafunc.parametrize(name, KINDS if only is None else only.args, indirect=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgres.Server]:
    """One server for the whole run."""
    if postgres.binaries() is None:
        pytest.skip(_ABSENT)
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: postgres.Server) -> str:
    """A database that has its tables; copying it is quicker than making them."""
    name = postgresql_server.create()
    _migrate(postgresql_server.url(name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, as a file."""
    path = tmp_path_factory.mktemp("template") / "a.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Database]:
    """A database of its own for each test, with its tables."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path)
        yield Sqlite(tmp_path / "a.db")
    else:
        server: postgres.Server = request.getfixturevalue("postgresql_server")
        name = server.create(request.getfixturevalue("postgresql_template"))
        yield Postgresql(server, name)
        server.drop(name)


@pytest.fixture
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Database]:
    """One without tables."""
    if request.param == "sqlite":
        yield Sqlite(tmp_path / "a.db")
    else:
        server: postgres.Server = request.getfixturevalue("postgresql_server")
        name = server.create()
        yield Postgresql(server, name)
        server.drop(name)


def _migrate(url: str) -> None:
    """In a thread of its own, for a test's event loop may be there already."""

    async def run() -> None:
        engine = open_engine(url)
        await migrate(engine)
        await engine.dispose()

    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, run()).result()
