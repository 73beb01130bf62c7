"""Store: one kind's verbs over a Storage (k8s.io/apiserver `registry/generic/registry/store.go`).

Nothing below knows objects, nothing above knows keys. Objects that come out are shared: read only.
"""

import builtins
import random
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from functools import lru_cache, partial

from apiserver.machinery import codec, errors, managedfields, strategy
from apiserver.machinery.apply import apply
from apiserver.machinery.errors import APIError, Object
from apiserver.machinery.kind import Kind
from apiserver.machinery.pruning import defaulted, with_integers
from apiserver.machinery.selectors import FieldSelector
from apiserver.machinery.strategy import DeleteOptions
from apiserver.registry.item import Chunk, Item, WatchBatch, WatchEvent, at_revision, item_of, taking, watch_batch
from apiserver.registry.listing import chunks_of, read_page
from apiserver.registry.options import ItemList, ListOptions, WatchOptions, WriteOptions
from apiserver.registry.selection import (
    as_page,
    check_name,
    check_unversioned,
    matcher,
    narrowed,
    parse_resource_version,
    parse_uint,
    position,
)
from apiserver.registry.stored import as_stored, to_stored
from apiserver.registry.threads import off_loop
from apiserver.registry.translation import translate, translated, translated_continue, translated_watch
from storage.interface import KeyValue, RevisionConflict, Storage, StorageError

Change = Callable[[Object], Object]
AdmitCreate = Callable[[Object], Awaitable[None]]
Authorize = Callable[[], Awaitable[None]]
Take = Callable[[WatchBatch], bool]
_NAME_ATTEMPTS = 8
# What each endpoint does not own (wire.md 5.6).
_RESET: dict[str, frozenset[tuple[str, ...]]] = {
    "": frozenset({("status",)}),
    "status": frozenset({("spec",), ("metadata",)}),
    "scale": frozenset(),
}


class _Unchanged(Exception):
    """Nothing is to be written, going by a cached copy, which may be stale: look again."""


@lru_cache(maxsize=2)
def _rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def admit_all(_: Object) -> None:
    """The admission of a kind that needs none."""


class Store:
    """One kind's objects, under keys that begin with `prefix`. `root` is the prefix of every kind's keys, such as
    /registry; `admit_create` raises what speaks against creating an object; `clock` counts seconds since the epoch."""

    def __init__(
        self,
        kind: Kind,
        storage: Storage,
        root: str = "/registry",
        admit_create: AdmitCreate = admit_all,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.kind = kind
        self._storage = storage
        self._root = root
        self.prefix = "".join(f"{part}/" for part in (root, kind.group, kind.plural) if part)
        self._admit_create = admit_create
        self._clock = clock

    def _key(self, namespace: str, name: str) -> str:
        """Raises BadRequest for a name that no object can have."""
        check_name(name)
        return self._range(namespace) + name

    def _range(self, namespace: str) -> str:
        return f"{self.prefix}{namespace}/" if namespace and self.kind.namespaced else self.prefix

    def _narrowed(self, namespace: str, fields: FieldSelector | None) -> str:
        """A prefix of the keys of all that the selector may select: where it selects one name, few others have it."""
        single = namespace or not self.kind.namespaced
        return self._range(namespace) + ((single and fields and fields.exact("metadata.name")) or "")

    def _now(self) -> str:
        return _rfc3339(int(self._clock()))

    async def get(self, namespace: str, name: str, resource_version: str = "") -> Item:
        """Raises NotFound; Plain for a resourceVersion that is no number."""
        oldest = parse_resource_version(resource_version, errors.Plain) if resource_version else None
        key = self._key(namespace, name)
        try:
            kv, _ = await self._storage.get(key, not_older_than=oldest)
        except StorageError as error:
            raise translate(error) from error
        if kv is None:
            raise errors.NotFound.of(self.kind.resource, name)
        return item_of(kv)

    async def list(self, namespace: str = "", options: ListOptions = ListOptions()) -> ItemList:
        """One page, selected and in key order. Raises Expired for a revision or token whose history is gone."""
        namespace = narrowed(namespace, options.field_selector)
        matches = matcher(options.label_selector, options.field_selector)
        at = position(options, across_namespaces=self.kind.namespaced and not namespace)
        # A token is relative to the whole range.
        prefix = self._range(namespace) if options.continue_ else self._narrowed(namespace, options.field_selector)
        with translated_continue(at.start):
            return await read_page(self._storage, prefix, at, matches)

    async def create(self, obj: Object, options: WriteOptions = WriteOptions()) -> Item:
        """Stores a decoded object that the caller gives away, its namespace set. Raises AlreadyExists, Invalid."""
        await self._admit_create(obj)
        obj = await off_loop(options.size, partial(self._track, None, obj, options, ""))
        return await self._create_named(obj, options)

    async def _create_named(self, obj: Object, options: WriteOptions) -> Item:
        """Creates; where the server chooses the name, it tries again when the name is taken."""
        meta = obj["metadata"]
        if meta.get("name") or not meta.get("generateName"):
            return await self._insert(obj, options)
        for _ in range(_NAME_ATTEMPTS):
            suffix = "".join(random.choices(strategy.GENERATED_SUFFIX, k=5))  # noqa: S311 - a name, no secret
            meta["name"] = strategy.generate_name(meta["generateName"], suffix)
            try:
                return await self._insert(obj, options)
            except errors.AlreadyExists as taken:
                refused = taken
        raise refused

    async def _insert(self, obj: Object, options: WriteOptions, authorize: Authorize | None = None) -> Item:
        begin = partial(strategy.before_create, self.kind, obj, now=self._now(), uid=str(uuid.uuid4()))
        await off_loop(options.size, begin)
        options.valid(obj["metadata"], {})
        if authorize is not None:
            await authorize()
        meta = obj["metadata"]
        key = self._key(meta.get("namespace", ""), meta["name"])
        with translated():
            try:
                if options.dry_run:
                    current, _ = await self._storage.get(key)
                    if current is not None:
                        raise RevisionConflict(key, current)
                    return Item(obj)
                check_unversioned(meta)
                revision = await self._storage.put(key, to_stored(obj), 0)
            except RevisionConflict as conflict:
                raise self._exists(meta, conflict.current) from conflict
        return Item(at_revision(obj, revision))

    def _exists(self, meta: Object, current: KeyValue | None) -> APIError:
        """`current` is in the place of the object with this metadata."""
        prefix = "object is being deleted: " if current and item_of(current).meta.get("deletionTimestamp") else ""
        if meta.get("generateName"):
            return errors.AlreadyExists.generated(self.kind.resource, meta["name"], prefix)
        return errors.AlreadyExists.of(self.kind.resource, meta["name"], prefix)

    async def update(
        self,
        namespace: str,
        name: str,
        change: Change,
        options: WriteOptions = WriteOptions(),
        subresource: str = "",
    ) -> Item:
        """Guaranteed update: `change` gets the live object (read only) and returns the new one, which may share parts
        with it; on a lost race it is called again. For a large object it runs in a thread. Bytes that stay the same are
        not written. An object that is being deleted and has no finalizer left is removed. Raises NotFound, Conflict,
        Invalid and what `change` raises."""

        def prepare(live: Object) -> Object:
            new = dict(change(live))
            new["metadata"] = dict(new["metadata"])
            new = self._track(live, new, options, subresource)
            return self._finish(new, live, options, subresource)

        return await self._guaranteed_update(namespace, name, prepare, options)

    async def apply(
        self, namespace: str, name: str, config: Object, options: WriteOptions, subresource: str = ""
    ) -> tuple[Item, bool]:
        """Server-side apply; also whether it created the object. Raises Conflict (field ownership), NotFound for a
        subresource of a missing object."""

        def prepare(live: Object) -> Object:
            new = self._merge(live, namespace, name, config, options, subresource)
            return self._finish(new, live, options, subresource)

        while True:
            try:
                return await self._guaranteed_update(namespace, name, prepare, options), False
            except errors.NotFound:
                if subresource:
                    raise
            # Somebody else may create it meanwhile: then it is applied to theirs.
            with suppress(errors.AlreadyExists):
                merge = partial(self._merge, None, namespace, name, config, options, "")
                new = await off_loop(options.size, merge)
                return await self._create_applied(new, options), True

    async def _create_applied(self, new: Object, options: WriteOptions) -> Item:
        parse_uint(new["metadata"].get("resourceVersion", ""))
        strategy.wipe_applied(new["metadata"], dry_run=options.dry_run)
        await self._admit_create(new)
        # Who may not create learns it last, as from kube-apiserver.
        return await self._insert(new, options, options.authorize_create)

    def _merge(
        self, live: Object | None, namespace: str, name: str, config: Object, options: WriteOptions, subresource: str
    ) -> Object:
        applied = apply(
            live,
            with_integers(config, self.kind.schema),
            kind_name=self.kind.kind,
            schema=self.kind.schema,
            write=self.write(options, subresource),
            force=options.force,
        )
        options.check_applied()
        meta = codec.coerced_meta(applied["metadata"], [])
        new: Object = defaulted({**applied, "metadata": meta}, self.kind.schema)
        uid = meta.get("uid")
        if live is None and uid:
            text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise errors.Conflict.of(self.kind.resource, name, text)
        strategy.check_namespace(self.kind, new, namespace)
        strategy.check_name(new, name)
        return new

    async def _guaranteed_update(self, namespace: str, name: str, prepare: Change, options: WriteOptions) -> Item:
        """Starts from the cache's copy; whatever a stale copy leads to is tried again on the storage's."""
        key = self._key(namespace, name)
        with translated():
            kv, _ = await self._storage.get(key, not_older_than=0)
            fresh = False
            while True:
                try:
                    if kv is None:
                        raise errors.NotFound.of(self.kind.resource, name)
                    return await self._replace(kv, prepare, options, fresh)
                except RevisionConflict as conflict:
                    kv, fresh = conflict.current, True
                    continue
                except (APIError, _Unchanged):
                    if fresh:
                        raise
                kv, _ = await self._storage.get(key)
                fresh = True

    async def _replace(self, kv: KeyValue, prepare: Change, options: WriteOptions, fresh: bool) -> Item:
        new = await off_loop(max(options.size, len(kv.value)), partial(prepare, item_of(kv).decoded()))
        if strategy.is_finalized(new):
            await self._remove(kv, new, options.dry_run)
            return Item(at_revision(new, kv.mod_revision))
        stored = to_stored(new)
        if options.dry_run or stored == kv.value:
            if not fresh:
                raise _Unchanged
            return Item(at_revision(new, kv.mod_revision)) if options.dry_run else item_of(kv)
        revision = await self._storage.put(kv.key, stored, kv.mod_revision)
        return Item(as_stored(new, revision))

    async def _remove(self, kv: KeyValue, last: Object, dry_run: bool) -> Item:
        revision = kv.mod_revision if dry_run else await self._storage.delete(kv.key, kv.mod_revision)
        return Item(at_revision(last, revision))

    def _track(self, live: Object | None, new: Object, options: WriteOptions, subresource: str) -> Object:
        if subresource == "scale":
            # The Scale's own owners have been carried over already.
            return new
        return managedfields.track_update(live, new, self.kind.schema, self.write(options, subresource))

    def write(self, options: WriteOptions, subresource: str) -> managedfields.Write:
        """Who writes what, now."""
        reset = _RESET[subresource] if self.kind.status_subresource else frozenset[tuple[str, ...]]()
        return managedfields.Write(options.field_manager, self.kind.api_version, subresource, self._now(), reset)

    def check_uid(self, new: Object, live: Object, *, dry_run: bool) -> None:
        """A PUT for another uid: raises Conflict (a patch's uid is a field error instead, wire.md 3.8). A dry run does
        not get as far as the storage, which knows the whole key."""
        wanted, meta = new["metadata"].get("uid"), live["metadata"]
        if wanted and wanted != meta["uid"]:
            key = self._key(meta.get("namespace", ""), meta["name"]).removeprefix(self._root if dry_run else "")
            text = f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
            text += f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {meta['uid']}"
            raise errors.Conflict.of(self.kind.resource, meta["name"], text)

    def _finish(self, new: Object, live: Object, options: WriteOptions, subresource: str) -> Object:
        """Checks the resourceVersion that the change is based on, then the rules of the endpoint."""
        name, resource = live["metadata"]["name"], self.kind.resource
        wanted = parse_uint(new["metadata"].get("resourceVersion") or "")
        if not wanted:
            fault = errors.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise errors.Invalid.of(resource, name, [fault], self.kind.plural)
        if wanted != int(live["metadata"]["resourceVersion"]):
            raise errors.Conflict.of(resource, name)
        new = strategy.before_update(self.kind, new, live, subresource)
        options.valid(new["metadata"], live["metadata"])
        return managedfields.restore_times_if_unchanged(live, new)

    async def delete(self, namespace: str, name: str, options: DeleteOptions = DeleteOptions()) -> tuple[Item, bool]:
        """Deletes, or marks the object while finalizers hold it: (last state, gone). Raises NotFound, Conflict."""
        with translated():
            kv, _ = await self._storage.get(self._key(namespace, name))
            while kv is not None:
                try:
                    return await self._delete(kv, options)
                except RevisionConflict as conflict:
                    kv = conflict.current
        raise errors.NotFound.of(self.kind.resource, name)

    async def _delete(self, kv: KeyValue, options: DeleteOptions) -> tuple[Item, bool]:
        live = item_of(kv).decoded()
        strategy.check_preconditions(self.kind, live, options)
        marked = strategy.before_delete(live, options, now=self._now())
        if marked is None:
            return await self._remove(kv, live, options.dry_run), True
        return await self._replace(kv, lambda _: marked, WriteOptions(dry_run=options.dry_run), fresh=True), False

    async def delete_collection(
        self, namespace: str, listed: ListOptions = ListOptions(), options: DeleteOptions = DeleteOptions()
    ) -> ItemList:
        """Deletes what the list finds, one by one; returns the items as they were listed."""
        found = await self.list(namespace, as_page(listed))
        for item in found.items:
            try:
                await self.delete(item.meta.get("namespace", ""), item.meta["name"], options)
            except errors.NotFound:
                continue
        return found

    async def watch(self, namespace: str = "", options: WatchOptions = WatchOptions()) -> AsyncGenerator[WatchEvent]:
        """The batches of `watch_batches`, one event at a time."""
        async with aclosing(self.watch_batches(namespace, options)) as batches:
            async for batch in batches:
                for event in batch.events:
                    yield event

    async def watch_batches(
        self, namespace: str = "", options: WatchOptions = WatchOptions(), take: Take | None = None
    ) -> AsyncGenerator[WatchBatch]:
        """Batches in order, the initial state (maybe none) first, in parts if it is large. One that comes while the
        next is awaited may be offered to `take`, which takes it at once, or says False: then it is yielded. Raises
        Expired when the revision is too old, ServiceUnavailable when the storage is lost or the reader too slow."""
        prefix = self._narrowed(narrowed(namespace, options.field_selector), options.field_selector)
        # Others that watch look into the same events.
        matches = matcher(options.label_selector, options.field_selector, keep=True)
        after = parse_resource_version(options.resource_version, errors.Plain) if options.resource_version else 0
        with translated_watch(after):
            if not after or options.initial_events:
                oldest = after if options.resource_version else None
                page = await self._storage.list(prefix, not_older_than=oldest)
                after = page.revision
                runs = page.runs if options.initial_events is not False else ()
                for part in self._initial(await chunks_of(runs, matches), after, options):
                    yield part
            else:
                yield WatchBatch([], after)
            async with aclosing(self._storage.watch(prefix, after, take and taking(take, matches))) as upstream:
                async for batch in upstream:
                    yield watch_batch(batch, matches)

    def _initial(self, chunks: Sequence[Chunk], revision: int, options: WatchOptions) -> Iterator[WatchBatch]:
        """The current state as ADDED events, closed by a marked bookmark where both were asked for. A batch for each
        chunk, so that a client that reads slowly does not have all of it written to memory."""
        events: builtins.list[WatchEvent] = []
        for chunk in chunks:
            if events:
                yield WatchBatch(events, 0)
            events = [WatchEvent("ADDED", item) for item in chunk.items]
        if options.initial_events and options.bookmarks:
            events.append(self.bookmark(revision, {"k8s.io/initial-events-end": "true"}))
        yield WatchBatch(events, revision)

    def bookmark(self, revision: int, annotations: dict[str, str] | None = None) -> WatchEvent:
        """A BOOKMARK: the kind with nothing but a resourceVersion."""
        meta: Object = {"resourceVersion": str(revision)}
        if annotations:
            meta["annotations"] = annotations
        obj = {"apiVersion": self.kind.api_version, "kind": self.kind.kind, "metadata": meta}
        return WatchEvent("BOOKMARK", Item(obj))
