"""A watch that runs beside a test."""

import socket
import threading
from contextlib import AbstractContextManager, suppress

import httpx
import orjson

from tests.controlplane.kubectl import Object
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import Server


class WatchEnded(Exception):
    """A watch is over without what was waited for; no AssertionError, since it will not come any more."""


class Watch(AbstractContextManager["Watch"]):
    """GET ?watch=true on a collection, read by a thread until the server ends it or the context is left."""

    def __init__(self, server: Server, collection: str, **query: str) -> None:
        self.events: list[Object] = []
        self.ended = threading.Event()
        self.failure: Exception | None = None
        self._client = server.http(timeout=SOON)
        self._opened = threading.Event()
        self._path = collection
        self._query = {"watch": "true"} | query
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        assert self._opened.wait(SOON), "the watch was not opened"
        assert not self.ended.is_set(), f"the watch was not opened: {self.failure}"
        return self

    def __exit__(self, *_: object) -> None:
        """The thread ends first: closed while it reads, the connection's descriptor would be the next one's, and what
        comes there read by the thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(SOON)
        assert not self._thread.is_alive(), "the watch goes on"
        self._client.close()

    def wait_for(self, kind: str, name: str, within: float) -> Object:
        """The first event of this type about this object. Raises NotInTime; WatchEnded if none can come any more."""

        def look() -> Object | None:
            ended = self.ended.is_set()
            found = self._find(kind, name)
            if ended and found is None:
                raise WatchEnded(f"{kind} {name}; got {self.events}, {self.failure}") from self.failure
            return found

        return eventually(look, within, f"{kind} {name}")

    def _find(self, kind: str, name: str) -> Object | None:
        matching = (event for event in list(self.events) if event["type"] == kind)
        return next((event for event in matching if event["object"]["metadata"].get("name") == name), None)

    def _read(self) -> None:
        try:
            with self._client.stream("GET", self._path, params=self._query) as answer:
                answer.raise_for_status()
                self._socket: socket.socket = answer.extensions["network_stream"].get_extra_info("socket")
                self._opened.set()
                for line in answer.iter_lines():
                    if line:
                        self.events.append(orjson.loads(line))
        except (httpx.HTTPError, OSError, RuntimeError, ValueError) as error:
            self.failure = error
        finally:
            self.ended.set()
            self._opened.set()
