"""ObjectMeta's own rules, for every kind (apimachinery `pkg/api/validation/objectmeta.go`; wire.md 3.5)."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from apiserver.machinery import errors, names
from apiserver.machinery.errors import FieldError, Object
from apiserver.machinery.names import parse_group_version

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
    return [
        *_validate_namespace(meta, namespaced),
        *_validate_changeable(meta),
        *_validate_finalizers(meta.get("finalizers") or []),
        *_validate_managers(meta.get("managedFields") or []),
    ]


def _validate_changeable(meta: Object) -> list[FieldError]:
    return [
        *_validate_labels(meta.get("labels") or {}),
        *_validate_annotations(meta.get("annotations") or {}),
        *_validate_owners(meta.get("ownerReferences") or []),
    ]


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
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > ANNOTATIONS_LIMIT:
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


def validate_meta_update(new: Object, old: Object, namespaced: bool) -> list[FieldError]:
    """Field errors of changed metadata; what may change is checked as in a new object, and once more."""
    return [*_validate_common(new, namespaced), *validate_meta_change(new, old)]


def validate_meta_change(new: Object, old: Object) -> list[FieldError]:
    """What kube-apiserver lists twice: the generic registry checks it, and so does the resource's strategy."""
    managers = _validate_managers(new.get("managedFields") or [])
    return [*_validate_kept(new, old), *_validate_changeable(new), *managers]


def _validate_managers(entries: list[Object]) -> Iterator[FieldError]:
    """Only what a client may have written into entries that can be read, and no more than tells what is wrong."""
    return islice(_manager_faults(entries), _MOST_MANAGER_FAULTS)


def _manager_faults(entries: list[Object]) -> Iterator[FieldError]:
    for index, entry in enumerate(entries):
        field = f"metadata.managedFields[{index}]"
        yield from validate_manager(entry.get("manager", ""), f"{field}.manager")
        if len(entry.get("subresource", "").encode()) > _SUBRESOURCE_LIMIT:
            yield errors.too_long(f"{field}.subresource", _SUBRESOURCE_LIMIT)


def validate_manager(manager: str, field: str) -> Iterator[FieldError]:
    """Field errors of a field manager's name."""
    if len(manager.encode()) > MANAGER_LIMIT:
        yield errors.too_long(field, MANAGER_LIMIT)
    for index, char in enumerate("" if manager.isprintable() or len(manager) > _LONGEST_JUDGED else manager):
        if not char.isprintable():
            at = len(manager[:index].encode())
            yield errors.invalid(field, manager, f"invalid character U+{ord(char):04X} (at position {at})")


def _validate_kept(new: Object, old: Object) -> list[FieldError]:
    found = list(_validate_new_finalizers(new, old))
    if new.get("generation", 0) < old.get("generation", 0):
        found.append(errors.invalid("metadata.generation", new.get("generation", 0), "must not be decremented"))
    for field in ("name", "namespace", "uid"):
        found += _immutable(field, new.get(field, ""), old.get(field, ""))
    for field in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        found += _immutable(field, new.get(field), old.get(field))
    return found


def _immutable(field: str, new: Any, old: Any) -> list[FieldError]:
    return [] if new == old else [errors.invalid(f"metadata.{field}", new, "field is immutable")]


def _validate_new_finalizers(new: Object, old: Object) -> Iterator[FieldError]:
    before = frozenset(old.get("finalizers") or [])
    added = [name for name in new.get("finalizers") or [] if name not in before]
    if old.get("deletionTimestamp") and added:
        listed = "[]string{" + ", ".join(errors.quoted(name) for name in sorted(added)) + "}"
        text = "no new finalizers can be added if the object is being deleted, found new finalizers "
        yield errors.forbidden("metadata.finalizers", text + listed)


def finalizer_warnings(new: Object, old: Object) -> list[str]:
    """What is accepted of added finalizers, but not well done (apiextensions `customresource/strategy.go`)."""
    added = sorted(set(new.get("finalizers") or []) - set(old.get("finalizers") or []))
    return [
        f"metadata.finalizers: {errors.quoted(name)}: prefer a domain-qualified finalizer name "
        f"{'including a path (/) ' if '.' in name else ''}to avoid accidental conflicts with other finalizer writers"
        for name in added
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]
