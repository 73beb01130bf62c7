"""Query parameters of the verbs; answers were recorded from a kube-apiserver 1.36."""

from typing import Any
from urllib.parse import urlencode

import pytest

from apiserver.machinery import queryoptions
from apiserver.machinery.errors import APIError, BadRequest, Invalid, Object
from apiserver.machinery.queryoptions import delete_options, initial_events, integer, manager_of, write_query
from apiserver.machinery.request import Query, parse_query
from apiserver.machinery.strategy import DeleteOptions


def query(**parameters: str | list[str]) -> Query:
    return parse_query(urlencode(parameters, doseq=True).encode())


def create(options: Query, user_agent: str = "kubectl/v1.36") -> queryoptions.WriteQuery:
    return write_query(options, "CreateOptions", user_agent)


def message(error: APIError) -> str:
    return error.to_status()["message"]  # type: ignore[no-any-return]


def refused(options: Query, kind: str = "CreateOptions", *, apply: bool = False) -> str:
    with pytest.raises(Invalid) as caught:
        write_query(options, kind, "x", apply=apply)
    status = caught.value.to_status()
    assert (status["details"]["group"], status["details"]["kind"]) == ("meta.k8s.io", kind)
    return message(caught.value)


def test_defaults() -> None:
    """Nothing asked for: not a dry run, the program is the manager, unknown fields are warned of."""
    assert create({}) == queryoptions.WriteQuery(False, "kubectl", "Warn", False)


def test_everything() -> None:
    """What is asked for is passed on."""
    asked = query(dryRun="All", fieldManager="me", fieldValidation="Strict", force="true")

    assert write_query(asked, "PatchOptions", "x", apply=True) == queryoptions.WriteQuery(True, "me", "Strict", True)


@pytest.mark.parametrize(
    ("values", "shown"), [(["Some"], '["Some"]'), ([""], '[""]'), (["All", "x"], '["All","x"]')], ids=str
)
def test_dry_run(values: list[str], shown: str) -> None:
    """Only All is known; the whole list is shown."""
    assert refused(query(dryRun=values)) == (
        f'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: {shown}: supported values: "All"'
    )


def test_field_validation() -> None:
    """Empty is the default; anything but the three words is refused."""
    assert create(query(fieldValidation="")).field_validation == "Warn"
    assert refused(query(fieldValidation="Sometimes")) == (
        'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Sometimes": '
        'supported values: "", "Ignore", "Strict", "Warn"'
    )


def test_field_manager() -> None:
    """Every character that is not printable is named with its position in bytes."""
    assert refused(query(fieldManager="ä\ab\u200b")) == (
        'CreateOptions.meta.k8s.io "" is invalid: ['
        'fieldManager: Invalid value: "ä\\ab\\u200b": invalid character U+0007 (at position 2), '
        'fieldManager: Invalid value: "ä\\ab\\u200b": invalid character U+200B (at position 4)]'
    )


def test_long_field_manager() -> None:
    """128 bytes are the limit."""
    assert create(query(fieldManager="x" * 128)).field_manager == "x" * 128
    assert refused(query(fieldManager="ä" * 65)) == (
        'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes'
    )


def test_order_of_faults() -> None:
    """Manager, dry run, field validation."""
    text = refused(query(fieldManager="x" * 129, dryRun="z", fieldValidation="x"))

    assert text == (
        'CreateOptions.meta.k8s.io "" is invalid: [fieldManager: Too long: may not be more than 128 bytes, '
        'dryRun: Unsupported value: ["z"]: supported values: "All", '
        'fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"]'
    )


def test_force_is_for_apply() -> None:
    """Other patches cannot be forced, not even with false."""
    expected = 'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch'

    assert refused(query(force="true"), "PatchOptions") == expected
    assert refused(query(force="false"), "PatchOptions") == expected
    assert not write_query(query(force="false", fieldManager="m"), "PatchOptions", "x", apply=True).force


def test_apply_needs_a_manager() -> None:
    """The program's name will not do."""
    assert refused({}, "PatchOptions", apply=True) == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


@pytest.mark.parametrize(
    ("user_agent", "manager"),
    [
        ("kubectl/v1.36 (linux/amd64)", "kubectl"),
        ("Mozilla", "Mozilla"),
        ("a\u0007b/1", "ab"),
        ("x" * 200, "x" * 128),
        ("x" * 127 + "ä", "x" * 127),
        ("", "unknown"),
        ("/1", "unknown"),
    ],
)
def test_manager_of_a_program(user_agent: str, manager: str) -> None:
    """The user agent up to the first slash, printable, at most 128 bytes."""
    assert manager_of(user_agent) == manager


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("-5", -5), ("+1", 1), ("-0", 0), ("+00", 0), (str(2**63 - 1), 2**63 - 1)]
)
def test_integer(text: str, value: int) -> None:
    """Go's ParseInt."""
    assert integer(query(limit=text), "limit") == value


def test_integer_that_is_absent() -> None:
    """Absent is not zero."""
    assert integer({}, "limit") is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        *((text, "invalid syntax") for text in ("x", "", "1.5", "1_0", "-", "٣", " 1")),
        *((text, "value out of range") for text in ("9999999999999999999", "-9223372036854775809")),
    ],
)
def test_bad_integer(text: str, fault: str) -> None:
    """What is no 64-bit integer is refused in Go's words."""
    with pytest.raises(BadRequest) as caught:
        integer(query(limit=text), "limit")

    assert caught.value.message == f'strconv.ParseInt: parsing "{text}": {fault}'


FIELD = "resourceVersionMatch: "
LIST_FAULTS: list[tuple[dict[str, str], list[str]]] = [
    (
        {"resourceVersionMatch": "x"},
        [
            FIELD + "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            FIELD + 'Unsupported value: "x": supported values: "Exact", "NotOlderThan", ""',
        ],
    ),
    (
        {"resourceVersionMatch": "Exact", "continue": "a", "sendInitialEvents": "true"},
        [
            FIELD + "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
            FIELD + "Forbidden: resourceVersionMatch is forbidden when continue is provided",
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list",
        ],
    ),
    (
        {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
        [FIELD + 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'],
    ),
    ({"sendInitialEvents": "false"}, ["sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"]),
]


def list_options_refused(faults: list[str]) -> str:
    return 'ListOptions.meta.k8s.io "" is invalid: ' + (faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]")


@pytest.mark.parametrize(("parameters", "faults"), LIST_FAULTS, ids=str)
def test_list_options(parameters: dict[str, str], faults: list[str]) -> None:
    """A list refuses combinations that make no sense, all faults at once."""
    with pytest.raises(Invalid) as caught:
        queryoptions.check_list(query(**parameters))

    assert message(caught.value) == list_options_refused(faults)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"resourceVersion": "0"},
        {"resourceVersion": "5", "resourceVersionMatch": "Exact"},
        {"resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"},
        {"continue": "x", "limit": "1"},
    ],
)
def test_accepted_list_options(parameters: dict[str, str]) -> None:
    """Combinations with a meaning pass."""
    queryoptions.check_list(query(**parameters))


WATCH_FAULTS: list[tuple[dict[str, str], list[str]]] = [
    (
        {"sendInitialEvents": "true"},
        [FIELD + "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"],
    ),
    (
        {"sendInitialEvents": ""},
        [FIELD + "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"],
    ),
    (
        {"sendInitialEvents": "true", "resourceVersionMatch": "Exact", "resourceVersion": "1"},
        [
            FIELD + "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            FIELD + 'Unsupported value: "Exact": supported values: "NotOlderThan"',
        ],
    ),
    (
        {"resourceVersionMatch": "NotOlderThan"},
        [FIELD + "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"],
    ),
    (
        {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan", "continue": "x"},
        [FIELD + "Forbidden: resourceVersionMatch is forbidden when continue is provided"],
    ),
    ({"continue": "x"}, [FIELD + "Forbidden: resourceVersionMatch is forbidden when continue is provided"]),
]


@pytest.mark.parametrize(("parameters", "faults"), WATCH_FAULTS, ids=str)
def test_watch_options(parameters: dict[str, str], faults: list[str]) -> None:
    """A watch refuses its own combinations."""
    with pytest.raises(Invalid) as caught:
        initial_events(query(**parameters))

    assert message(caught.value) == list_options_refused(faults)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, True),
        ({"resourceVersion": ""}, True),
        ({"resourceVersion": "0"}, True),
        ({"resourceVersion": "5"}, None),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "resourceVersion": "5"}, True),
        ({"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}, False),
    ],
)
def test_initial_events(parameters: dict[str, str], expected: bool | None) -> None:
    """Without a revision to start from, the server itself asks for the initial events."""
    assert initial_events(query(**parameters)) is expected


@pytest.mark.parametrize("export", ["", "1", "true", "x"])
def test_no_export(export: str) -> None:
    """What was exported once can no longer be."""
    with pytest.raises(BadRequest, match="the export parameter"):
        queryoptions.check_get(query(export=export))
    queryoptions.check_get(query(export="false"))


def test_delete_options_of_the_query() -> None:
    """Without a body the query counts."""
    assert delete_options({}, None) == DeleteOptions()
    assert delete_options(query(propagationPolicy="Orphan", dryRun="All"), None) == DeleteOptions(
        propagation_policy="Orphan", dry_run=True
    )
    assert delete_options(query(orphanDependents="false"), None) == DeleteOptions(orphan_dependents=False)
    assert delete_options(query(uid="u", resourceVersion="1"), None) == DeleteOptions("u", "1")
    assert delete_options(query(uid="", resourceVersion=""), None) == DeleteOptions()


def test_delete_options_of_the_body() -> None:
    """A body replaces the query as a whole; unknown members are ignored."""
    asked: Object = {"preconditions": {"uid": "u", "resourceVersion": "1"}, "foo": 1, "gracePeriodSeconds": 0}

    assert delete_options(query(dryRun="All"), asked) == DeleteOptions("u", "1")
    assert delete_options(query(dryRun="x", propagationPolicy="y"), {"dryRun": ["All"]}) == DeleteOptions(dry_run=True)


POLICY = "propagationPolicy: "
POLICIES = 'supported values: "Foreground", "Background", "Orphan", "nil"'
DELETE_FAULTS: list[tuple[Object, list[str]]] = [
    ({"propagationPolicy": "Sideways"}, [POLICY + f'Unsupported value: "Sideways": {POLICIES}']),
    ({"propagationPolicy": ""}, [POLICY + f'Unsupported value: "": {POLICIES}']),
    (
        {"propagationPolicy": "Background", "orphanDependents": True},
        [POLICY + 'Invalid value: "Background": orphanDependents and deletionPropagation cannot be both set'],
    ),
    (
        {"propagationPolicy": "X", "orphanDependents": True, "dryRun": ["z"]},
        [
            POLICY + 'Invalid value: "X": orphanDependents and deletionPropagation cannot be both set',
            POLICY + f'Unsupported value: "X": {POLICIES}',
            'dryRun: Unsupported value: ["z"]: supported values: "All"',
        ],
    ),
]


@pytest.mark.parametrize(("options", "faults"), DELETE_FAULTS, ids=str)
def test_refused_delete_options(options: Object, faults: list[str]) -> None:
    """Faults of DeleteOptions, in the recorded order."""
    with pytest.raises(Invalid) as caught:
        delete_options({}, options)

    assert message(caught.value) == list_options_refused(faults).replace("ListOptions", "DeleteOptions")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"preconditions": "x"}, "string into Go struct field DeleteOptions.preconditions of type v1.Preconditions"),
        (
            {"preconditions": {"uid": 5}},
            "number into Go struct field Preconditions.preconditions.uid of type types.UID",
        ),
        ({"dryRun": "All"}, "string into Go struct field DeleteOptions.dryRun of type []string"),
        (
            {"propagationPolicy": 5},
            "number into Go struct field DeleteOptions.propagationPolicy of type v1.DeletionPropagation",
        ),
        ({"orphanDependents": "x"}, "string into Go struct field DeleteOptions.orphanDependents of type bool"),
        ({"gracePeriodSeconds": "x"}, "string into Go struct field DeleteOptions.gracePeriodSeconds of type int64"),
        (
            {"gracePeriodSeconds": 2**63},
            "number 9223372036854775808 into Go struct field DeleteOptions.gracePeriodSeconds of type int64",
        ),
    ],
)
def test_wrong_types_in_delete_options(options: dict[str, Any], text: str) -> None:
    """A body of the wrong type is a 400 in the words of Go's decoder."""
    with pytest.raises(BadRequest) as caught:
        delete_options({}, options)

    assert caught.value.message == f"json: cannot unmarshal {text}"


def test_bad_grace_period_in_the_query() -> None:
    """The grace period means nothing here, but has to be a number."""
    with pytest.raises(BadRequest, match='parsing "x": invalid syntax'):
        delete_options(query(gracePeriodSeconds="x"), None)
