"""kill -9 in the middle of many creates loses no object that was acknowledged."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.controlplane.process import SOON
from tests.controlplane.server import Server, Standalone
from tests.e2e.websites import COLLECTION, website

ENOUGH = 50
"""Acknowledged creates after which the server is killed."""
CLIENTS = 8


@pytest.fixture(params=["etcd", "sqlite"])
def victim(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server on each storage that nobody else uses."""
    if request.param == "etcd":
        yield request.getfixturevalue("own_server")
        return
    with Standalone(tmp_path, "--controllers=false") as server:
        yield server


def test_kill_loses_no_acknowledged_object(victim: Server) -> None:
    """Everything that was answered 201 before the kill is there after the restart."""
    numbers = count()
    acknowledged: list[str] = []
    enough, dead = threading.Event(), threading.Event()

    def create() -> None:
        with victim.http() as client:
            while not dead.is_set():
                name = f"site-{next(numbers)}"
                try:
                    answer = client.post(COLLECTION, json=website(name))
                except httpx.HTTPError:
                    continue
                if answer.status_code == httpx.codes.CREATED:
                    acknowledged.append(name)
                if len(acknowledged) >= ENOUGH:
                    enough.set()

    with ThreadPoolExecutor(CLIENTS) as threads:
        running = [threads.submit(create) for _ in range(CLIENTS)]
        assert enough.wait(SOON), f"only {len(acknowledged)} creates were acknowledged"
        victim.kill()
        dead.set()
    for thread in running:
        thread.result()
    victim.start()
    assert set(acknowledged) <= _names(victim)


def _names(server: Server) -> set[str]:
    with server.http() as client:
        answer = client.get(COLLECTION)
    assert answer.status_code == httpx.codes.OK, answer.text
    return {item["metadata"]["name"] for item in answer.json()["items"]}
