"""metadata.managedFields: who set which field, kept up to date at every write.

The rules are those of k8s.io/apimachinery `pkg/util/managedfields` and of sigs.k8s.io/structured-merge-diff
`merge/update.go`; wire.md 5.2, 5.3. Nothing here changes an object that it was given.
"""

from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from apiserver.machinery.encoding import encode_ordered
from apiserver.machinery.errors import Object
from apiserver.machinery.fieldset import (
    FieldSet,
    difference,
    from_fields,
    parse,
    recursive_difference,
    union,
)
from apiserver.machinery.fieldtype import MapType, TypedError, equal, same, type_of
from apiserver.machinery.typecheck import check
from apiserver.machinery.typed import Comparison, compare, reconciled

APPLY, UPDATE = "Apply", "Update"
FieldPaths = frozenset[tuple[str, ...]]
MAX_UPDATE_MANAGERS = 10
_ANCIENT = "ancient-changes"
_REMEMBERED_BYTES = 32 * 1024
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_SYSTEM_FIELDS = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation")
_UNOWNED = from_fields(
    (
        *(("apiVersion",), ("kind",), ("metadata",), ("metadata", "managedFields"), ("metadata", "resourceVersion")),
        *(("metadata", name) for name in _SYSTEM_FIELDS),
    )
)


class Entry(NamedTuple):
    """One manager's fields. `time` is RFC 3339 in UTC, "" where none is known."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    fields: FieldSet
    time: str


Key = tuple[str, str, str, str]
Managed = dict[Key, Entry]


def key_of(entry: Entry) -> Key:
    """What makes two entries the same manager's: an applier keeps its entry when it applies another version."""
    version = entry.api_version if entry.operation == UPDATE else ""
    return entry.manager, entry.operation, version, entry.subresource


def identifier(key: Key) -> str:
    """The key as Go sorts it: the JSON of an entry that has nothing else."""
    names = ("manager", "operation", "apiVersion", "subresource")
    return encode_ordered({name: value for name, value in zip(names, key, strict=True) if value}).decode()


def decode(entries: Any) -> Managed:
    """The entries of an object. Raises ValueError for anything that is not managedFields."""
    managed: Managed = {}
    if not isinstance(entries, list | None):
        raise ValueError("managedFields is not a list")
    for entry in entries or ():
        decoded = _decode_entry(entry)
        managed[key_of(decoded)] = decoded
    return managed


def _decode_entry(entry: Any) -> Entry:
    if not isinstance(entry, dict):
        raise ValueError("an entry of managedFields is not an object")
    operation, version, sort = entry.get("operation"), entry.get("apiVersion"), entry.get("fieldsType")
    if operation not in (APPLY, UPDATE):
        raise ValueError("operation must be `Apply` or `Update`")
    if not version or not isinstance(version, str):
        raise ValueError("apiVersion must not be empty")
    if sort != "FieldsV1":
        raise ValueError(f'invalid fieldsType "{sort}"' if sort else "missing fieldsType")
    manager, subresource = entry.get("manager") or "", entry.get("subresource") or ""
    if not isinstance(manager, str) or not isinstance(subresource, str):
        raise ValueError("manager and subresource are strings")
    time = _decode_time(entry.get("time"))
    return Entry(manager, operation, version, subresource, parse(entry.get("fieldsV1")), time)


def _decode_time(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("time is not a string")
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("time has no time zone")
    return value if len(value) == 20 and value[-1] == "Z" else moment.astimezone(UTC).strftime(_TIME_FORMAT)


def encode(managed: Managed) -> list[Object]:
    """In the order of the wire: by operation, time, manager, apiVersion, subresource."""
    entries = sorted(managed.values(), key=_order)
    return [_encode_entry(entry) for entry in entries]


def _order(entry: Entry) -> tuple[str, ...]:
    return entry.operation, entry.time, entry.manager, entry.api_version, entry.subresource


def _encode_entry(entry: Entry) -> Object:
    """In the order of Go's struct."""
    made: Object = {
        "manager": entry.manager,
        "operation": entry.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": entry.fields,
        "subresource": entry.subresource,
    }
    return {name: value for name, value in made.items() if value != ""}


def without_managed(obj: Object) -> Object:
    """The object without managedFields, itself where it has none."""
    return with_managed(obj, {}) if "managedFields" in obj["metadata"] else obj


def with_managed(obj: Object, managed: Managed) -> Object:
    """A copy of the object, its metadata new too, with these managedFields."""
    meta = {key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"}
    if managed:
        meta["managedFields"] = encode(managed)
    return {**obj, "metadata": meta}


class Write(NamedTuple):
    """Who writes, through which endpoint, when (RFC 3339). `reset` are the fields that the endpoint does not touch."""

    manager: str
    api_version: str
    subresource: str
    now: str
    reset: FieldPaths


def track_update(live: Object | None, new: Object, schema: Object, write: Write) -> Object:
    """`new` with the managedFields that follow when it is created (`live` is None) or replaces `live`: the manager
    owns what it changed, others lose that. An object that lost all its managedFields is not tracked any more until it
    is applied. Never fails: what cannot be tracked has no managedFields."""
    managed = _current(live, new, write.subresource)
    # The request's own managedFields are read, but are no field that it changes.
    new = without_managed(new)
    if not managed and live is not None:
        return new
    before = without_managed(live) if live else {}
    of = type_of(schema)
    try:
        if not managed:
            return with_managed(new, _created(new, of, write))
        _check_ignored(before, new, of, write.reset)
        return with_managed(new, updated(managed, before, new, of, write))
    except TypedError:
        return new


def _created(new: Object, of: MapType, write: Write) -> Managed:
    """The managers of an object that had none. Raises TypedError."""
    # What is remembered of a large object may be several times as large.
    of_creator = _owned_by_creator if len(orjson.dumps(new)) <= _REMEMBERED_BYTES else _owned_by_creator.__wrapped__
    own = of_creator(_Shaped(new), of, write.reset)
    return _with_own({}, own, write) if own else {}


class _Shaped:
    """An object, equal to every other one whose creator owns the same fields: values count in lists only. `obj` is
    there until it has been looked at, so that nothing is kept of it but its shape."""

    __slots__ = ("obj", "shape")

    def __init__(self, obj: Object) -> None:
        self.obj, self.shape = obj, _shape(obj)

    def __hash__(self) -> int:
        return hash(self.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shaped) and self.shape == other.shape


def _shape(value: Any) -> Any:
    """Of an object: its keys, then the shapes of their values."""
    if type(value) is dict:
        return (*value, *map(_shape, value.values()))
    return blake2b(orjson.dumps(value), digest_size=16).digest() if type(value) is list else type(value)


@lru_cache(maxsize=128)
def _owned_by_creator(new: _Shaped, of: MapType, reset: FieldPaths) -> FieldSet:
    """Clients create objects of the same few shapes again and again. Raises TypedError, each time."""
    obj, new.obj = new.obj, {}
    _check_ignored({}, obj, of, reset)
    return difference(changes_between({}, obj, of, reset).added, _UNOWNED)


def _check_ignored(live: Object, new: Object, of: MapType, reset: FieldPaths) -> None:
    """What the endpoint does not write must fit its type all the same: nothing else looks at it. Raises TypedError."""
    for name, *_ in reset:
        if name in new and not same(live.get(name), new[name]):
            check({name: new[name]}, of, duplicates=True)


def _current(live: Object | None, new: Object, subresource: str) -> Managed:
    """The managedFields that a request starts from: clients may edit or reset them, except through a subresource."""
    requested = new["metadata"].get("managedFields")
    present = live["metadata"].get("managedFields") if live else None
    if not subresource and requested != present:
        if requested == [{}]:
            return {}
        managed = _decode_or_none(requested)
        if managed:
            return managed
    return _decode_or_none(present)


def _decode_or_none(entries: Any) -> Managed:
    try:
        return decode(entries)
    except ValueError:
        return {}


def updated(managed: Managed, live: Object, new: Object, of: MapType, write: Write) -> Managed:
    """The managers after an update. Raises TypedError."""
    changes = changes_between(live, new, of, write.reset)
    changed = union(changes.modified, changes.added)
    kept = without(known(managed, of, write.api_version), changed, changes.removed)
    own = difference(changed, _UNOWNED)
    return _capped(_with_own(kept, own, write) if own else kept)


def _with_own(managed: Managed, own: FieldSet, write: Write) -> Managed:
    """With what the writer owns now, beside what it had."""
    key = (write.manager or "unknown", UPDATE, write.api_version, write.subresource)
    previous = managed.get(key)
    return {**managed, key: Entry(*key, union(own, previous.fields) if previous else own, write.now)}


def changes_between(live: Object, new: Object, of: MapType, reset: FieldPaths) -> Comparison:
    """What differs outside the fields that the endpoint resets. Raises TypedError."""
    untouched = field_set(reset)
    return Comparison(*[recursive_difference(fields, untouched) for fields in compare(live, new, of)])


@lru_cache(maxsize=64)
def field_set(paths: FieldPaths) -> FieldSet:
    return from_fields(paths)


def known(managed: Managed, of: MapType, api_version: str) -> Managed:
    """The entries of the version that is served, as its schema is now; entries of other versions are dropped."""
    served = ((key, entry) for key, entry in managed.items() if entry.api_version == api_version)
    return {key: _with_fields(entry, reconciled(entry.fields, of)) for key, entry in served}


def _with_fields(entry: Entry, fields: FieldSet) -> Entry:
    return entry if fields is entry.fields else entry._replace(fields=fields)


def without(managed: Managed, *taken: FieldSet) -> Managed:
    """The managers that still own something when these fields are taken away from all of them."""
    kept: Managed = {}
    for key, entry in managed.items():
        fields = entry.fields
        for lost in taken:
            fields = difference(fields, lost)
        if fields:
            kept[key] = _with_fields(entry, fields)
    return kept


def without_unowned(fields: FieldSet) -> FieldSet:
    """Without identity and what the server sets: nobody owns those."""
    return difference(fields, _UNOWNED)


def _capped(managed: Managed) -> Managed:
    """At most 10 update managers: the oldest are merged into "ancient-changes", one entry a version. The oldest of a
    version keeps its entry until a second one joins it."""
    updates = [key for key, entry in managed.items() if entry.operation == UPDATE]
    if len(updates) <= MAX_UPDATE_MANAGERS:
        return managed
    capped, oldest = dict(managed), dict[str, Key]()
    excess = len(updates) - MAX_UPDATE_MANAGERS
    for key in sorted(updates, key=lambda key: (managed[key].time, identifier(key))):
        entry = managed[key]
        if excess and oldest.setdefault(entry.api_version, key) != key:
            _merge_ancient(capped, key, oldest[entry.api_version])
            excess -= 1
    return capped


def _merge_ancient(managed: Managed, key: Key, oldest: Key) -> None:
    """Moves the fields of `key` into its version's "ancient-changes", which the oldest entry becomes where there is
    none yet."""
    entry = managed.pop(key)
    bucket = entry._replace(manager=_ANCIENT, subresource="")
    into = managed.get(key_of(bucket)) or managed.pop(oldest)
    managed[key_of(bucket)] = bucket._replace(fields=union(entry.fields, into.fields))


def without_times(entries: list[Object]) -> list[Object]:
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries]


def restore_times_if_unchanged(live: Object, new: Object) -> Object:
    """`new` with live's managedFields when nothing but their times differs, so that a no-op writes nothing."""
    before, after = (obj["metadata"].get("managedFields") for obj in (live, new))
    if not before or not after or before == after or without_times(before) != without_times(after):
        return new
    if not equal(without_managed(live), without_managed(new)):
        return new
    return {**new, "metadata": {**new["metadata"], "managedFields": before}}
