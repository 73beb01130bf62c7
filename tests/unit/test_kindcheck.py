"""What a kind's author gets wrong is one sentence at the start."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from apiserver import kinds
from apiserver.machinery.kind import AGE, Column, Kind, Scale
from apiserver.machinery.kindcheck import KindError, check
from apiserver.machinery.meta import AtomicMap, ListMap, ListSet, int32
from apiserver.standalone.kinds import HOST_KINDS
from tests.kinds.rack import KIND as RACK


class Part(BaseModel):
    name: str
    note: str | None = None
    side: str = "left"


class ThingSpec(BaseModel):
    size: int32 = 1
    color: str | None = None
    parts: Annotated[list[Part], ListMap("name", "side")] | None = None
    tags: Annotated[list[str], ListSet] | None = None
    free: dict[str, Any] | None = None


class ThingStatus(BaseModel):
    size: int32 | None = None
    selector: str | None = None


THING = Kind(
    "example.com",
    "v1",
    "Thing",
    "things",
    ThingSpec,
    ThingStatus,
    short_names=("th",),
    scale=Scale(".spec.size", ".status.size", ".status.selector"),
    columns=(Column("Color", ".spec.color"), Column("Deep", ".spec.free.a.b"), Column("Part", ".spec.parts[0].n"), AGE),
    selectable_fields=("spec.color", "spec.size"),
)


def told(*served: Kind) -> str:
    """What the author is told."""
    with pytest.raises(KindError) as caught:
        check(served)
    return str(caught.value)


def test_what_is_right_passes() -> None:
    """The kinds that come with the server, those of a host cluster, and kinds as the documents describe them."""
    check((*kinds.discover(), *HOST_KINDS, RACK, THING))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"short_names": "th"}, "short_names must be a tuple; one of a single item ends in a comma"),
        ({"columns": AGE}, "columns must be a tuple; one of a single item ends in a comma"),
        (
            {"selectable_fields": "spec.color"},
            "selectable_fields must be a tuple; one of a single item ends in a comma",
        ),
        ({"spec": "ThingSpec"}, "spec must be a class that is derived from pydantic's BaseModel"),
        ({"spec": None}, "a status model needs a spec model beside it"),
        ({"group": "example_com"}, "group 'example_com' must be a DNS subdomain, such as example.com"),
        (
            {"version": "1.0"},
            "version '1.0' must be up to 63 lowercase letters, digits and '-', beginning with a letter",
        ),
        (
            {"plural": "Things"},
            "plural 'Things' must be up to 63 lowercase letters, digits and '-', beginning with a letter",
        ),
        ({"kind": "thing"}, "kind must be in CamelCase"),
        ({"columns": (Column("C", ".spec.colour"),)}, "column 'C': there is no field .spec.colour"),
        ({"columns": (Column("C", ".spec["),)}, "JSONPath '.spec[' is not understood from '[' on"),
        ({"columns": (Column("", ".spec.color"),)}, "the column of .spec.color needs a name"),
        (
            {"columns": (Column("C", ".spec.color", type="int"),)},
            "column 'C': type 'int' must be one of integer, number, string, boolean, date",
        ),
        ({"selectable_fields": (".spec.color",)}, "selectable field '.spec.color' must have no leading dot"),
        (
            {"selectable_fields": ("spec.colour",)},
            "selectable field 'spec.colour' is no string, boolean or integer of the models",
        ),
        (
            {"selectable_fields": ("spec.tags",)},
            "selectable field 'spec.tags' is no string, boolean or integer of the models",
        ),
        (
            {"scale": Scale(".spec.replicas", ".status.size")},
            "scale: .spec.replicas is no integer below spec of the models",
        ),
        ({"scale": Scale(".spec.size", ".spec.size")}, "scale: .spec.size is no integer below status of the models"),
        (
            {"scale": Scale(".spec.size", ".status.size", ".status.size")},
            "scale: .status.size is no string below spec or status of the models",
        ),
        (
            {"scale": Scale(".spec.parts[0]", ".status.size")},
            "JSONPath '.spec.parts[0]' must name members only, such as .spec.replicas",
        ),
    ],
)
def test_what_a_kind_says(changes: dict[str, Any], fault: str) -> None:
    """Names are those that Kubernetes allows, and what is pointed to is there."""
    assert told(replace(THING, **changes)).partition(": ")[2] == fault


COMPUTED = "a default_factory has no place in a schema; write the default itself"


class Node(BaseModel):
    below: list["Node"] | None = None


class A(BaseModel):
    type: Literal["a"]


class B(BaseModel):
    type: Literal["b"]


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ((list[str], Field(default_factory=list)), COMPUTED),
        ((Part, Field(default_factory=lambda: Part(name=""))), COMPUTED),
        ((A | B, Field(discriminator="type")), "a union of several types has no structural schema; declare one type"),
        ((set[str], ...), "a set has no structural schema; declare a list and mark it as a ListSet"),
        ((tuple[int, str], ...), "a tuple has no structural schema; declare a list"),
        ((int, "x"), 'the default does not fit (spec.field: Invalid value: "string": '),
        ((Annotated[int, Field(ge=1)], 0), "the default does not fit (spec.field: Invalid value: 0: "),
        ((Annotated[list[Part], ListMap("id")], ...), "ListMap('id') names no scalar field of the items"),
        ((Annotated[list[Part], ListMap("note")], ...), "'note' tells items apart, so it must be required or"),
        ((Annotated[list[Part], ListMap()], ...), "ListMap needs the name of a key"),
        ((Annotated[list[str], ListMap("id")], ...), "ListMap('id') names no scalar field of the items"),
        ((Annotated[list[Part], ListSet], ...), "a ListSet is of scalars; items that are objects are told apart by"),
        ((Annotated[dict[str, str], ListSet], ...), "ListMap and ListSet are for lists"),
        ((Annotated[list[str], AtomicMap], ...), "AtomicMap is for objects"),
        ((Annotated[str, Field(pattern=r"^\p{Lu}")], ...), "the pattern is none of Python's (bad escape"),
        ((list[Node], ...), "Node contains itself, which a structural schema cannot say"),
    ],
)
def test_what_a_model_says(field: Any, fault: str) -> None:
    """What no schema can say, and what fits no object, with the place."""
    told_of = told(Kind("example.com", "v1", "Thing", "things", create_model("Spec", field=field)))
    _, path, found = told_of.split(": ", 2)
    assert found.startswith(fault)
    assert path.partition(".")[2].startswith("field") or path == "spec.field"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": "v2"}, "one version of a kind is served, there is no conversion"),
        ({"plural": "thingies", "short_names": ()}, "two kinds have one name"),
        ({"kind": "Thingy", "plural": "thingies"}, "both answer to 'th'"),
        ({"kind": "Th", "plural": "ths", "short_names": ()}, "both answer to 'th'"),
    ],
)
def test_names_that_clash(changes: dict[str, Any], fault: str) -> None:
    """A name leads to one kind of a group; in another group it may be used again."""
    other = replace(THING, **changes)
    assert told(THING, other).partition(": ")[2] == fault
    check((THING, replace(other, group="example.org")))


@pytest.mark.parametrize("text", ["", "KIND = 3", "KINDS = (1, 2)", "KINDS = 3"])
def test_a_module_without_a_kind(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is named."""
    (tmp_path / "gizmo.py").write_text(text)
    monkeypatch.setattr(kinds, "__path__", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "apiserver.kinds.gizmo", raising=False)
    with pytest.raises(KindError, match=r"gizmo\.py must export a Kind as KIND, or a tuple of several as KINDS"):
        kinds.discover()
