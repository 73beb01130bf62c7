"""Compaction every few minutes, by one of the servers that share a storage (wire.md section 7, as Kubernetes does it).

Each round every server tries to write the revision it saw a round ago under `compact_rev_key`; who does so compacts
to it. History is kept for one to two intervals, and that key is the one kube-apiserver uses in the same etcd.
"""

import asyncio
import logging
from dataclasses import dataclass

from storage.interface import RevisionConflict, Storage, StorageError

COMPACT_KEY = "compact_rev_key"
INTERVAL = 300.0
"""Seconds between two rounds."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """What a server remembers of its last round: the mod_revision of COMPACT_KEY, and the storage's revision then."""

    marker: int = 0
    revision: int = 0


async def compaction_loop(storage: Storage, interval: float = INTERVAL) -> None:
    """Compacts `storage` until it is cancelled. `storage` is the storage itself, not a cache of it."""
    last = Round()
    while True:
        await asyncio.sleep(interval)
        try:
            last = await compaction_round(storage, last)
        except StorageError as error:
            log.warning("compaction failed, next try in %s s: %s", interval, error)


async def compaction_round(storage: Storage, last: Round) -> Round:
    """Compacts to `last.revision`, unless another server has had a round since `last`."""
    try:
        marker = await storage.put(COMPACT_KEY, str(last.revision).encode(), last.marker)
    except RevisionConflict as lost:
        return Round(lost.current.mod_revision if lost.current else 0, await storage.current_revision())
    if last.revision:
        await storage.compact(last.revision)
        log.info("compacted to revision %d", last.revision)
    return Round(marker, marker)
