"""Rules for names, label keys and label values (apimachinery `util/validation`; wire.md 3.5).

Every function returns the faults as the messages that clients know, none when the value is fine.
"""

import re
from collections.abc import Sequence

from apiserver.machinery.remember import remembered

_WORD = "[A-Za-z0-9]"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME_PART = f"({_WORD}[-A-Za-z0-9_.]*)?{_WORD}"
_LABEL_VALUE = f"({_NAME_PART})?"

_ENDS = "and must start and end with an alphanumeric character"
_NAME_PART_RULE = (
    f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS} (e.g. 'MyName',  or 'my.name',  "
    f"or '123-abc', regex used for validation is '{_NAME_PART}')"
)
_KEY_RULE = (
    f"a valid label key {_NAME_PART_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_LABEL_VALUE_RULE = (
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_LABEL_VALUE}')"
)
_SUBDOMAIN_RULE = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS} "
    f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_RULE = (
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS} "
    f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)

_MATCH_SUBDOMAIN = re.compile(_SUBDOMAIN).fullmatch
_MATCH_LABEL = re.compile(_LABEL).fullmatch
_MATCH_NAME_PART = re.compile(_NAME_PART).fullmatch
_MATCH_LABEL_VALUE = re.compile(_LABEL_VALUE).fullmatch


def _longer_than(value: str, limit: int, unit: str) -> list[str]:
    return [f"must be no more than {limit} {unit}"] if len(value.encode()) > limit else []


def path_segment_faults(value: str) -> list[str]:
    """What speaks against it in a path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value] if "/" in value or "%" in value else []


def is_dns1123_subdomain(value: str) -> list[str]:
    faults = _longer_than(value, 253, "characters")
    return faults if _MATCH_SUBDOMAIN(value) else [*faults, _SUBDOMAIN_RULE]


@remembered(1024, longest=64)
def is_dns1123_label(value: str) -> Sequence[str]:
    faults = _longer_than(value, 63, "characters")
    if _MATCH_LABEL(value):
        return faults
    return [*faults, "must not contain dots" if _MATCH_SUBDOMAIN(value) else _LABEL_RULE]


def is_label_value(value: str) -> list[str]:
    faults = _longer_than(value, 63, "bytes")
    return faults if _MATCH_LABEL_VALUE(value) else [*faults, _LABEL_VALUE_RULE]


@remembered(4096, longest=256)
def is_qualified_name(value: str) -> Sequence[str]:
    """A label key, annotation key or finalizer: an optional DNS subdomain and a slash, then a name."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return [_KEY_RULE]
    faults = [f"prefix part {fault}" for fault in _prefix_faults(prefix)] if slash else []
    return faults + [f"name part {fault}" for fault in _name_faults(name)]


def _prefix_faults(prefix: str) -> list[str]:
    if not prefix:
        return ["must be non-empty"]
    faults = _longer_than(prefix, 253, "bytes")
    return faults if _MATCH_SUBDOMAIN(prefix) else [*faults, _SUBDOMAIN_RULE]


def _name_faults(name: str) -> list[str]:
    faults = _longer_than(name, 63, "bytes") if name else ["must be non-empty"]
    return faults if _MATCH_NAME_PART(name) else [*faults, _NAME_PART_RULE]


@remembered(1024, longest=256)
def parse_group_version(api_version: str) -> tuple[str, str] | None:
    """(group, version); a bare version is of the core group. None for what has several slashes."""
    if api_version in ("", "/"):
        return "", ""
    group, slash, version = api_version.partition("/")
    if "/" in version:
        return None
    return (group, version) if slash else ("", group)
