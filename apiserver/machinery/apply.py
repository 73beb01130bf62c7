"""Server-side apply: a configuration becomes part of an object, and its applier the owner of the fields in it.

The order of the steps is that of k8s.io/apimachinery `pkg/util/managedfields/internal` and of
sigs.k8s.io/structured-merge-diff `merge/update.go`; texts and rules: wire.md 5.4.
"""

import orjson

from apiserver.machinery import lastapplied
from apiserver.machinery.errors import BadRequest, Conflict, Object, Plain, quoted
from apiserver.machinery.fieldset import (
    FieldSet,
    difference,
    intersection,
    path_text,
    paths,
    recursive_difference,
    union,
)
from apiserver.machinery.fieldtype import MapType, TypedError, equal, type_of
from apiserver.machinery.managedfields import (
    APPLY,
    UPDATE,
    Entry,
    Key,
    Managed,
    Write,
    changes_between,
    decode,
    field_set,
    identifier,
    key_of,
    known,
    updated,
    with_managed,
    without,
    without_unowned,
)
from apiserver.machinery.merging import merge, prune
from apiserver.machinery.typecheck import check
from apiserver.machinery.typed import set_of

_BEFORE = "before-first-apply"


def apply(
    live: Object | None, config: Object, *, kind_name: str, schema: Object, write: Write, force: bool = False
) -> Object:
    """The object, a tree of its own, after the writer applied `config`; `live` is None where there is none yet. The
    server sets defaults afterwards, so nobody owns them. Nulls stay. Raises BadRequest (another kind or version,
    managedFields), Conflict (a changed field is another manager's), Plain (the configuration does not fit the
    schema)."""
    _check_identity(config, write.api_version, kind_name)
    of = type_of(schema)
    kind = _kind_text(write.api_version, kind_name)
    try:
        check(config, of)
    except TypedError as error:
        raise Plain(f"failed to create typed patch object ({_name_text(config)}; {kind}): {error}") from error
    try:
        applied = _apply(live, config, of, write, force)
    except TypedError as error:
        raise Plain(f"failed to create typed live object ({_name_text(live or {})}; {kind}): {error}") from error
    if write.manager == lastapplied.MANAGER:
        lastapplied.keep_consistent(applied, config)
    return applied


def _kind_text(api_version: str, kind: str) -> str:
    """As Go prints a GroupVersionKind; it has none where the version is not one."""
    if api_version.count("/") > 1:
        return "/, Kind="
    return f"{api_version if '/' in api_version else '/' + api_version}, Kind={kind}"


def _name_text(obj: Object) -> str:
    meta = obj.get("metadata")
    return "/".join(_text(meta if isinstance(meta, dict) else {}, name) for name in ("namespace", "name"))


def _text(members: Object, name: str) -> str:
    """A member that is a string, "" for whatever else is there."""
    value = members.get(name)
    return value if isinstance(value, str) else ""


def _check_identity(config: Object, api_version: str, kind_name: str) -> None:
    version, kind = _text(config, "apiVersion"), _text(config, "kind")
    if (version, kind) != (api_version, kind_name):
        raise BadRequest(f"invalid object type: {_kind_text(version, kind)}")
    meta = config.get("metadata")
    if isinstance(meta, dict) and isinstance(meta.get("managedFields"), list):
        raise BadRequest("metadata.managedFields must be nil")


def _apply(live: Object | None, config: Object, of: MapType, write: Write, force: bool) -> Object:
    base = live or {}
    managed = known(_managers(live, of, write), of, write.api_version)
    own = Entry(write.manager, APPLY, write.api_version, write.subresource, _config_fields(config, of, write), "")
    key = key_of(own)
    last = managed.get(key)
    managed[key] = own = own._replace(time=last.time if last else "")
    merged = merge(base, config, of)
    if last:
        merged = prune(merged, last.fields, (entry.fields for entry in managed.values()), of)
    others = {other: entry for other, entry in managed.items() if other != key}
    kept = _settle(others, base, merged, of, write, force)
    fields = without_unowned(own.fields)
    # A write that changes nothing but ownership leaves the times as they are.
    changed = not equal(base, merged)
    if fields:
        kept[key] = own._replace(fields=fields, time=write.now if changed else own.time)
    return _copy(with_managed(merged if changed else base, kept))


def _managers(live: Object | None, of: MapType, write: Write) -> Managed:
    """The managers of the live object. One that was never tracked belongs to "before-first-apply"."""
    if live is None:
        return {}
    try:
        managed = decode(live["metadata"].get("managedFields"))
    except ValueError as error:
        raise Plain(f"failed to decode managed fields: {error}") from error
    return managed or updated({}, {}, live, of, write._replace(manager=_BEFORE))


def _config_fields(config: Object, of: MapType, write: Write) -> FieldSet:
    return recursive_difference(set_of(config, of), field_set(write.reset))


def _settle(others: Managed, live: Object, new: Object, of: MapType, write: Write, force: bool) -> Managed:
    """The other managers after the change; they lose what was removed and, with force, what was changed. Raises
    Conflict."""
    changes = changes_between(live, new, of, write.reset)
    changed = union(changes.modified, changes.added)
    found = {key: intersection(entry.fields, changed) for key, entry in others.items()}
    conflicts = {key: fields for key, fields in found.items() if fields}
    if conflicts and not force:
        _refuse(conflicts, lastapplied.allowed_conflicts(live, of) if write.manager == lastapplied.MANAGER else {})
    return without(others, changed, changes.removed)


def _refuse(conflicts: dict[Key, FieldSet], allowed: FieldSet) -> None:
    """Raises Conflict unless all of them are allowed."""
    refused = {key: left for key, fields in conflicts.items() if (left := difference(fields, allowed))}
    if refused:
        raise _conflict(refused)


def _conflict(conflicts: dict[Key, FieldSet]) -> Conflict:
    found = {key: [path_text(path) for path in paths(conflicts[key])] for key in sorted(conflicts, key=identifier)}
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_manager_text(key)}", "field": field}
        for key, fields in found.items()
        for field in fields
    ]
    if len(causes) == 1:
        text = f"1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        listed = (
            ["conflicts with " + _manager_text(key) + ":", *(f"- {f}" for f in fields)] for key, fields in found.items()
        )
        text = f"{len(causes)} conflicts: " + "\n".join(line for lines in listed for line in lines)
    return Conflict(f"Apply failed with {text}", {"causes": causes})


def _manager_text(key: Key) -> str:
    manager, operation, version, subresource = key
    text = quoted(manager)
    if subresource:
        text += f" with subresource {quoted(subresource)}"
    return f"{text} using {version}" if operation == UPDATE else text


def _copy(obj: Object) -> Object:
    """What is set on the result must not show in the live object, with which it shares parts."""
    copied: Object = orjson.loads(orjson.dumps(obj))
    return copied
