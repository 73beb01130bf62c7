"""The access log: a line of JSON for each request that has ended."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from apiserver.http.drain import Drain
from apiserver.machinery.request import RequestInfo

_LONGEST_ID = 64
_LONGEST = 1024
_GATHER_SECONDS, MANY = 0.05, 64

access = logging.getLogger("apiserver.access")


class Record(NamedTuple):
    """A request that has ended: `started` in seconds since the epoch, and how long it took."""

    started: float
    seconds: float
    code: int
    audit_id: str
    user: str
    impersonated_by: str
    info: RequestInfo
    user_agent: bytes
    source_ip: str

    def entry(self) -> dict[str, Any]:
        """No query: selectors and tokens stand there. No headers but the user agent."""
        info = self.info
        return {
            "time": datetime.fromtimestamp(self.started, UTC),
            "audit_id": self.audit_id[:_LONGEST_ID],
            "user": self.user,
            "impersonated_by": self.impersonated_by,
            "verb": info.verb,
            "method": info.method,
            "path": info.path[:_LONGEST],
            "group": info.group,
            "resource": info.resource,
            "subresource": info.subresource,
            "namespace": info.namespace[:_LONGEST],
            "name": info.name[:_LONGEST],
            "code": self.code,
            "latency_ms": round(self.seconds * 1000, 3),
            "user_agent": self.user_agent[:_LONGEST].decode("latin-1"),
            "source_ip": self.source_ip,
        }


AccessLog = Callable[[Record], None]


class AccessLines:
    """One line a request through the logger "apiserver.access", level info. Records are gathered for a moment: a
    record of the logging package costs ten times as much as a line. No more than MANY: memory that is soon used again
    is still in the processor's cache.

    `_records`: not written yet; a timer for them runs while there are any."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._records: list[Record] = []

    def __call__(self, record: Record) -> None:
        if not access.isEnabledFor(logging.INFO):
            return
        self._records.append(record)
        if len(self._records) >= MANY or self._drain.shutting_down.is_set():
            self.flush()
        elif len(self._records) == 1:
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self.flush)

    def flush(self) -> None:
        if self._records:
            lines = [orjson.dumps(record.entry(), option=orjson.OPT_UTC_Z) for record in self._records]
            self._records.clear()
            access.info("%s", b"\n".join(lines).decode())
