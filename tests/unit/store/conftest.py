"""A Store over SQLite in memory, with and without the watch cache."""

from collections.abc import AsyncIterator

import pytest

from apiserver.registry.store import Store
from storage.cacher import Cacher
from storage.interface import Storage
from storage.sqlite import MEMORY, SQLiteStorage
from tests.unit.store.widgets import NOW, WIDGET, running_cacher


@pytest.fixture
async def sqlite() -> AsyncIterator[SQLiteStorage]:
    storage = await SQLiteStorage.open(MEMORY)
    yield storage
    await storage.close()


@pytest.fixture
async def cacher(sqlite: SQLiteStorage) -> AsyncIterator[Cacher]:
    async with running_cacher(sqlite) as cacher:
        yield cacher


@pytest.fixture(params=["sqlite", "cacher"])
async def backend(request: pytest.FixtureRequest, sqlite: SQLiteStorage) -> AsyncIterator[Storage]:
    """Both storages in turn."""
    if request.param == "sqlite":
        yield sqlite
        return
    async with running_cacher(sqlite) as cacher:
        yield cacher


@pytest.fixture
def store(backend: Storage) -> Store:
    return Store(WIDGET, backend, clock=NOW.timestamp)
