"""The log of revisions in a SQLite database: plain functions over a connection, each a transaction.

A row is a write: its revision, the key and its new value, or that it was deleted, and the revision of the row that it
supersedes (0: the key did not exist). The state at a revision is the newest row of each key up to there. After a
compaction the rows up to its revision are only those that are the state at it. Raises sqlite3.Error.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from storage.interface import Event, KeyValue, RevisionConflict

FIRST_REVISION = 1
"""Of an empty storage, as in etcd: 0 stands for "any" in the API."""
APPLICATION_ID = 0x57654C6F
SCHEMA = (
    "CREATE TABLE log (revision INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB, deleted INTEGER NOT NULL,"
    " previous INTEGER NOT NULL)",
    "CREATE INDEX log_by_key ON log (key, revision, deleted)",
    "CREATE TABLE compaction (revision INTEGER NOT NULL)",
    "INSERT INTO compaction VALUES (0)",
    f"PRAGMA application_id = {APPLICATION_ID}",
)
INSERT = "INSERT INTO log (revision, key, value, deleted, previous) VALUES (?, ?, ?, ?, ?)"
NEWEST = "SELECT value, revision, deleted FROM log WHERE key = ? AND revision <= ? ORDER BY revision DESC LIMIT 1"
# By SQLite's rule for bare columns beside max(), `deleted` is that of the newest row. Both answer from the index alone
# which rows they are.
RANGE = """
SELECT key, (SELECT value FROM log WHERE revision = newest), newest FROM (
    SELECT key, max(revision) AS newest, deleted FROM log
    WHERE key >= :start AND key < :end AND revision <= :revision
    GROUP BY key HAVING NOT deleted ORDER BY key LIMIT :limit
)
"""
COUNT = """
SELECT count(*) FROM (
    SELECT max(revision), deleted FROM log WHERE key >= :start AND key < :end AND revision <= :revision
    GROUP BY key HAVING NOT deleted
)
"""
REPLAY = """
SELECT log.revision, log.key, log.value, log.deleted, before.revision, before.value
FROM log LEFT JOIN log AS before ON before.revision = log.previous
WHERE log.revision > ? AND log.revision <= ? ORDER BY log.revision
"""
DELETE_SUPERSEDED = """
DELETE FROM log WHERE revision IN (SELECT previous FROM log WHERE revision > ? AND revision <= ?)
"""


class Write(Protocol):
    """One write to be done if `key` is at revision `expected`; `value` None deletes."""

    key: str
    value: bytes | None
    expected: int


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def prepare(db: sqlite3.Connection) -> tuple[int, int]:
    """Makes the tables where there are none; returns the compacted and the current revision."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise sqlite3.DatabaseError("is a database of another program")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    if not tables:
        with _transaction(db):
            for statement in SCHEMA:
                db.execute(statement)
    compacted, newest = db.execute("SELECT revision, (SELECT max(revision) FROM log) FROM compaction").fetchone()
    return compacted, max(compacted, newest or FIRST_REVISION)


def commit(db: sqlite3.Connection, batch: Sequence[Write], revision: int) -> list[Event | RevisionConflict]:
    """Writes what can be written after `revision`, in one transaction; for each its event or why not."""
    outcomes: list[Event | RevisionConflict] = []
    with _transaction(db):
        for write in batch:
            outcome = _compare_and_do(db, write, revision + 1)
            revision += isinstance(outcome, Event)
            outcomes.append(outcome)
    return outcomes


def _compare_and_do(db: sqlite3.Connection, write: Write, revision: int) -> Event | RevisionConflict:
    current = get(db, revision, write.key)
    found = current.mod_revision if current else 0
    if found != write.expected or (write.value is None and not current):
        return RevisionConflict(write.key, current)
    row = (revision, write.key.encode(), write.value, write.value is None, found)
    db.execute(INSERT, row)
    return Event(revision, None if write.value is None else KeyValue(write.key, write.value, revision), current)


def get(db: sqlite3.Connection, revision: int, key: str) -> KeyValue | None:
    """The state of `key` at `revision`."""
    row = db.execute(NEWEST, (key.encode(), revision)).fetchone()
    return None if row is None or row[2] else KeyValue(key, row[0], row[1])


def read_range(db: sqlite3.Connection, revision: int, start: str, end: bytes, limit: int) -> tuple[list[KeyValue], int]:
    """At most `limit` (0: all) of the keys from `start` to before `end`, and how many there are."""
    where = {"start": start.encode(), "end": end, "revision": revision, "limit": limit or -1}
    # They come in order, though SQL does not promise it; asked to, SQLite would sort the values along.
    items = [KeyValue(key.decode(), value, found) for key, value, found in sorted(db.execute(RANGE, where))]
    if len(items) == limit:
        return items, db.execute(COUNT, where).fetchone()[0]
    return items, len(items)


def replay(db: sqlite3.Connection, after: int, upto: int) -> list[Event]:
    """The events after revision `after` up to `upto`."""
    return [_event(*row) for row in db.execute(REPLAY, (after, upto))]


def _event(revision: int, key: bytes, value: bytes, deleted: int, before: int | None, old: bytes) -> Event:
    name = key.decode()
    kv = None if deleted else KeyValue(name, value, revision)
    return Event(revision, kv, None if before is None else KeyValue(name, old, before))


def compact(db: sqlite3.Connection, last: int, upto: int) -> None:
    """Deletes what the writes after `last` up to `upto` have superseded, and the deletions among them."""
    with _transaction(db):
        db.execute(DELETE_SUPERSEDED, (last, upto))
        db.execute("DELETE FROM log WHERE deleted AND revision > ? AND revision <= ?", (last, upto))
        db.execute("UPDATE compaction SET revision = ?", (upto,))


def newest(db: sqlite3.Connection) -> int | None:
    """The newest revision in the file."""
    found: int | None = db.execute("SELECT max(revision) FROM log").fetchone()[0]
    return found
