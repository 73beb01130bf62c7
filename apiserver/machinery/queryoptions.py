"""Query parameters of the verbs, checked as meta/v1's option types are (wire.md 3.2, 3.9, 3.12, 3.13)."""

from dataclasses import dataclass

from apiserver.machinery import errors
from apiserver.machinery.errors import BadRequest, FieldError, Invalid, Object, Resource
from apiserver.machinery.gojson import utf8_text
from apiserver.machinery.remember import remembered
from apiserver.machinery.request import Query, first, truthy
from apiserver.machinery.strategy import DeleteOptions
from apiserver.machinery.unmarshal import delete_options_fault
from apiserver.machinery.validation import MANAGER_LIMIT, validate_manager

_META_GROUP = "meta.k8s.io"
_POLICIES = ("Foreground", "Background", "Orphan")
_DIGITS = 21


def _refuse(options_kind: str, found: list[FieldError]) -> None:
    if found:
        raise Invalid.of(Resource(_META_GROUP, "", options_kind), "", found)


@dataclass(frozen=True, slots=True)
class WriteQuery:
    """What a create, update or patch asks for beside its body."""

    dry_run: bool
    field_manager: str
    field_validation: str
    force: bool

    @property
    def checked(self) -> bool:
        """Is the body decoded strictly?"""
        return self.field_validation != "Ignore"


def write_query(query: Query, options_kind: str, user_agent: str, *, apply: bool = False) -> WriteQuery:
    """`options_kind` is CreateOptions, UpdateOptions or PatchOptions. Raises Invalid with that kind."""
    found = _check_force(query, options_kind, apply)
    manager = first(query, "fieldManager")
    if apply and not manager:
        found.append(errors.required("fieldManager", "is required for apply patch"))
    found += validate_manager(manager, "fieldManager")
    found += _check_dry_run(query)
    validation = first(query, "fieldValidation")
    if validation not in ("", "Ignore", "Strict", "Warn"):
        found.append(errors.not_supported("fieldValidation", validation, ("", "Ignore", "Strict", "Warn")))
    _refuse(options_kind, found)
    manager = manager or manager_of(user_agent)
    return WriteQuery("dryRun" in query, manager, validation or "Warn", truthy(query, "force"))


def _check_force(query: Query, options_kind: str, apply: bool) -> list[FieldError]:
    if options_kind == "PatchOptions" and not apply and "force" in query:
        return [errors.forbidden("force", "may not be specified for non-apply patch")]
    return []


def _check_dry_run(query: Query) -> list[FieldError]:
    values = query.get("dryRun", [])
    return [] if all(value == "All" for value in values) else [errors.not_supported("dryRun", values, ("All",))]


@remembered(1024, longest=1024)
def manager_of(user_agent: str) -> str:
    """A request without fieldManager is its program's: the user agent, which came as bytes in Latin-1's letters, up to
    the first slash."""
    text = utf8_text(user_agent.partition("/")[0].encode("latin-1"))
    return "".join(filter(str.isprintable, text)).encode()[:MANAGER_LIMIT].decode("utf-8", "ignore") or "unknown"


def integer(query: Query, key: str) -> int | None:
    """Raises BadRequest in Go's words."""
    if key not in query:
        return None
    text = query[key][0]
    sign, digits = (text[0], text[1:]) if text[:1] in ("+", "-") else ("", text)
    if not (digits.isascii() and digits.isdigit()):
        raise BadRequest(f"strconv.ParseInt: parsing {errors.quoted(text)}: invalid syntax")
    # Python refuses to read endless numbers; so many digits are out of range already.
    value = int(sign + (digits.lstrip("0")[:_DIGITS] or "0"))
    if not -(2**63) <= value < 2**63:
        raise BadRequest(f"strconv.ParseInt: parsing {errors.quoted(text)}: value out of range")
    return value


def check_get(query: Query) -> None:
    """Raises BadRequest for an option that is no more."""
    if truthy(query, "export"):
        raise BadRequest("the export parameter, deprecated since v1.14, is no longer supported")


def check_list(query: Query) -> None:
    """What a list refuses, time limits included, which it has no use for. Raises BadRequest, Invalid (ListOptions)."""
    integer(query, "timeoutSeconds")
    found = []
    match, version = first(query, "resourceVersionMatch"), first(query, "resourceVersion")
    if match:
        found += _check_match(query, match, version)
    if "sendInitialEvents" in query:
        found.append(errors.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    _refuse("ListOptions", found)


def _check_match(query: Query, match: str, version: str) -> list[FieldError]:
    found = []
    field = "resourceVersionMatch"
    if not version:
        found.append(errors.forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
    if first(query, "continue"):
        found.append(errors.forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
    if match not in ("Exact", "NotOlderThan"):
        found.append(errors.not_supported(field, match, ("Exact", "NotOlderThan", "")))
    elif match == "Exact" and version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        found.append(errors.forbidden(field, text))
    return found


def initial_events(query: Query) -> bool | None:
    """A watch's sendInitialEvents, with the server's own default (wire.md 0.1 item 13). Raises Invalid."""
    found, field = [], "resourceVersionMatch"
    match = first(query, field)
    asked = truthy(query, "sendInitialEvents") if "sendInitialEvents" in query else None
    if asked is None and not match and first(query, "resourceVersion") in ("", "0"):
        asked, match = True, "NotOlderThan"
    if asked is not None and match != "NotOlderThan":
        found.append(errors.forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if asked is None and match:
        text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        found.append(errors.forbidden(field, text))
    if match and match != "NotOlderThan":
        found.append(errors.not_supported(field, match, ("NotOlderThan",)))
    if match and first(query, "continue"):
        found.append(errors.forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
    _refuse("ListOptions", found)
    return asked


def delete_options(query: Query, body: Object | None) -> DeleteOptions:
    """A body replaces the query as a whole. Raises Invalid (DeleteOptions), BadRequest."""
    options = _query_as_body(query) if body is None else body
    fault = delete_options_fault(options)
    if fault:
        raise BadRequest(fault)
    policy, orphan = options.get("propagationPolicy"), options.get("orphanDependents")
    found = []
    if policy is not None and orphan is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        found.append(errors.invalid("propagationPolicy", policy, text))
    if policy not in (None, *_POLICIES):
        found.append(errors.not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    dry_run = [value or "" for value in options.get("dryRun") or []]
    found += _check_dry_run({"dryRun": dry_run})
    _refuse("DeleteOptions", found)
    conditions = options.get("preconditions") or {}
    return DeleteOptions(
        conditions.get("uid"), conditions.get("resourceVersion"), policy or "", orphan, dry_run=bool(dry_run)
    )


def _query_as_body(query: Query) -> Object:
    integer(query, "gracePeriodSeconds")
    options: Object = {"dryRun": query.get("dryRun", [])}
    options["preconditions"] = {key: query[key][0] for key in ("uid", "resourceVersion") if first(query, key)}
    if "propagationPolicy" in query:
        options["propagationPolicy"] = first(query, "propagationPolicy")
    if "orphanDependents" in query:
        options["orphanDependents"] = truthy(query, "orphanDependents")
    return options
