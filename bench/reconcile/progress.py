"""Waits, by a watch, until so many objects of a collection are as they should be."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

import httpx
import orjson

from apiserver.machinery.errors import Object
from bench.targets import Target

_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Progress(AbstractContextManager["Progress"]):
    """Counts the objects at `path` for which `done` is true, until there are `count`; with `metadata_only` the events
    carry nothing else."""

    def __init__(
        self,
        target: Target,
        path: str,
        count: int,
        done: Callable[[Object], bool],
        selector: str = "",
        metadata_only: bool = False,
    ) -> None:
        self._client = target.http()
        self._client.timeout = httpx.Timeout(None, connect=30.0)
        self._path, self._count, self._done = path, count, done
        self._query = {"watch": "true"} | ({"labelSelector": selector} if selector else {})
        self._headers = {"Accept": _METADATA} if metadata_only else {}
        self._names: set[str] = set()
        self._reached = threading.Event()
        self._opened, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.reached_at = 0.0
        """time.monotonic() when they were."""

    def wait(self, within: float) -> float:
        """`reached_at`. Raises TimeoutError, which says how many there are."""
        if not self._reached.wait(within):
            raise TimeoutError(f"{len(self._names)} of {self._count} at {self._path} after {within:.0f} s")
        return self.reached_at

    def __enter__(self) -> "Progress":
        self._thread.start()
        self._opened.wait(30.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._client.close()

    def _read(self) -> None:
        """Watches from the beginning whenever a watch ends, as it may at any time."""
        while not (self._reached.is_set() or self._closed.wait(0.1)):
            with suppress(httpx.HTTPError, OSError, RuntimeError):
                self._follow()

    def _follow(self) -> None:
        with self._client.stream("GET", self._path, params=self._query, headers=self._headers) as answer:
            self._opened.set()
            for line in answer.raise_for_status().iter_lines():
                if line and self._take(orjson.loads(line)["object"]):
                    return

    def _take(self, item: Object) -> bool:
        if self._done(item):
            self._names.add(item["metadata"]["name"])
        if len(self._names) < self._count:
            return False
        self.reached_at = time.monotonic()
        self._reached.set()
        return True
