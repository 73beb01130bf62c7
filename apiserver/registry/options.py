"""What callers of a Store may ask for; plain data, checked by whoever parsed it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from apiserver.machinery.errors import Object
from apiserver.machinery.selectors import FieldSelector, LabelSelector
from apiserver.registry.item import Chunk, Item


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """`field_manager` is never empty on a request. `valid` is told of the metadata, new and old, of what is valid and
    about to be stored. Of an apply: `check_applied` may still refuse what could be applied, `authorize_create` is asked
    when it turns into a create. `size`: bytes of what was sent; callbacks run in a thread when they are many, or when
    the object has many."""

    field_manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    authorize_create: Callable[[], Awaitable[None]] | None = None
    check_applied: Callable[[], None] = lambda: None
    valid: Callable[[Object, Object], None] = lambda *_: None
    size: int = 0


@dataclass(frozen=True, slots=True)
class ListOptions:
    """`resource_version` is "" (most recent), "0" (any) or a revision; `resource_version_match` "", Exact or
    NotOlderThan."""

    label_selector: LabelSelector | None = None
    field_selector: FieldSelector | None = None
    limit: int = 0
    continue_: str = ""
    resource_version: str = ""
    resource_version_match: str = ""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """`resource_version` N: events after N. "" or "0": first the current state (as fresh as now, or any), unless
    `initial_events` is False. `initial_events` True closes the initial state with a marked bookmark."""

    label_selector: LabelSelector | None = None
    field_selector: FieldSelector | None = None
    resource_version: str = ""
    initial_events: bool | None = None
    bookmarks: bool = False


@dataclass(slots=True)
class ItemList:
    """One page; no chunk is empty. `continue_` is "" at the end; `remaining` is None where it is not known (a selector
    was given)."""

    chunks: list[Chunk]
    resource_version: str
    continue_: str = ""
    remaining: int | None = None

    @property
    def items(self) -> list[Item]:
        """Of all chunks."""
        return [item for chunk in self.chunks for item in chunk.items]
