"""Real storages to run the contract on: SQLite in a file, a real etcd, and a running Cacher around each."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from storage.cacher import Cacher
from storage.etcd import EtcdStorage
from storage.interface import Storage
from storage.sqlite import SQLiteStorage
from tests.controlplane.etcd_process import Etcd


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """One etcd for the whole session; tests keep apart by `prefix`."""
    server = Etcd(tmp_path_factory.mktemp("etcd"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def prefix() -> str:
    """Of keys that no other test uses."""
    return f"/{uuid.uuid4().hex}/"


@pytest.fixture
async def sqlite_storage(tmp_path: Path) -> AsyncIterator[SQLiteStorage]:
    storage = await SQLiteStorage.open(str(tmp_path / "storage.db"))
    yield storage
    await storage.close()


@pytest.fixture
async def etcd_storage(etcd: Etcd) -> AsyncIterator[EtcdStorage]:
    storage = await EtcdStorage.connect([etcd.endpoint])
    yield storage
    await storage.close()


@asynccontextmanager
async def running(cacher: Cacher) -> AsyncIterator[Cacher]:
    """The Cacher, listed and following its storage."""
    follower = asyncio.create_task(cacher.run())
    try:
        await cacher.wait_ready()
        yield cacher
    finally:
        await cacher.close()
        follower.cancel()
        await asyncio.wait([follower])


@pytest.fixture(params=["sqlite", "etcd"])
def backend(request: pytest.FixtureRequest) -> Storage:
    """Each of the two that keep data."""
    storage: Storage = request.getfixturevalue(f"{request.param}_storage")
    return storage


@pytest.fixture(params=["direct", "cached"])
async def storage(request: pytest.FixtureRequest, backend: Storage, prefix: str) -> AsyncIterator[Storage]:
    """Every implementation of the contract; a Cacher has the keys under `prefix`."""
    if request.param == "direct":
        yield backend
        return
    async with running(Cacher(backend, prefix)) as cacher:
        yield cacher
