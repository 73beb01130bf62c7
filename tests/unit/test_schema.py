"""Structural schemas from pydantic models, pruning and defaults with them, and the models' own validators."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from apiserver.machinery.errors import FieldError, Object
from apiserver.machinery.meta import (
    AtomicMap,
    Condition,
    IntOrString,
    ListMap,
    ListSet,
    Nullable,
    int32,
    int64,
    timestamp,
)
from apiserver.machinery.pruning import defaulted, prune
from apiserver.machinery.schema import PRESERVE, SCHEMALESS, from_model, once_a_schema, schema_of
from apiserver.machinery.schemacheck import validate, validate_model


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
    inner: Inner | None = None
    maybe: Inner | None = Field(default=None, description="Perhaps.")
    items: Annotated[list[Inner], Field(min_length=1, max_length=3)] | None = None
    tags: Annotated[list[str], ListSet] | None = None
    conditions: Annotated[list[Condition], ListMap("type")] | None = None
    labels: dict[str, str] | None = None
    counts: dict[str, int32] | None = None
    free: dict[str, Any] | None = None
    anything: Any = None
    several: list[Any] | None = None
    color: Color = Color.RED
    mode: Literal["a", "b"] = "a"
    fixed: Literal["only"] | None = None
    when: timestamp | None = None


class Open(BaseModel):
    """Described in part."""

    model_config = ConfigDict(extra="allow")

    x: int | None = None


class Marked(BaseModel):
    port: IntOrString | None = None
    window: Annotated[Inner, AtomicMap] | None = None
    limits: Annotated[dict[str, int], AtomicMap] | None = None
    note: Annotated[str | None, Nullable] = None
    open: Open | None = None
    inner: Inner = Inner()


OUTER = from_model(Outer)
MARKED = from_model(Marked)["properties"]


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
        ("anything", {"x-kubernetes-preserve-unknown-fields": True}),
        ("several", {"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}}),
        ("color", {"type": "string", "enum": ["red", "blue"], "default": "red"}),
        ("mode", {"type": "string", "enum": ["a", "b"], "default": "a"}),
        ("fixed", {"type": "string", "enum": ["only"]}),
        ("when", {"type": "string", "format": "date-time"}),
    ],
)
def test_schema_of_a_field(field: str, expected: Object) -> None:
    """Each type a model may use has its structural schema; `X | None` is an optional X."""
    assert OUTER["properties"][field] == expected


def test_markers() -> None:
    """What is owned as a whole, what may be null, what is a number or a name, and what else there may be."""
    assert MARKED["port"] == {"x-kubernetes-int-or-string": True}
    assert (MARKED["window"]["x-kubernetes-map-type"], MARKED["limits"]["x-kubernetes-map-type"]) == ("atomic",) * 2
    assert MARKED["note"] == {"type": "string", "nullable": True}
    assert MARKED["open"]["x-kubernetes-preserve-unknown-fields"] is True
    assert list(MARKED["open"]["properties"]) == ["x"]


def test_defaults_have_no_nulls() -> None:
    """A model as a default leaves absent what it leaves absent."""
    assert MARKED["inner"]["default"] == {"x": 3}


def test_numbers_or_names() -> None:
    """int-or-string takes both, and says so of whatever else."""
    assert not validate({"port": 80}, {"properties": MARKED})
    assert not validate({"port": "http"}, {"properties": MARKED})
    (fault,) = validate({"port": True}, {"properties": MARKED})
    assert str(fault) == 'port: Invalid value: "boolean": port in body must be of type integer,string: "boolean"'


def test_whole_numbers_everywhere() -> None:
    """JSON has no integers, and Go writes none with a point; what must be text stays as it came, to be refused."""
    schema: Object = {"properties": {"n": {"type": "number"}, "s": {"type": "string"}, "free": {PRESERVE: True}}}
    tree = prune({"n": 1.0, "s": 1.0, "free": {"x": [2.0, 2.5]}}, schema, [])
    assert [type(each) for each in (tree["n"], tree["s"], *tree["free"]["x"])] == [int, float, int, float]


def test_null_gets_the_default() -> None:
    """Unless null is a value there."""
    schema = {"properties": {"a": {"default": 1}, "b": {"default": 1, "nullable": True}}}
    assert defaulted({"a": None, "b": None}, schema) == {"a": 1, "b": None}


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


SPEC: Object = {
    "type": "object",
    "required": ["enum"],
    "properties": {
        "enum": {"type": "string", "enum": ["a", "b"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "list": {
            "type": "array",
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}},
        },
        "nul": {"type": "string", "nullable": True},
        "nuldef": {"type": "string", "default": "d"},
        "nested": {"type": "object", "default": {}, "properties": {"x": {"type": "integer", "default": 3}}},
        "long": {"type": "string"},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "i64": {"type": "integer", "format": "int64"},
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


def test_prune_of_a_list_where_none_belongs() -> None:
    """Nothing is known of objects in it; the list itself is for validation to refuse."""
    found = pruned({"i64": [{"a": 1}, [{"b": None}], 1.0, None], "free": [{"a": 1}]})

    assert found == ({"i64": [{}, [{}], 1, None], "free": [{"a": 1}]}, ["spec.i64[0].a", "spec.i64[1][0].b"])


@pytest.mark.parametrize(("sent", "kept"), [(1.0, 1), (1e3, 1000), (1.5, 1.5), (-2.0, -2), (True, True)])
def test_whole_numbers(sent: float, kept: float) -> None:
    """JSON knows no integers: 1.0 is one."""
    made = pruned({"i64": sent})[0]["i64"]

    assert (made, type(made)) == (kept, type(kept))


def test_prune_changes_nothing() -> None:
    """What went in stays as it is; what need not change is shared."""
    spec: Object = {"free": {"deep": [1.0]}, "tags": ["a"], "nested": {"x": None}, "list": [{"k": "a"}, {"q": 1}]}
    made = pruned(spec)[0]

    assert made == {"free": {"deep": [1]}, "tags": ["a"], "nested": {}, "list": [{"k": "a"}, {}]}
    assert spec == {"free": {"deep": [1.0]}, "tags": ["a"], "nested": {"x": None}, "list": [{"k": "a"}, {"q": 1}]}
    assert made["tags"] is spec["tags"]
    assert made["list"][0] is spec["list"][0]
    assert pruned(made)[0] is made


def test_defaults_change_nothing() -> None:
    """What went in stays as it is; what lacks nothing is shared."""
    spec: Object = {"nuldef": "x", "nested": {}, "tags": ["a"]}
    made = with_defaults(spec)

    assert (made["nested"], spec["nested"]) == ({"x": 3}, {})
    assert made["tags"] is spec["tags"]
    assert with_defaults(made) is made


def test_prune_without_schema_keeps_everything() -> None:
    """A schemaless kind has no unknown fields."""
    unknown: list[str] = []

    assert prune({"a": {"b": [None, {"c": 1}]}}, SCHEMALESS, unknown) == {"a": {"b": [None, {"c": 1}]}}
    assert unknown == []


def with_defaults(spec: Object) -> Object:
    made: Object = defaulted({"spec": spec}, WHOLE)["spec"]
    return made


def test_defaults() -> None:
    """Absent fields get their default, also inside a default."""
    assert with_defaults({"enum": "a"}) == {"enum": "a", "nuldef": "d", "nested": {"x": 3}}


def test_defaults_keep_what_is_there() -> None:
    """A value that was given stays."""
    assert with_defaults({"nuldef": "x", "nested": {"x": 0}}) == {"nuldef": "x", "nested": {"x": 0}}


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

    assert defaulted(value, schema) == {"list": [{"x": 1}, {"x": 2}], "map": {"a": {"x": 1}}}


def test_default_values_are_not_shared() -> None:
    """Each object gets a default of its own."""
    first, second = with_defaults({}), with_defaults({})
    first["nested"]["x"] = 9

    assert second["nested"] == {"x": 3}
    assert SPEC["properties"]["nested"]["default"] == {}


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
    return validate_model(value, Windows, "spec")


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


def test_once_a_schema() -> None:
    """What is made of a schema is made at its first use, and never again; an equal schema is another one."""
    seen: list[Object] = []

    @once_a_schema
    def number(schema: Object) -> int:
        seen.append(schema)
        return len(seen)

    one: Object = {"type": "string"}
    other = dict(one)
    assert [number(one), number(other), number(one), number(other)] == [1, 2, 1, 2]
