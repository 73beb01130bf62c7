"""ObjectMeta's own rules, for every kind (apimachinery `pkg/api/validation/objectmeta.go`; wire.md 3.5)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson

from apiserver.machinery import errors, names
from apiserver.machinery.errors import FieldError, Object
from apiserver.machinery.names import parse_group_version

Check = Callable[[Any], Iterable[FieldError]]
"""Of a member of metadata that is not empty."""
_STANDARD_FINALIZERS = frozenset(("orphan", "foregroundDeletion", "kubernetes"))
_OWNER = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
ANNOTATIONS_LIMIT = 256 * 1024
MANAGER_LIMIT = 128
"""Bytes of a field manager's name."""
_MOST_CONTROLLERS = 10
"""So many too many are told of: each time all owners are."""
_LONGEST_JUDGED = 1024
"""Characters of a field manager's name that are looked at one by one: of each wrong one the whole name is told."""
_MOST_MANAGER_FAULTS = 100
_SUBRESOURCE_LIMIT = 256


def validate_meta(meta: Object, namespaced: bool) -> list[FieldError]:
    """Field errors of a new object's metadata."""
    return [*_validate_name(meta), *_validate_common(meta, namespaced)]


def _validate_common(meta: Object, namespaced: bool) -> list[FieldError]:
    """What is checked of a new object and again of a changed one."""
    return [*_validate_namespace(meta, namespaced), *_validate_members(meta, _COMMON)]


def _validate_members(meta: Object, checks: Sequence[tuple[str, Check]]) -> list[FieldError]:
    return [fault for key, check in checks if meta.get(key) for fault in check(meta[key])]


def _validate_name(meta: Object) -> Iterator[FieldError]:
    generate, name = meta.get("generateName", ""), meta.get("name", "")
    if generate:
        # A trailing dash is fine: random characters follow it.
        masked = generate[:-1] + "a" if generate.endswith("-") else generate
        for text in names.is_dns1123_subdomain(masked):
            yield errors.invalid("metadata.generateName", generate, text)
    if not name:
        yield errors.required("metadata.name", "name or generateName is required")
    else:
        for text in names.is_dns1123_subdomain(name):
            yield errors.invalid("metadata.name", name, text)


def _validate_namespace(meta: Object, namespaced: bool) -> Iterator[FieldError]:
    namespace = meta.get("namespace", "")
    if not namespaced:
        if namespace:
            yield errors.forbidden("metadata.namespace", "not allowed on this type")
    elif not namespace:
        yield errors.required("metadata.namespace")
    else:
        for text in names.is_dns1123_label(namespace):
            yield errors.invalid("metadata.namespace", namespace, text)


def _validate_labels(labels: Object) -> Iterator[FieldError]:
    for key, value in labels.items():
        for text in names.is_qualified_name(key):
            yield errors.invalid("metadata.labels", key, text)
        for text in names.is_label_value(value):
            yield errors.invalid("metadata.labels", value, text)


def _validate_annotations(annotations: Object) -> Iterator[FieldError]:
    for key in annotations:
        for text in names.is_qualified_name(key.lower()):
            yield errors.invalid("metadata.annotations", key, text)
    if len("".join((*annotations, *annotations.values())).encode()) > ANNOTATIONS_LIMIT:
        yield errors.too_long("metadata.annotations", ANNOTATIONS_LIMIT)


def _validate_owners(owners: list[Object]) -> Iterator[FieldError]:
    field = "metadata.ownerReferences"
    controllers: list[str] = []
    for owner in owners:
        api_version, kind = owner.get("apiVersion", ""), owner.get("kind", "")
        group_version = parse_group_version(api_version) or ("", "")
        if not group_version[1]:
            yield errors.invalid(f"{field}.apiVersion", api_version, "version must not be empty")
        for member in ("kind", "name", "uid"):
            if not owner.get(member):
                yield errors.invalid(f"{field}.{member}", owner.get(member, ""), "must not be empty")
        if (*group_version, kind) == ("", "v1", "Event"):
            yield errors.invalid(field, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller") and len(controllers) <= _MOST_CONTROLLERS:
            controllers.append(f"{kind}/{owner.get('name', '')}")
            if len(controllers) > 1:
                text = f'Found "true" in references for {controllers[0]} and {controllers[-1]}'
                shown = orjson.dumps([{key: each[key] for key in _OWNER if key in each} for each in owners]).decode()
                body = f"Invalid value: {shown}: Only one reference can have Controller set to true. {text}"
                yield FieldError("FieldValueInvalid", field, body)


def _validate_finalizers(finalizers: list[str]) -> Iterator[FieldError]:
    for finalizer in finalizers:
        for text in names.is_qualified_name(finalizer):
            yield errors.invalid("metadata.finalizers", finalizer, text)
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        yield errors.invalid("metadata.finalizers", finalizers, text)


def validate_meta_update(new: Object, old: Object, namespaced: bool) -> tuple[list[FieldError], list[FieldError]]:
    """Field errors of changed metadata, and those of them that kube-apiserver lists once more: the generic registry
    checks a change, and so does the resource's strategy."""
    common = _validate_common(new, namespaced)
    change = [*_validate_kept(new, old), *(_validate_members(new, _CHANGED) if common else ())]
    return common + change, change


def _validate_managers(entries: list[Object]) -> Iterator[FieldError]:
    """Only what a client may have written into entries that can be read, and no more than tells what is wrong."""
    return islice(_manager_faults(entries), _MOST_MANAGER_FAULTS)


def _manager_faults(entries: list[Object]) -> Iterator[FieldError]:
    for index, entry in enumerate(entries):
        manager, subresource = entry.get("manager", ""), entry.get("subresource", "")
        if not (manager.isprintable() and len(manager.encode()) <= MANAGER_LIMIT):
            yield from validate_manager(manager, f"metadata.managedFields[{index}].manager")
        if len(subresource.encode()) > _SUBRESOURCE_LIMIT:
            yield errors.too_long(f"metadata.managedFields[{index}].subresource", _SUBRESOURCE_LIMIT)


def validate_manager(manager: str, field: str) -> Iterator[FieldError]:
    """Field errors of a field manager's name."""
    if len(manager.encode()) > MANAGER_LIMIT:
        yield errors.too_long(field, MANAGER_LIMIT)
    for index, char in enumerate("" if manager.isprintable() or len(manager) > _LONGEST_JUDGED else manager):
        if not char.isprintable():
            at = len(manager[:index].encode())
            yield errors.invalid(field, manager, f"invalid character U+{ord(char):04X} (at position {at})")


_LABELS: tuple[str, Check] = ("labels", _validate_labels)
_ANNOTATIONS: tuple[str, Check] = ("annotations", _validate_annotations)
_OWNERS: tuple[str, Check] = ("ownerReferences", _validate_owners)
_FINALIZERS: tuple[str, Check] = ("finalizers", _validate_finalizers)
_MANAGERS: tuple[str, Check] = ("managedFields", _validate_managers)
_COMMON = (_LABELS, _ANNOTATIONS, _OWNERS, _FINALIZERS, _MANAGERS)
_CHANGED = (_LABELS, _ANNOTATIONS, _OWNERS, _MANAGERS)
_KEPT = {
    **dict.fromkeys(("name", "namespace", "uid"), ""),
    **dict.fromkeys(("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")),
}
"""What never changes, and its value where it is absent."""


def _validate_kept(new: Object, old: Object) -> list[FieldError]:
    found = _validate_new_finalizers(new, old) if old.get("deletionTimestamp") else []
    if new.get("generation", 0) < old.get("generation", 0):
        found.append(errors.invalid("metadata.generation", new.get("generation", 0), "must not be decremented"))
    for field, absent in _KEPT.items():
        if new.get(field, absent) != old.get(field, absent):
            found.append(errors.invalid(f"metadata.{field}", new.get(field, absent), "field is immutable"))
    return found


def _validate_new_finalizers(new: Object, old: Object) -> list[FieldError]:
    """Of an object that is being deleted."""
    before = frozenset(old.get("finalizers") or [])
    added = [name for name in new.get("finalizers") or [] if name not in before]
    if not added:
        return []
    listed = "[]string{" + ", ".join(errors.quoted(name) for name in sorted(added)) + "}"
    text = "no new finalizers can be added if the object is being deleted, found new finalizers "
    return [errors.forbidden("metadata.finalizers", text + listed)]


def finalizer_warnings(new: Object, old: Object) -> list[str]:
    """What is accepted of added finalizers, but not well done (apiextensions `customresource/strategy.go`)."""
    if not new.get("finalizers"):
        return []
    added = sorted(set(new["finalizers"]) - set(old.get("finalizers") or []))
    return [
        f"metadata.finalizers: {errors.quoted(name)}: prefer a domain-qualified finalizer name "
        f"{'including a path (/) ' if '.' in name else ''}to avoid accidental conflicts with other finalizer writers"
        for name in added
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]
