"""The rules of create, update and delete that hold for every kind (k8s.io/apiserver `registry/rest`; wire.md 3.6-3.9).

All are pure: clock and ids come as arguments, objects are JSON trees that the caller owns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from apiserver.machinery import errors
from apiserver.machinery.errors import BadRequest, FieldError, Invalid, Object, Resource
from apiserver.machinery.gofmt import go_type, go_value
from apiserver.machinery.jsonpath import simple_keys
from apiserver.machinery.kind import Kind
from apiserver.machinery.names import parse_group_version
from apiserver.machinery.schemacheck import NO_FIELD, validate, validate_distinct, validate_model
from apiserver.machinery.validation import validate_meta, validate_meta_update

_OF_DELETION = ("deletionTimestamp", "deletionGracePeriodSeconds")
SYSTEM_FIELDS = ("uid", "creationTimestamp", "selfLink", *_OF_DELETION)
GENERATED_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_BASE_LENGTH = 58
_ANYTHING: Object = {}
"""The schema of a status that nothing describes."""
_MAX_INT32 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """meta/v1 DeleteOptions. `propagation_policy`: "", Foreground, Background or Orphan."""

    uid: str | None = None
    resource_version: str | None = None
    propagation_policy: str = ""
    orphan_dependents: bool | None = None
    dry_run: bool = False


def generate_name(base: str, suffix: str) -> str:
    """`base` shortened so that five random characters fit a label."""
    return base[:_BASE_LENGTH] + suffix


def wipe_system_fields(meta: Object) -> None:
    for field in SYSTEM_FIELDS:
        meta.pop(field, None)


def wipe_applied(meta: Object, *, dry_run: bool) -> None:
    """Of an object that an apply creates. A dry run tells what was applied, though it would not be stored."""
    for field in _OF_DELETION if dry_run else (*SYSTEM_FIELDS, "resourceVersion"):
        meta.pop(field, None)


def check_namespace(kind: Kind, obj: Object, namespace: str) -> None:
    """Fills in the request's namespace; a cluster-scoped object has none. Raises BadRequest for another one."""
    meta = obj["metadata"]
    if not kind.namespaced:
        meta.pop("namespace", None)
    elif meta.setdefault("namespace", namespace) != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")


def check_name(obj: Object, wanted: str) -> None:
    """Raises BadRequest unless the object is the one that the request is about."""
    name = obj["metadata"].get("name", "")
    if not name:
        raise BadRequest(f"the name of the object ({wanted} based on URL) was undeterminable: name must be provided")
    if name != wanted:
        raise BadRequest(f"the name of the object ({name}) does not match the name on the URL ({wanted})")


def before_create(kind: Kind, obj: Object, *, now: str, uid: str) -> None:
    """Fills what the server sets, drops status, then raises Invalid unless the object is valid."""
    meta = obj["metadata"]
    meta["uid"], meta["creationTimestamp"], meta["generation"] = uid, now, 1
    if kind.status_subresource:
        obj.pop("status", None)
    _check_versioned(obj)
    _raise_invalid(kind, obj, _validate_type(kind, obj, None))
    _raise_invalid(kind, obj, _validate_object(kind, obj, None, validate_meta(meta, kind.namespaced), ""))


def before_update(kind: Kind, new: Object, old: Object, subresource: str = "") -> Object:
    """The object that is stored when `new` replaces `old` through this endpoint; raises Invalid unless it is valid."""
    _check_versioned(new)
    new = _keep_other_half(kind, new, old, subresource)
    meta, before = new["metadata"], old["metadata"]
    _restore_system_fields(meta, before)
    if _spec_of(kind, new) != _spec_of(kind, old):
        meta["generation"] = before.get("generation", 0) + 1
    found, again = validate_meta_update(meta, before, kind.namespaced)
    if faults := _validate_type(kind, new, old):
        _raise_invalid(kind, new, found + faults)
    _raise_invalid(kind, new, _validate_object(kind, new, old, found + again, subresource))
    return new


def _keep_other_half(kind: Kind, new: Object, old: Object, subresource: str) -> Object:
    """The main endpoint cannot touch status, /status nothing but status."""
    if subresource == "status":
        kept = {key: value for key, value in old.items() if key != "status"}
        kept["metadata"] = {**old["metadata"], "managedFields": new["metadata"].get("managedFields")}
        return {**kept, "status": new["status"]} if "status" in new else kept
    if kind.status_subresource:
        new = {key: value for key, value in new.items() if key != "status"}
        if "status" in old:
            new["status"] = old["status"]
    return new


def _restore_system_fields(meta: Object, before: Object) -> None:
    for field in ("generation", "creationTimestamp"):
        if field in before:
            meta[field] = before[field]
    meta["uid"] = meta.get("uid") or before["uid"]
    if before.get("deletionTimestamp"):
        meta["deletionTimestamp"] = before["deletionTimestamp"]
        meta.setdefault("deletionGracePeriodSeconds", before.get("deletionGracePeriodSeconds"))
    for field in ("selfLink", "managedFields"):
        if not meta.get(field):
            meta.pop(field, None)


def _spec_of(kind: Kind, obj: Object) -> Object:
    """Everything whose change counts as a new generation."""
    outside = ("metadata", "status") if kind.status_subresource else ("metadata",)
    return {key: value for key, value in obj.items() if key not in outside}


def _check_versioned(obj: Object) -> None:
    """Raises InternalError."""
    if not obj.get("apiVersion"):
        raise errors.InternalError(errors.NO_VERSION)


def _validate_type(kind: Kind, obj: Object, old: Object | None) -> list[FieldError]:
    """What makes the object one of another kind or version; of all else only lists are looked at then."""
    expected = (("kind", kind.kind), ("apiVersion", kind.api_version))
    found = [errors.invalid(key, obj.get(key), f"must be {name}") for key, name in expected if obj.get(key) != name]
    return found + _validate_lists(kind, obj, old) if found else []


def _validate_object(
    kind: Kind, obj: Object, old: Object | None, found: list[FieldError], subresource: str
) -> list[FieldError]:
    """`found` in metadata, then what the schema finds; the models' and the kind's own rules see only objects that are
    right so far."""
    found += _validate_status(kind, obj) if subresource == "status" else validate(obj, kind.schema)
    found += _validate_scale(kind, obj, subresource)
    found += _validate_lists(kind, obj, old)
    if not found:
        for name, model in (("spec", kind.spec), ("status", kind.status)):
            if model is not None and name in obj:
                found += validate_model(obj[name], model, name)
    if not found and kind.validate is not None:
        found += kind.validate(obj, old)
    return found


def _validate_status(kind: Kind, obj: Object) -> Iterator[FieldError]:
    """/status looks at nothing else, and its texts name members from there on."""
    if "status" in obj:
        schema = kind.schema.get("properties", {}).get("status", _ANYTHING)
        for fault in validate(obj["status"], schema):
            below = "" if fault.field in ("", NO_FIELD) else f".{fault.field}"
            yield replace(fault, field=f"status{below}")


def _validate_lists(kind: Kind, obj: Object, old: Object | None) -> list[FieldError]:
    """Lists that must not repeat; an object that is stored with a repetition may keep it."""
    found = validate_distinct(obj, kind.schema)
    return [] if found and old is not None and validate_distinct(old, kind.schema) else found


def _validate_scale(kind: Kind, obj: Object, subresource: str) -> Iterator[FieldError]:
    """What /scale reads must be there in the right types (apiextensions `customresource/validator.go`)."""
    if kind.scale is None:
        return
    if subresource != "status":
        yield from _validate_count(obj, kind.scale.spec_replicas)
    yield from _validate_count(obj, kind.scale.status_replicas)
    if kind.scale.selector:
        yield from _validate_selector(obj, kind.scale.selector)


def _validate_count(obj: Object, path: str) -> Iterator[FieldError]:
    value, fault = _read(obj, path, "int64")
    if fault:
        yield errors.invalid(path, 0, fault)
    elif value is not None and value < 0:
        yield errors.invalid(path, value, "should be a non-negative integer")
    elif value is not None and value > _MAX_INT32:
        yield errors.invalid(path, value, f"should be less than or equal to {_MAX_INT32}")


def _validate_selector(obj: Object, path: str) -> Iterator[FieldError]:
    _, fault = _read(obj, path, "string")
    if fault:
        yield errors.invalid(path, "", fault)


def _read(obj: Object, path: str, expected: str) -> tuple[Any, str]:
    """(the value at a path, None where there is none; why it cannot be had as Go's `expected`)."""
    keys = simple_keys(path)
    value: Any = obj
    for depth, key in enumerate(keys, 1):
        if value is None:
            return None, ""
        if not isinstance(value, dict):
            return None, _not_of(keys[:depth], value, "map[string]interface{}")
        if key not in value:
            return None, ""
        value = value[key]
    fits = isinstance(value, _GO_TYPES[expected]) and not isinstance(value, bool)
    return (value, "") if fits else (None, _not_of(keys, value, expected))


_GO_TYPES: dict[str, type] = {"int64": int, "string": str}


def _not_of(keys: Sequence[str], value: Any, expected: str) -> str:
    path = "".join(f".{key}" for key in keys)
    return f"{path} accessor error: {go_value(value)} is of the type {go_type(value)}, expected {expected}"


def _raise_invalid(kind: Kind, obj: Object, found: Sequence[FieldError]) -> None:
    """The error is about what the object says it is."""
    if found:
        group, _ = parse_group_version(obj["apiVersion"]) or ("", "")
        resource = Resource(group, kind.plural, obj.get("kind") or "")
        raise Invalid.of(resource, obj["metadata"].get("name", ""), found)


def check_preconditions(kind: Kind, obj: Object, options: DeleteOptions) -> None:
    """Raises Conflict when the object is not the one that the caller means."""
    meta = obj["metadata"]
    if options.uid is not None and options.uid != meta["uid"]:
        text = f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']}). "
        text += "The object might have been deleted and then recreated"
    elif options.resource_version is not None and options.resource_version != meta["resourceVersion"]:
        text = f"the ResourceVersion in the precondition ({options.resource_version}) does not match the "
        text += f"ResourceVersion in record ({meta['resourceVersion']}). The object might have been modified"
    else:
        return
    raise errors.Conflict.precondition(kind.resource, meta["name"], text)


def before_delete(obj: Object, options: DeleteOptions, *, now: str) -> Object | None:
    """None: delete at once. Else the object, marked as being deleted, that waits for its finalizers."""
    meta = dict(obj["metadata"])
    finalizers = deletion_finalizers(meta.get("finalizers") or [], options)
    if not finalizers:
        return None
    meta["finalizers"] = finalizers
    if not meta.get("deletionTimestamp"):
        meta["deletionTimestamp"] = now
        meta["generation"] = meta.get("generation", 0) + 1
    meta["deletionGracePeriodSeconds"] = 0
    return {**obj, "metadata": meta}


def deletion_finalizers(present: Sequence[str], options: DeleteOptions) -> list[str]:
    """The finalizers after the propagation policy is applied; without one, what was set before is kept."""
    wanted = _wanted_finalizers(present, options)
    return list(present) if set(wanted) == set(present) else wanted


def _wanted_finalizers(present: Sequence[str], options: DeleteOptions) -> list[str]:
    rest = [name for name in present if name not in ("orphan", "foregroundDeletion")]
    if options.orphan_dependents is not None:
        return [*rest, "orphan"] if options.orphan_dependents else rest
    match options.propagation_policy:
        case "Orphan":
            return [*rest, "orphan"]
        case "Foreground":
            return [*rest, "foregroundDeletion"]
        case "Background":
            return rest
    return list(present)


def is_finalized(obj: Object) -> bool:
    """Being deleted, and nothing holds it any more."""
    meta = obj["metadata"]
    return bool(meta.get("deletionTimestamp")) and not meta.get("finalizers")
