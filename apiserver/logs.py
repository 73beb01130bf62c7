"""Logs: one JSON object a line, on standard error."""

import logging
import traceback
from datetime import UTC, datetime

import orjson

ACCESS = "apiserver.access"
_CLIENT_HAS_LEFT = "SSL connection is closed"
"""uvloop's words for a write that comes too late: a line for each part of a list, whenever a client leaves before its
end."""


class _Lines(logging.Formatter):
    """The access log's lines are JSON already."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.name == ACCESS:
            return message
        time = datetime.fromtimestamp(record.created, UTC)
        entry = {"time": time, "level": record.levelname.lower(), "logger": record.name, "message": message}
        if record.exc_info:
            entry["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps(entry, option=orjson.OPT_UTC_Z).decode()


def is_news(record: logging.LogRecord) -> bool:
    return record.msg != _CLIENT_HAS_LEFT


def configure(level: int) -> None:
    """`level` is the standard library's; other libraries only warn."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    handler.addFilter(is_news)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("apiserver", "reconciler", "storage"):
        logging.getLogger(ours).setLevel(level)
