"""Field sets (apiserver.machinery.fieldset) and the walks that make them (typed, typecheck, merging)."""

from typing import Any

import pytest

from apiserver.machinery.fieldset import (
    FieldSet,
    contains,
    difference,
    from_fields,
    intersection,
    parse,
    path_text,
    paths,
    recursive_difference,
    union,
)
from apiserver.machinery.fieldtype import TypedError, type_of
from apiserver.machinery.merging import merge, remove
from apiserver.machinery.typecheck import check
from apiserver.machinery.typed import compare, reconciled, set_of

Tree = dict[str, Any]
STRING: Tree = {"type": "string"}
ITEM: Tree = {
    "type": "object",
    "properties": {"name": STRING, "port": {"type": "integer", "default": 80}, "image": STRING},
}
SPEC: Tree = {
    "text": STRING,
    "count": {"type": "integer"},
    "flag": {"type": "boolean"},
    "granular": {"type": "object", "additionalProperties": STRING},
    "whole": {"type": "object", "additionalProperties": STRING, "x-kubernetes-map-type": "atomic"},
    "list": {"type": "array", "items": STRING},
    "set": {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
    "items": {"type": "array", "items": ITEM}
    | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    "ports": {"type": "array", "items": ITEM}
    | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"]},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
SCHEMA: Tree = {"type": "object", "properties": {"spec": {"type": "object", "properties": SPEC}}}
TYPE = type_of(SCHEMA)


def spec(**fields: Any) -> Tree:
    return {"spec": fields}


def owned(**fields: Any) -> FieldSet:
    return {"f:spec": {f"f:{name}": node for name, node in fields.items()}}


def test_a_set_is_read_in_canonical_form() -> None:
    """Keys are compact with sorted names, unknown sorts are ignored, a "." alone is a leaf."""
    found = parse({"f:a": {'k:{"b": 1.0, "a":"x"}': {".": {}, "f:c": {}}, "z:?": {}}, "f:d": {".": {}}, "v:1.0": {}})
    assert found == {"f:a": {'k:{"a":"x","b":1}': {".": {}, "f:c": {}}}, "f:d": {}, "v:1": {}}


def test_a_canonical_set_is_not_copied() -> None:
    """Reading costs nothing where nothing has to change."""
    fields: FieldSet = {"f:a": {".": {}, 'k:{"a":"x"}': {}, 'v:"\\u003c"': {}}}
    assert parse(fields) is fields


@pytest.mark.parametrize("fields", [[], "x", {"f:a": 1}, {"x": {}}, {"fa": {}}, {"k:[]": {}}, {"v:": {}}, {"i:x": {}}])
def test_what_is_no_set_is_refused(fields: Any) -> None:
    """Malformed path elements make the whole set undecodable."""
    with pytest.raises(ValueError, match=r"."):
        parse(fields)


A: FieldSet = {"f:a": {}}
AB: FieldSet = {"f:a": {"f:b": {}}}
AC: FieldSet = {"f:a": {"f:c": {}}}
A_AND_AB: FieldSet = {"f:a": {".": {}, "f:b": {}}}


@pytest.mark.parametrize(
    ("left", "right", "either", "both", "rest", "rest_below"),
    [
        (A, A, A, A, {}, {}),
        (A, AB, A_AND_AB, {}, A, A),
        (AB, A, A_AND_AB, {}, AB, {}),
        (A_AND_AB, A, A_AND_AB, A, AB, {}),
        (A_AND_AB, AB, A_AND_AB, AB, A, A),
        (AB, AC, {"f:a": {"f:b": {}, "f:c": {}}}, {}, AB, AB),
        (AB, {}, AB, {}, AB, AB),
        ({}, AB, AB, {}, {}, {}),
        (A_AND_AB, A_AND_AB, A_AND_AB, A_AND_AB, {}, {}),
    ],
)
def test_set_operations(
    left: FieldSet, right: FieldSet, either: FieldSet, both: FieldSet, rest: FieldSet, rest_below: FieldSet
) -> None:
    """A field and what is below it are separate members, except to the recursive difference."""
    assert union(left, right) == either
    assert intersection(left, right) == both
    assert difference(left, right) == rest
    assert recursive_difference(left, right) == rest_below


def test_members_are_found_by_path() -> None:
    """A field that only leads to members is none itself."""
    assert contains(A_AND_AB, ("f:a",))
    assert contains(AB, ("f:a", "f:b"))
    assert not contains(AB, ("f:a",))
    assert not contains(AB, ("f:x", "f:b"))
    assert not contains(AB, ())


def test_paths_are_walked_and_printed_in_order() -> None:
    """Fields before keys before values; numbers by value; members of one node before those below."""
    fields = {
        "f:l": {"v:10": {}, "v:9": {}, 'v:"x"': {}},
        "f:b": {},
        "f:a": {".": {}, 'k:{"n":"é","m":1}': {"f:z": {}}},
    }
    texts = [path_text(path) for path in paths(parse(fields))]
    assert texts == [".a", ".b", '.a[m=1,n="é"].z', ".l[=9]", ".l[=10]", '.l[="x"]']


def test_field_names_make_a_set() -> None:
    """What an endpoint resets is written as names."""
    assert from_fields([("spec",), ("metadata", "name")]) == {"f:spec": {}, "f:metadata": {"f:name": {}}}


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (spec(text="a", count=1), owned(text={}, count={})),
        (spec(granular={"a": "b"}, whole={"a": "b"}), owned(granular={"f:a": {}}, whole={})),
        (spec(granular={}, text=None), owned(granular={}, text={})),
        (spec(list=["a"], set=["a", "b"]), owned(list={}, set={'v:"a"': {}, 'v:"b"': {}})),
        (spec(set=[]), {}),
        (spec(set=["a", "a"]), owned(set={'v:"a"': {}})),
        (
            spec(items=[{"name": "x", "image": "i"}]),
            owned(items={'k:{"name":"x"}': {".": {}, "f:name": {}, "f:image": {}}}),
        ),
        (spec(ports=[{"image": "i"}]), owned(ports={'k:{"port":80}': {".": {}, "f:image": {}}})),
        (spec(free={"a": {"b": [1]}}), owned(free={"f:a": {".": {}, "f:b": {}}})),
        ({"metadata": {"labels": {"a": "b"}}}, {"f:metadata": {"f:labels": {"f:a": {}}}}),
        (
            {"metadata": {"finalizers": ["x/y"], "ownerReferences": [{"uid": "u", "name": "n"}]}},
            {"f:metadata": {"f:finalizers": {'v:"x/y"': {}}, "f:ownerReferences": {'k:{"uid":"u"}': {}}}},
        ),
    ],
)
def test_the_set_of_a_configuration(value: Tree, fields: FieldSet) -> None:
    """Leaves and items are owned; what is atomic, empty or not declared is owned itself."""
    assert set_of(value, TYPE) == fields


@pytest.mark.parametrize(
    ("old", "new", "removed", "modified", "added"),
    [
        ({}, spec(text="a"), {}, {}, {"f:spec": {".": {}, "f:text": {}}}),
        (spec(text="a"), spec(text="b"), {}, owned(text={}), {}),
        (spec(text="a", count=1), spec(count=1), owned(text={}), {}, {}),
        (spec(count=1), spec(count=1.0), {}, {}, {}),
        (spec(free={"a": 1}), spec(free={"a": True}), {}, owned(free={"f:a": {}}), {}),
        (
            spec(granular={"a": "b"}),
            spec(granular={"c": "b"}),
            owned(granular={"f:a": {}}),
            {},
            owned(granular={"f:c": {}}),
        ),
        (spec(whole={"a": "b"}), spec(whole={"c": "b"}), {}, owned(whole={}), {}),
        (spec(list=["a"]), spec(list=["b"]), {}, owned(list={}), {}),
        (spec(set=["a"]), spec(set=["b"]), owned(set={'v:"a"': {}}), {}, owned(set={'v:"b"': {}})),
        (spec(granular=None), spec(granular={}), {}, owned(granular={}), {}),
        (
            spec(items=[{"name": "x", "image": "1"}]),
            spec(items=[{"name": "x", "image": "2"}, {"name": "y"}]),
            {},
            owned(items={'k:{"name":"x"}': {"f:image": {}}}),
            owned(items={'k:{"name":"y"}': {".": {}, "f:name": {}}}),
        ),
        (spec(set=["a", "a"]), spec(set=["a", "a", "a"]), {}, owned(set={'v:"a"': {}}), {}),
        (spec(set=["a"]), spec(set=["a", "a"]), owned(set={'v:"a"': {}}), {}, owned(set={'v:"a"': {}})),
        (spec(set=["a", "a"]), spec(set=["a"]), owned(set={'v:"a"': {}}), {}, owned(set={'v:"a"': {}})),
        (
            spec(free={"a": 1}),
            spec(free={"a": {"b": 1}}),
            {},
            owned(free={"f:a": {}}),
            owned(free={"f:a": {"f:b": {}}}),
        ),
    ],
)
def test_comparison(old: Tree, new: Tree, removed: FieldSet, modified: FieldSet, added: FieldSet) -> None:
    """A field that holds others is itself added or removed where the other side has none."""
    assert compare(old, new, TYPE) == (removed, modified, added)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (spec(foo=1), ".spec.foo: field not declared in schema"),
        ({"metadata": {"foo": 1}}, ".metadata.foo: field not declared in schema"),
        (spec(count="x"), ".spec.count: expected numeric (int or float), got string"),
        (spec(text=1), ".spec.text: expected string, got &value.valueUnstructured{Value:1}"),
        (spec(flag={"a": [1, None]}), ".spec.flag: expected boolean, got &{map[a:[1 <nil>]]}"),
        (spec(granular=[1, "x"]), ".spec.granular: expected map, got &{[1 x]}"),
        (spec(list={"a": True}), ".spec.list: expected list, got &{map[a:true]}"),
        (spec(list=[1]), ".spec.list[0]: expected string, got &value.valueUnstructured{Value:1}"),
        (spec(set=["a", "a"]), '.spec.set: duplicate entries for key [="a"]'),
        (spec(items=[{"name": "a"}, {"name": "a"}]), '.spec.items: duplicate entries for key [name="a"]'),
        (spec(items=[{"name": "a", "x": 1}]), '.spec.items[name="a"].x: field not declared in schema'),
        (
            spec(items=[{}]),
            '.spec.items: element 0: associative list with keys has an element that omits all key fields ["name"] '
            "(and doesn't have default values for any key fields)",
        ),
        (
            {"spec": {"text": True, "flag": "y"}},
            "errors:\n  .spec.flag: expected boolean, got &{y}\n"
            "  .spec.text: expected string, got &value.valueUnstructured{Value:true}",
        ),
    ],
)
def test_a_configuration_that_does_not_fit(value: Tree, text: str) -> None:
    """Faults are worded as structured-merge-diff words them."""
    with pytest.raises(TypedError) as caught:
        check(value, TYPE)
    assert str(caught.value) == text


def test_a_configuration_that_fits() -> None:
    """Null fits everywhere; items without their key have its default."""
    check(spec(text=None, items=None, ports=[{}, {"port": 1}], free={"any": [1, {}]}), TYPE)


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        (["a", "b"], ["b", "c"], ["a", "b", "c"]),
        (["a", "b", "c"], ["c", "a"], ["b", "c", "a"]),
        (["x", "a"], ["n", "a"], ["x", "n", "a"]),
        (["a"], [], ["a"]),
        (["a", "x"], None, ["a", "x"]),
        ([], ["b", "a"], ["b", "a"]),
        (["a", "a", "y"], ["a", "n"], ["a", "n", "y"]),
    ],
)
def test_merged_items_keep_the_configurations_order(live: Any, config: Any, merged: Any) -> None:
    """Items of the live list that the configuration does not have stay where they were."""
    assert merge(spec(set=live), spec(set=config), TYPE) == spec(set=merged)


def test_merge_goes_as_deep_as_the_schema_does() -> None:
    """Granular maps and associative items are merged, atomic values are replaced."""
    live = spec(granular={"a": "1"}, whole={"a": "1"}, list=["a"], items=[{"name": "x", "image": "1"}], text="a")
    config = spec(granular={"b": "2"}, whole={"b": "2"}, list=["b"], items=[{"name": "x", "port": 1}])
    assert merge(live, config, TYPE) == spec(
        granular={"a": "1", "b": "2"},
        whole={"b": "2"},
        list=["b"],
        items=[{"name": "x", "image": "1", "port": 1}],
        text="a",
    )


def test_removal_leaves_null_where_nothing_is_left() -> None:
    """Fields and items go; a container that was not itself to go becomes null."""
    value = spec(granular={"a": "1"}, set=["a", "b"], items=[{"name": "x", "image": "1"}])
    gone = owned(granular={"f:a": {}}, set={'v:"a"': {}}, items={'k:{"name":"x"}': {"f:image": {}}})
    assert remove(value, gone, TYPE) == spec(granular=None, set=["b"], items=[{"name": "x"}])


def test_a_field_that_became_atomic_is_owned_as_a_whole() -> None:
    """Ownership below a list or map that is atomic by now moves up to it."""
    fields = owned(list={'v:"a"': {}}, whole={".": {}, "f:a": {}}, text={})
    assert reconciled(fields, TYPE) == owned(list={}, whole={}, text={})
    unchanged = owned(set={'v:"a"': {}}, free={"f:a": {"f:b": {}}})
    assert reconciled(unchanged, TYPE) is unchanged
