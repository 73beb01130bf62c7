"""Structural schemas from pydantic models, and pruning, defaults and validation with them.

Texts and their order were recorded from a kube-apiserver 1.36 that serves the schema SPEC as a custom resource.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, field_validator, model_validator

from apiserver.machinery.errors import FieldError, Object
from apiserver.machinery.meta import Condition, ListMap, ListSet, int32, int64, timestamp
from apiserver.machinery.schema import (
    SCHEMALESS,
    apply_defaults,
    from_model,
    is_date_time,
    prune,
    schema_of,
    validate,
    validate_model,
)


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """What is inside."""

    x: int = 3
    y: str | None = None


class Outer(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=5, pattern="^a")] = Field(description="Its name.")
    count: Annotated[int32, Field(ge=0, le=9)] = 1
    big: int64 | None = None
    ratio: Annotated[float, Field(gt=0, lt=1, multiple_of=0.25)] | None = None
    flag: bool = False
    inner: Inner = Field(default_factory=Inner)
    maybe: Inner | None = Field(default=None, description="Perhaps.")
    items: Annotated[list[Inner], Field(min_length=1, max_length=3)] | None = None
    tags: Annotated[list[str], ListSet] | None = None
    conditions: Annotated[list[Condition], ListMap("type")] | None = None
    labels: dict[str, str] | None = None
    counts: dict[str, int32] | None = None
    free: dict[str, Any] | None = None
    color: Color = Color.RED
    mode: Literal["a", "b"] = "a"
    fixed: Literal["only"] | None = None
    when: timestamp | None = None


OUTER = from_model(Outer)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("name", {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^a", "description": "Its name."}),
        ("count", {"type": "integer", "format": "int32", "minimum": 0, "maximum": 9, "default": 1}),
        ("big", {"type": "integer", "format": "int64"}),
        ("flag", {"type": "boolean", "default": False}),
        ("tags", {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}),
        ("labels", {"type": "object", "additionalProperties": {"type": "string"}}),
        ("counts", {"type": "object", "additionalProperties": {"type": "integer", "format": "int32"}}),
        ("free", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        ("color", {"type": "string", "enum": ["red", "blue"], "default": "red"}),
        ("mode", {"type": "string", "enum": ["a", "b"], "default": "a"}),
        ("fixed", {"type": "string", "enum": ["only"]}),
        ("when", {"type": "string", "format": "date-time"}),
    ],
)
def test_schema_of_a_field(field: str, expected: Object) -> None:
    """Each type a model may use has its structural schema; `X | None` is an optional X."""
    assert OUTER["properties"][field] == expected


def test_exclusive_bounds() -> None:
    """OpenAPI v3.0 says with a boolean that a bound is exclusive."""
    assert OUTER["properties"]["ratio"] == {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
        "exclusiveMaximum": True,
        "multipleOf": 0.25,
    }


def test_nested_models_are_written_out() -> None:
    """A structural schema has no references; a field's own description wins over its model's."""
    inner = {"x": {"type": "integer", "default": 3}, "y": {"type": "string"}}

    assert OUTER["properties"]["inner"] == {
        "type": "object",
        "description": "What is inside.",
        "properties": inner,
    }
    assert OUTER["properties"]["maybe"] == {"type": "object", "description": "Perhaps.", "properties": inner}
    assert OUTER["properties"]["items"] == {
        "type": "array",
        "minItems": 1,
        "maxItems": 3,
        "items": {"type": "object", "description": "What is inside.", "properties": inner},
    }


def test_list_map() -> None:
    """A list-map names its keys; its items' required members stay."""
    conditions = OUTER["properties"]["conditions"]

    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    assert conditions["items"]["required"] == ["type", "status", "reason", "message", "lastTransitionTime"]


def test_required_fields() -> None:
    """Only a field without a default is required."""
    assert OUTER["required"] == ["name"]


def test_nothing_but_structural_keywords() -> None:
    """pydantic's own keywords (title, $defs, anyOf) are left out."""
    assert "title" not in str(OUTER)
    assert "$" not in str(OUTER)
    assert "anyOf" not in str(OUTER)


class Union(BaseModel):
    value: int | str


class NestedUnion(BaseModel):
    part: list[Union]


def test_unions_are_refused() -> None:
    """A union has no structural schema; the error says where it is."""
    with pytest.raises(ValueError, match=r"^Union\.value: a union of several types"):
        from_model(Union)
    with pytest.raises(ValueError, match=r"^NestedUnion\.part\.value: a union of several types"):
        from_model(NestedUnion)


def test_schema_of_a_whole_object() -> None:
    """A kind's schema leaves metadata open; spec is required when one of its members is."""
    whole = schema_of(Outer, Inner, "About it.")

    assert (whole["type"], whole["description"], whole["required"]) == ("object", "About it.", ["spec"])
    assert list(whole["properties"]) == ["apiVersion", "kind", "metadata", "spec", "status"]
    assert whole["properties"]["metadata"] == {"type": "object"}
    assert "required" not in schema_of(Inner, None)
    assert "status" not in schema_of(Inner, None)["properties"]


def test_kind_without_models() -> None:
    """Without a model every field is kept."""
    assert schema_of(None, None) == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


# What the recorded kube-apiserver served as the probe's spec.
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


def pruned(spec: Object) -> tuple[Object, list[str]]:
    unknown: list[str] = []
    made: Object = prune({"spec": spec}, WHOLE, unknown)["spec"]
    return made, unknown


def test_prune_reports_paths_of_unknown_fields() -> None:
    """A field that the schema does not name is dropped, its path reported, with the index inside a list."""
    spec = {"enum": "a", "zz": 1, "list": [{"k": "a", "v": 5, "q": 1}], "nested": {"y": 1}, "long": {"a": 1}}

    assert pruned(spec) == (
        {"enum": "a", "list": [{"k": "a", "v": 5}], "nested": {}, "long": {}},
        ["spec.zz", "spec.list[0].q", "spec.nested.y", "spec.long.a"],
    )


def test_prune_drops_nulls() -> None:
    """A null means absent, except where the schema allows it and inside what is preserved."""
    spec = {"nul": None, "nuldef": None, "map": {"a": None, "b": 1}, "free": {"a": [{"b": None}], "c": None}}

    assert pruned(spec) == ({"nul": None, "map": {"b": 1}, "free": {"a": [{"b": None}], "c": None}}, [])


def test_prune_keeps_nulls_in_lists() -> None:
    """An item cannot be absent: validation finds it."""
    assert pruned({"tags": ["a", None]})[0] == {"tags": ["a", None]}


@pytest.mark.parametrize(("sent", "kept"), [(1.0, 1), (1e3, 1000), (1.5, 1.5), (-2.0, -2), (True, True)])
def test_whole_numbers(sent: float, kept: float) -> None:
    """JSON knows no integers: 1.0 is one."""
    made = pruned({"i64": sent})[0]["i64"]

    assert (made, type(made)) == (kept, type(kept))


def test_prune_copies() -> None:
    """What comes out shares nothing that could be changed with what went in."""
    spec: Object = {"free": {"deep": [1]}, "tags": ["a"], "nested": {"x": 1}}
    made = pruned(spec)[0]
    made["free"]["deep"].append(2)
    made["tags"].append("b")
    made["nested"]["x"] = 2

    assert spec == {"free": {"deep": [1]}, "tags": ["a"], "nested": {"x": 1}}


def test_prune_without_schema_keeps_everything() -> None:
    """A schemaless kind has no unknown fields."""
    unknown: list[str] = []

    assert prune({"a": {"b": [None, {"c": 1}]}}, SCHEMALESS, unknown) == {"a": {"b": [None, {"c": 1}]}}
    assert unknown == []


def defaulted(spec: Object) -> Object:
    apply_defaults({"spec": spec}, WHOLE)
    return spec


def test_defaults() -> None:
    """Absent fields get their default, also inside a default."""
    assert defaulted({"enum": "a"}) == {"enum": "a", "nuldef": "d", "nested": {"x": 3}}


def test_defaults_keep_what_is_there() -> None:
    """A value that was given stays."""
    assert defaulted({"nuldef": "x", "nested": {"x": 0}}) == {"nuldef": "x", "nested": {"x": 0}}


def test_defaults_in_lists_and_maps() -> None:
    """Items and a map's values get theirs; an absent object without a default stays absent."""
    item = {"type": "object", "properties": {"x": {"type": "integer", "default": 1}}}
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": item},
            "map": {"type": "object", "additionalProperties": item},
            "absent": item,
        },
    }
    value: Object = {"list": [{}, {"x": 2}], "map": {"a": {}}}
    apply_defaults(value, schema)

    assert value == {"list": [{"x": 1}, {"x": 2}], "map": {"a": {"x": 1}}}


def test_default_values_are_not_shared() -> None:
    """Each object gets a default of its own."""
    first, second = defaulted({}), defaulted({})
    first["nested"]["x"] = 9

    assert second["nested"] == {"x": 3}
    assert SPEC["properties"]["nested"]["default"] == {}


def found(spec: Any) -> list[str]:
    return [f"{fault.reason} {fault}" for fault in validate({"spec": spec}, WHOLE)]


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


@pytest.mark.parametrize("spec", ["x", []])
def test_wrong_type_of_the_whole(spec: Any) -> None:
    """A spec that is no object is that alone."""
    assert found(spec) == [wrong_type("spec", "object", "string" if spec else "array")]


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        *(("2026-01-02T03:04:05Z", True), ("2026-01-02T03:04:05.123+01:00", True), ("2026-01-02t03:04:05z", True)),
        *(("2026-01-02 03:04:05Z", False), ("2026-01-02T03:04:05", False), ("2026-02-30T03:04:05Z", False)),
        *(("2026-01-02", False), ("2026-01-02T24:00:00Z", False), ("20260102T030405Z", False), ("", False)),
    ],
)
def test_date_time(text: str, valid: bool) -> None:
    """RFC 3339 and nothing else of ISO 8601."""
    assert is_date_time(text) is valid


def test_many_items_of_a_set() -> None:
    """Looking for repeated items does not compare each with each: this would take minutes."""
    schema = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}

    assert list(validate([str(n) for n in range(50_000)], schema)) == []


class Window(BaseModel):
    start: int
    end: int = 10
    names: list[str] = []

    @field_validator("names")
    @classmethod
    def _short(cls, names: list[str]) -> list[str]:
        if any(len(name) > 3 for name in names):
            raise ValueError("each must be short")
        return names

    @model_validator(mode="after")
    def _ordered(self) -> "Window":
        if self.start > self.end:
            raise ValueError("start must not be after end")
        return self


class Windows(BaseModel):
    windows: list[Window]


def faults_of(value: Object) -> list[FieldError]:
    return list(validate_model(value, Windows, "spec"))


def test_validate_model() -> None:
    """A model's own validators are field errors with the field's path and the validator's words."""
    (fault,) = faults_of({"windows": [{"start": 1}, {"start": 1, "names": ["long one"]}]})

    assert (fault.reason, fault.field) == ("FieldValueInvalid", "spec.windows[1].names")
    assert fault.body == 'Invalid value: ["long one"]: each must be short'


def test_validate_model_of_a_whole_model() -> None:
    """A validator of the whole model reports the object."""
    (fault,) = faults_of({"windows": [{"start": 11}]})

    assert str(fault) == 'spec.windows[0]: Invalid value: {"start":11}: start must not be after end'


def test_validate_model_accepts() -> None:
    """A valid object has no faults."""
    assert faults_of({"windows": [{"start": 1}]}) == []
