"""Reads from memory are as strong as reads of a quorum: two replicas, one etcd, many writers and readers at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import httpx

from tests.controlplane.server import Server
from tests.e2e.conftest import StartServer
from tests.e2e.websites import COLLECTION, website

OBJECTS = ("a", "b", "c")
WRITES, READERS = 40, 4
MERGE = {"Content-Type": "application/merge-patch+json"}


class Known:
    """How far each object is known to be: what was acknowledged to its writer, or seen by any reader."""

    def __init__(self) -> None:
        self._numbers = dict.fromkeys(OBJECTS, 0)
        self._lock = threading.Lock()
        self.writing = len(OBJECTS)

    def raise_to(self, name: str, number: int) -> None:
        with self._lock:
            self._numbers[name] = max(self._numbers[name], number)

    def snapshot(self) -> dict[str, int]:
        with self._lock:
            return dict(self._numbers)

    def finished(self) -> None:
        with self._lock:
            self.writing -= 1


def number_of(item: dict[str, object]) -> int:
    spec = item["spec"]
    assert isinstance(spec, dict)
    return int(spec["replicas"])


def write(known: Known, servers: tuple[Server, ...], name: str) -> None:
    """Counts an object's replicas up, at one server after the other."""
    try:
        for number, client in zip(range(1, WRITES + 1), _clients(servers), strict=False):
            answer = client.patch(f"{COLLECTION}/{name}", json={"spec": {"replicas": number}}, headers=MERGE)
            assert answer.status_code == httpx.codes.OK, answer.text
            known.raise_to(name, number)
    finally:
        known.finished()


def read(known: Known, servers: tuple[Server, ...], look: Callable[[httpx.Client], dict[str, int]]) -> int:
    """Reads at one server after the other while there are writers; how many times."""
    reads = 0
    for client in _clients(servers):
        before = known.snapshot()
        seen = look(client)
        for name, number in seen.items():
            assert number >= before[name], f"{name} was {before[name]} before the read began, which saw {number}"
            known.raise_to(name, number)
        reads += 1
        if not known.writing:
            break
    return reads


def _clients(servers: tuple[Server, ...]) -> Iterator[httpx.Client]:
    clients = [server.http() for server in servers]
    try:
        yield from cycle(clients)
    finally:
        for client in clients:
            client.close()


def get(client: httpx.Client) -> dict[str, int]:
    return {name: number_of(client.get(f"{COLLECTION}/{name}").raise_for_status().json()) for name in OBJECTS}


def list_(client: httpx.Client) -> dict[str, int]:
    items = client.get(COLLECTION).raise_for_status().json()["items"]
    return {item["metadata"]["name"]: number_of(item) for item in items}


def test_reads_see_what_was_acknowledged(start_server: StartServer) -> None:
    """Every GET and LIST sees every write that was acknowledged, and every state that was seen, before it began: at
    either replica, whichever replica took the write."""
    servers = start_server("one"), start_server("other")
    with servers[0].http() as client:
        for name in OBJECTS:
            client.post(COLLECTION, json=website(name, replicas=0)).raise_for_status()
    known = Known()
    with ThreadPoolExecutor(len(OBJECTS) + READERS) as threads:
        writers = [threads.submit(write, known, servers, name) for name in OBJECTS]
        readers = [threads.submit(read, known, servers, get if i % 2 else list_) for i in range(READERS)]
        for writer in writers:
            writer.result()
        counts = [reader.result() for reader in readers]
    assert known.snapshot() == dict.fromkeys(OBJECTS, WRITES)
    assert all(counts)
