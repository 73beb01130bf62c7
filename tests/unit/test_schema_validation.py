"""Validation with a structural schema.

Texts and their order were recorded from a kube-apiserver 1.36 that serves the schema SPEC as a custom resource.
"""

from typing import Any

import pytest

from apiserver.machinery.errors import Object
from apiserver.machinery.pruning import prune
from apiserver.machinery.schema import INT_OR_STRING
from apiserver.machinery.schemacheck import is_date_time, validate, validate_distinct

SPEC: Object = {
    "type": "object",
    "required": ["enum"],
    "properties": {
        "enum": {"type": "string", "enum": ["a", "b"]},
        "num": {"type": "integer", "enum": [1, 2]},
        "tags": {
            "type": "array",
            "items": {"type": "string"},
            "x-kubernetes-list-type": "set",
            "minItems": 1,
            "maxItems": 4,
        },
        "map": {
            "type": "object",
            "additionalProperties": {"type": "integer", "format": "int32"},
            "minProperties": 1,
            "maxProperties": 2,
        },
        "list": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["k"],
            "items": {
                "type": "object",
                "required": ["k", "v"],
                "properties": {"k": {"type": "string"}, "v": {"type": "integer", "multipleOf": 5}},
            },
        },
        "when": {"type": "string", "format": "date-time"},
        "f": {"type": "number", "minimum": 0.5, "exclusiveMinimum": True, "maximum": 2, "exclusiveMaximum": True},
        "both": {"type": "string", "minLength": 3, "pattern": "^x", "enum": ["xyz"]},
        "nul": {"type": "string", "nullable": True},
        "nuldef": {"type": "string", "default": "d"},
        "nested": {"type": "object", "default": {}, "properties": {"x": {"type": "integer", "default": 3}}},
        "long": {"type": "string", "maxLength": 3},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "flag": {"type": "boolean"},
        "i64": {"type": "integer", "format": "int64"},
        "plain": {"type": "integer"},
    },
}
WHOLE: Object = {"type": "object", "properties": {"spec": SPEC}}


def found(spec: Any) -> list[str]:
    tree = {"spec": spec}
    return [f"{fault.reason} {fault}" for check in (validate, validate_distinct) for fault in check(tree, WHOLE)]


def body(field: str, text: str, value: str) -> str:
    return f"FieldValueInvalid {field}: Invalid value: {value}: {field} in body should {text}"


def wrong_type(field: str, expected: str, actual: str) -> str:
    text = f'Invalid value: "{actual}": {field} in body must be of type {expected}: "{actual}"'
    return f"FieldValueTypeInvalid {field}: {text}"


def out_of_range(field: str, described: str) -> str:
    return f'FieldValueInvalid <nil>: Invalid value: "": Checked value must be of type integer {described} in {field}'


INT32, INT64 = "with format int32", "with format int64"
RECORDED: list[tuple[Object, list[str]]] = [
    ({}, []),
    ({"enum": "c"}, ['FieldValueNotSupported spec.enum: Unsupported value: "c": supported values: "a", "b"']),
    (
        {"enum": 5},
        [
            wrong_type("spec.enum", "string", "integer"),
            'FieldValueNotSupported spec.enum: Unsupported value: 5: supported values: "a", "b"',
        ],
    ),
    ({"num": 3}, ['FieldValueNotSupported spec.num: Unsupported value: 3: supported values: "1", "2"']),
    ({"tags": ["x", "x", "x", "y"]}, ['FieldValueDuplicate spec.tags[1]: Duplicate value: "x"']),
    ({"tags": []}, [body("spec.tags", "have at least 1 items", "0")]),
    ({"tags": ["a", "b", "c", "d", "e"]}, ["FieldValueTooMany spec.tags: Too many: 5: must have at most 4 items"]),
    ({"tags": ["a", 1]}, [wrong_type("spec.tags[1]", "string", "integer")]),
    ({"tags": ["a", None]}, [wrong_type("spec.tags[1]", "string", "null")]),
    ({"tags": "x"}, [wrong_type("spec.tags", "array", "string")]),
    ({"map": {}}, [body("spec.map", "have at least 1 properties", "0")]),
    ({"map": {"a": 1, "b": 2, "c": 3}}, ["FieldValueTooMany spec.map: Too many: 3: must have at most 2 items"]),
    ({"map": {"a": "x"}}, [wrong_type("spec.map.a", "integer", "string")]),
    ({"map": {"a": 2**31}}, [out_of_range("spec.map.a", INT32)]),
    ({"map": {"a": -(2**31) - 1}}, [out_of_range("spec.map.a", INT32)]),
    ({"map": {"a": 2**31 - 1, "b": -(2**31)}}, []),
    ({"map": {"a": True}}, [wrong_type("spec.map.a", "int32", "")]),
    ({"map": {"a": {}}}, [wrong_type("spec.map.a", "int32", "")]),
    ({"map": {"a": []}}, [wrong_type("spec.map.a", "integer", "array")]),
    ({"map": {"a": 1.5}}, [wrong_type("spec.map.a", "int32", "float64"), out_of_range("spec.map.a", INT32)]),
    (
        {"list": [{"k": "a", "v": 5}, {"k": "a", "v": 10}]},
        ['FieldValueDuplicate spec.list[1]: Duplicate value: {"k":"a"}'],
    ),
    (
        {"list": [{"v": 5}, {"v": 10}]},
        [
            "FieldValueRequired spec.list[0].k: Required value",
            "FieldValueRequired spec.list[1].k: Required value",
            "FieldValueDuplicate spec.list[1]: Duplicate value: {}",
        ],
    ),
    ({"list": [{"k": "a"}]}, ["FieldValueRequired spec.list[0].v: Required value"]),
    ({"list": [{"k": "a", "v": 7}]}, [body("spec.list[0].v", "be a multiple of 5", "7")]),
    (
        {"list": [3]},
        [
            wrong_type("spec.list[0]", "object", "integer"),
            "FieldValueInvalid spec.list[0]: Invalid value: 3: must be an object for an array of list-type map",
        ],
    ),
    ({"when": "yesterday"}, [wrong_type("spec.when", "date-time", "yesterday")]),
    ({"when": 5}, [wrong_type("spec.when", "date-time", "int64")]),
    ({"f": 0.5}, [body("spec.f", "be greater than 0.5", "0.5")]),
    ({"f": 2}, [body("spec.f", "be less than 2", "2")]),
    ({"f": 1}, []),
    ({"f": "1"}, [wrong_type("spec.f", "number", "string")]),
    (
        {"both": "a"},
        [
            body("spec.both", "be at least 3 chars long", '"a"'),
            'FieldValueNotSupported spec.both: Unsupported value: "a": supported values: "xyz"',
        ],
    ),
    (
        {"both": "abc"},
        [
            body("spec.both", "match '^x'", '"abc"'),
            'FieldValueNotSupported spec.both: Unsupported value: "abc": supported values: "xyz"',
        ],
    ),
    ({"long": "abcd"}, ["FieldValueTooLong spec.long: Too long: may not be more than 3 bytes"]),
    ({"long": "äöü"}, []),
    ({"nul": None}, []),
    ({"flag": "yes"}, [wrong_type("spec.flag", "boolean", "string")]),
    ({"i64": 2**63 - 1}, []),
    ({"i64": float(2**63)}, [wrong_type("spec.i64", "int64", "float64"), out_of_range("spec.i64", INT64)]),
    ({"free": {"anything": [1, "x", None]}}, []),
]


@pytest.mark.parametrize(("spec", "expected"), RECORDED, ids=[str(spec) for spec, _ in RECORDED])
def test_recorded_answers(spec: Object, expected: list[str]) -> None:
    """Every rule's reason, field and text, and their order, are the recorded ones."""
    assert found({"enum": "a", **spec}) == expected


def test_required_comes_last() -> None:
    """A missing member is reported after the faults of those that are there."""
    assert found({"flag": 1, "i64": "x"}) == [
        wrong_type("spec.flag", "boolean", "integer"),
        wrong_type("spec.i64", "integer", "string"),
        "FieldValueRequired spec.enum: Required value",
    ]


def test_integer_without_format() -> None:
    """64 bits are the limit of every integer."""
    assert found({"enum": "a", "plain": 2**63}) == [out_of_range("spec.plain", "(default format)")]


@pytest.mark.parametrize(("number", "kept"), [(1e15, int), (2.0**53 - 1, int), (2.0**53, float), (-1e17, float)])
def test_large_whole_numbers(number: float, kept: type) -> None:
    """A float is an integer as long as it is exact; for a field of any type it may be larger."""
    assert type(prune(number, {"type": "integer"}, [])) is type(prune(number, {INT_OR_STRING: True}, [])) is kept
    assert type(prune(number, {}, [])) is int


@pytest.mark.parametrize("schema", [{"type": "integer"}, {"type": "number"}, {INT_OR_STRING: True}, {}])
def test_whole_float(schema: Object) -> None:
    """1.0 is an integer where one may stand."""
    assert validate(1.0, schema, "spec.a") == []


def test_whole_float_for_another_type() -> None:
    """1.0 is named a number where something else must stand."""
    assert [f"{fault.reason} {fault}" for fault in validate(1.0, {"type": "array"}, "spec.a")] == [
        wrong_type("spec.a", "array", "number")
    ]


@pytest.mark.parametrize("spec", ["x", []])
def test_wrong_type_of_the_whole(spec: Any) -> None:
    """A spec that is no object is that alone."""
    assert found(spec) == [wrong_type("spec", "object", "string" if spec else "array")]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        *(("2026-01-02T03:04:05Z", True), ("2026-01-02T03:04:05.123+01:00", True), ("2026-01-02t03:04:05z", True)),
        *(("2026-01-02 03:04:05Z", False), ("2026-01-02T03:04:05", False), ("2026-02-30T03:04:05Z", False)),
        *(("0000-02-29T03:04:05Z", True), ("0001-02-29T03:04:05Z", False), ("2026-01-02T03:04:05,5Z", True)),
        *(("2026-00-02T03:04:05Z", False), ("2026-01-00T03:04:05Z", False)),
        *(("2026-01-02", False), ("2026-01-02T24:00:00Z", False), ("20260102T030405Z", False), ("", False)),
    ],
)
def test_date_time(text: str, valid: bool) -> None:
    """RFC 3339 and nothing else of ISO 8601, but for a comma before the fraction."""
    assert is_date_time(text) is valid


def test_many_items_of_a_set() -> None:
    """Looking for repeated items does not compare each with each: this would take minutes."""
    schema = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}

    assert validate([str(n) for n in range(50_000)], schema) == []
