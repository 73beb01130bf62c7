"""Which part of a kind's objects a read is about: selectors, revision and page (wire.md 3.12)."""

from dataclasses import dataclass, replace

from apiserver.machinery import continuation, errors, names
from apiserver.machinery.errors import APIError, Object
from apiserver.machinery.selectors import FieldSelector, LabelSelector
from apiserver.registry.item import Matches
from apiserver.registry.options import ListOptions

# One more than the largest number has: who asks for more is out of range.
_DIGITS = 21


def matcher(labels: LabelSelector | None, fields: FieldSelector | None, *, keep: bool = False) -> Matches | None:
    """One predicate for both selectors; None when everything matches. `keep`: the fields that it looks at stay with an
    item, for others that will look at it."""
    if not fields:
        return (lambda item: labels.matches(item.labels)) if labels else None
    selects = _selecting(fields, keep)
    return (lambda item: labels.matches(item.labels) and selects(item)) if labels else selects


def _selecting(fields: FieldSelector, keep: bool) -> Matches:
    if keep:
        return lambda item: fields.matches_known(item.fields, item.decoded)
    return lambda item: fields.matches(item.decoded())


def narrowed(namespace: str, fields: FieldSelector | None) -> str:
    """The namespace to read: a list across namespaces that selects one reads just that."""
    return namespace or (fields and fields.exact("metadata.namespace")) or ""


def check_name(name: str) -> None:
    """Raises BadRequest for a name that cannot stand in a path."""
    if faults := names.path_segment_faults(name):
        raise errors.BadRequest(f"Name parameter invalid: {errors.quoted(name)}: {';'.join(faults)}")


def check_unversioned(meta: Object) -> None:
    """Raises Plain for an object to be created that names a revision; what is no number is overlooked."""
    version = meta.get("resourceVersion", "")
    if version.isascii() and version.isdigit() and version.strip("0"):
        raise errors.Plain("resourceVersion should not be set on objects to be created")


def parse_uint(text: str) -> int:
    """A resourceVersion that an object carries; "" is 0. Raises Plain in Go's words."""
    if fault := _uint_fault(text or "0"):
        raise errors.Plain(fault)
    return int(text.lstrip("0") or "0")


def parse_resource_version(text: str, error: type[APIError], prefix: str = "") -> int:
    """The revision in a resourceVersion; raises `error` in Go's words where it is no unsigned integer."""
    if fault := _uint_fault(text):
        raise error(f"{prefix}resourceVersion: Invalid value: {errors.quoted(text)}: {fault}")
    return int(text.lstrip("0") or "0")


def _uint_fault(text: str) -> str:
    if not (text.isascii() and text.isdigit()):
        return f"strconv.ParseUint: parsing {errors.quoted(text)}: invalid syntax"
    if int(text.lstrip("0")[:_DIGITS] or "0") >= 2**64:
        return f"strconv.ParseUint: parsing {errors.quoted(text)}: value out of range"
    return ""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a list reads: from `start` (relative key), at exactly `revision` (0: not fixed), not older than `oldest`
    (None: the most recent state), at most `limit` objects (0: all)."""

    start: str = ""
    revision: int = 0
    oldest: int | None = None
    limit: int = 0


def as_page(options: ListOptions) -> ListOptions:
    """What a deletion of many reads: kube-apiserver reads pages of 10,000, and so exactly a revision that is named."""
    if _is_single(options) or options.limit or options.resource_version_match or options.resource_version in ("", "0"):
        return options
    return replace(options, resource_version_match="Exact")


def _is_single(options: ListOptions) -> bool:
    """Within a namespace there may be one object at the most."""
    return bool(options.field_selector and options.field_selector.exact("metadata.name")) and not options.continue_


def position(options: ListOptions, across_namespaces: bool = False) -> Position:
    """Raises BadRequest for a bad token or resourceVersion."""
    # The one object there may be is no page.
    limit = 0 if _is_single(options) and not across_namespaces else max(options.limit, 0)
    if options.continue_:
        token = continuation.decode_continue(options.continue_)
        if options.resource_version not in ("", "0"):
            raise errors.BadRequest("specifying resource version is not allowed when using continue")
        # What may come from the cache comes whole.
        limit = 0 if options.resource_version else limit
        return Position(token.start, max(token.revision, 0), None, limit)
    if not options.resource_version:
        return Position(limit=limit)
    revision = parse_resource_version(options.resource_version, errors.BadRequest, "invalid resource version: ")
    exact = options.resource_version_match == "Exact"
    # A revision with a limit and no match means exactly that revision, for the sake of old clients.
    if exact or (limit and revision and not options.resource_version_match):
        return Position(revision=revision, limit=limit)
    return Position(oldest=revision, limit=limit if revision else 0)
