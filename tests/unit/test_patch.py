"""apiserver.machinery.patch: JSON patch and merge patch as kube-apiserver applies them."""

from copy import deepcopy
from typing import Any

import orjson
import pytest

from apiserver.machinery.errors import BadRequest, Invalid, RequestEntityTooLarge, UnsupportedMediaType
from apiserver.machinery.gojson import MAX_DEPTH
from apiserver.machinery.patch import JSON_PATCH, MERGE_PATCH, json_patch, merge_patch, patch_faults, patch_type

Tree = dict[str, Any]
DOCUMENT: Tree = {"a": {"b": [1, 2, 3], "x/y": 1, "m~n": 2}, "n": None, "s": "text", "": 0}


def patched(*operations: Tree) -> Tree:
    """Applies the operations and checks that the document stays as it was."""
    before = deepcopy(DOCUMENT)
    try:
        return json_patch(DOCUMENT, orjson.dumps(operations))
    finally:
        assert before == DOCUMENT


def op(name: str, path: str, *value: Any, **rest: Any) -> Tree:
    return {"op": name, "path": path, **rest, **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("operation", "member", "expected"),
    [
        (op("add", "/z", {"k": 1}), "z", {"k": 1}),
        (op("add", "/z"), "z", None),
        (op("add", "/a/b/0", 0), "a", {"b": [0, 1, 2, 3], "x/y": 1, "m~n": 2}),
        (op("add", "/a/b/3", 4), "a", {"b": [1, 2, 3, 4], "x/y": 1, "m~n": 2}),
        (op("add", "/a/b/-", 4), "a", {"b": [1, 2, 3, 4], "x/y": 1, "m~n": 2}),
        (op("add", "/a/b/-1", 4), "a", {"b": [1, 2, 3, 4], "x/y": 1, "m~n": 2}),
        (op("add", "/", 9), "", 9),
        (op("remove", "/a/b/1"), "a", {"b": [1, 3], "x/y": 1, "m~n": 2}),
        (op("remove", "/a/b/-1"), "a", {"b": [1, 2], "x/y": 1, "m~n": 2}),
        (op("remove", "/a/x~1y"), "a", {"b": [1, 2, 3], "m~n": 2}),
        (op("replace", "/a/m~0n", 3), "a", {"b": [1, 2, 3], "x/y": 1, "m~n": 3}),
        (op("replace", "/a/b/2", 9), "a", {"b": [1, 2, 9], "x/y": 1, "m~n": 2}),
        (op("replace", "/new", 1), "new", 1),
        (op("move", "/t", **{"from": "/s"}), "t", "text"),
        (op("move", "/a/b/0", **{"from": "/a/b/2"}), "a", {"b": [3, 1, 2], "x/y": 1, "m~n": 2}),
        (op("copy", "/a/b/-", **{"from": "/s"}), "a", {"b": [1, 2, 3, "text"], "x/y": 1, "m~n": 2}),
        (op("copy", "/z", **{"from": "/nothing"}), "z", None),
        (op("test", "/a/b", [1, 2, 3]), "s", "text"),
        (op("test", "/n", None), "s", "text"),
        (op("test", "/nothing"), "s", "text"),
        (op("test", "", DOCUMENT), "s", "text"),
        (op("replace", "", {"only": 1}), "only", 1),
    ],
)
def test_json_patch_operations(operation: Tree, member: str, expected: Any) -> None:
    """Each operation does what RFC 6902 says, or what evanphx/json-patch makes of it."""
    assert patched(operation)[member] == expected


@pytest.mark.parametrize(
    "operation",
    [
        op("add", "/nope/x", 1),
        op("add", "", {}),
        op("add", "a", 1),
        op("add", "/a/b/4", 1),
        op("add", "/a/b/-5", 1),
        op("add", "/a/b/x", 1),
        op("add", "/s/x", 1),
        {"op": "add", "value": 1},
        op("remove", "/nope"),
        op("remove", "/a/b/3"),
        op("remove", "/a/b/-"),
        op("replace", "/nope/x", 1),
        op("replace", "/a/b/3", 1),
        op("replace", "", "text"),
        op("replace", "", []),
        op("move", "/x", **{"from": "/nope"}),
        op("move", "/a/b/c", **{"from": "/a/b"}),
        op("move", "/x"),
        op("copy", "/nope/x", **{"from": "/s"}),
        op("test", "/s", "other"),
        op("test", "/a/b", [1, 2]),
        op("test", "/a/b/0", True),
        op("test", "/a/b/0", 1.0),
        op("test", "/a/x~1y", None),
        op("spoil", "/a"),
        {"path": "/a"},
    ],
)
def test_json_patch_that_does_not_apply_is_rejected(operation: Tree) -> None:
    """Whatever the cause, clients get the same 422."""
    with pytest.raises(Invalid) as caught:
        patched(operation)
    assert caught.value.message == "the server rejected our request due to an error in our request"
    assert caught.value.details == {}


def test_json_patch_is_all_or_nothing() -> None:
    """Operations before a failing one leave no trace."""
    with pytest.raises(Invalid):
        patched(op("add", "/a/z", 1), op("test", "/s", "other"))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{}", "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (b"[", "unexpected end of JSON input"),
        (b'["x"]', "json: cannot unmarshal string into Go value of type handlers.jsonPatchOp"),
        (b'[{"op":1}]', "json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"),
    ],
)
def test_json_patch_must_be_a_list_of_operations(body: bytes, text: str) -> None:
    """What is no patch at all is a 400 that says why."""
    with pytest.raises(BadRequest) as caught:
        json_patch(DOCUMENT, body)
    assert caught.value.message == f"error decoding patch: {text}"


@pytest.mark.parametrize("body", [b"null", b"[]"])
def test_json_patch_without_operations_changes_nothing(body: bytes) -> None:
    """Go reads null as a list without elements."""
    assert json_patch(DOCUMENT, body) == DOCUMENT


def test_json_patch_has_a_limit_of_operations() -> None:
    """10000 operations are allowed, one more is a 413."""
    assert patched(*[op("test", "/s", "text")] * 10_000) == DOCUMENT
    with pytest.raises(RequestEntityTooLarge) as caught:
        patched(*[op("test", "/s", "text")] * 10_001)
    assert caught.value.message == (
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    )


def test_json_patch_cannot_blow_up_an_object_by_copying() -> None:
    """The copies of one patch may add up to 3 MiB."""
    text = "x" * 1_000_000
    copies = [op("copy", f"/c{i}", **{"from": "/s"}) for i in range(4)]
    assert len(json_patch({"s": text}, orjson.dumps(copies[:3]))) == 4
    with pytest.raises(Invalid):
        json_patch({"s": text}, orjson.dumps(copies))


@pytest.mark.parametrize("name", ["add", "remove"])
def test_json_patch_of_long_arrays(name: str) -> None:
    """An operation at an array's beginning moves all of it: thousands of them on a million items, which would take
    seconds, are refused, at its end they are fine."""
    long: Tree = {"x": [0] * 1_000_000}
    count = len(json_patch(long, orjson.dumps([op(name, "/x/-2", 0)] * 300))["x"])
    assert count == 1_000_000 + (300 if name == "add" else -300)
    with pytest.raises(Invalid):
        json_patch(long, orjson.dumps([op(name, "/x/0", 0)] * 300))


def nested(levels: int) -> Tree:
    return {"k": nested(levels - 1)} if levels > 1 else {}


def test_json_patch_keeps_to_the_depth() -> None:
    """The result is as deep as an object may be, and no deeper; many moves of a large value cost no look at all of it
    each."""
    document = {"down": nested(MAX_DEPTH - 2), "large": {f"k{number}": {} for number in range(50_000)}}
    bottom = "/down" + "/k" * (MAX_DEPTH - 3)
    back = op("move", "/large", **{"from": f"{bottom}/l"})
    moves = [op("move", f"{bottom}/l", **{"from": "/large"}), back]
    assert json_patch(document, orjson.dumps(moves * 2_000)) == document
    assert json_patch(document, orjson.dumps([op("add", f"{bottom}/l", {}), op("remove", "/large")]))
    with pytest.raises(Invalid):
        json_patch(document, orjson.dumps(moves[:1]))


@pytest.mark.parametrize("last", [op("remove", "/x"), op("copy", "/e", **{"from": "/d"})])
def test_json_patch_of_great_depth(last: Tree) -> None:
    """What becomes far too deep on the way is refused, whatever is done with it."""
    deeper = [
        step
        for _ in range(2_000)
        for step in (op("move", "/x/k", **{"from": "/d"}), op("move", "/d", **{"from": "/x"}), op("add", "/x", {}))
    ]
    with pytest.raises(Invalid):
        json_patch({"d": {}, "x": {}}, orjson.dumps([*deeper, last]))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"s": "new"}, {**DOCUMENT, "s": "new"}),
        ({"s": None, "nothing": None}, {key: value for key, value in DOCUMENT.items() if key != "s"}),
        ({"a": {"b": [4], "m~n": None}}, {**DOCUMENT, "a": {"b": [4], "x/y": 1}}),
        ({"a": [1, None]}, {**DOCUMENT, "a": [1, None]}),
        ({"s": {"x": 1, "y": None}}, {**DOCUMENT, "s": {"x": 1}}),
        ({"z": {"x": {"y": None}, "l": [{"k": None}, None]}}, {**DOCUMENT, "z": {"x": {}, "l": [{}, None]}}),
        ({"n": {"k": None, "l": 1}}, {**DOCUMENT, "n": {"l": 1}}),
        ({}, DOCUMENT),
    ],
)
def test_merge_patch(changes: Tree, expected: Tree) -> None:
    """Objects are merged, nulls delete, everything else replaces; the document itself stays as it was."""
    before = deepcopy(DOCUMENT)
    assert merge_patch(DOCUMENT, orjson.dumps(changes)) == expected
    assert before == DOCUMENT


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (b'"x"', "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}"),
        (b"{", "error decoding patch: unexpected end of JSON input"),
        (b"null", "Invalid JSON Patch"),
    ],
)
def test_merge_patch_must_be_an_object(body: bytes, message: str) -> None:
    """What is no object is a 400 that says why."""
    with pytest.raises(BadRequest) as caught:
        merge_patch(DOCUMENT, body)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"5", "json: cannot unmarshal number into Go value of type jsonpatch.Patch"),
        (b"[5]", "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
        (b"[", "unexpected end of JSON input"),
    ],
)
def test_unchecked_json_patch(body: bytes, text: str) -> None:
    """Without strict decoding a patch is refused in its library's words."""
    with pytest.raises(BadRequest) as caught:
        json_patch({}, body, checked=False)

    assert caught.value.message == text


@pytest.mark.parametrize("operation", [{"op": 5}, {"op": "add", "path": 5}])
def test_unchecked_operations(operation: Tree) -> None:
    """Without strict decoding an operation of a wrong type just does not apply."""
    with pytest.raises(Invalid):
        json_patch({}, orjson.dumps([operation]), checked=False)


def test_unchecked_merge_patch() -> None:
    """Without strict decoding an array takes the document's place; what is neither is no patch."""
    assert merge_patch({"a": 1}, b'[{"b":null}]', checked=False) == [{}]
    for body in (b"5", b"null", b"{"):
        with pytest.raises(BadRequest, match=r"^Invalid JSON Patch$"):
            merge_patch({}, body, checked=False)


def test_patch_faults() -> None:
    """Repeated members are faults, of a JSON patch's operations unknown ones too, into which nobody looks."""
    assert patch_faults(MERGE_PATCH, b'{"a":{"b":1,"b":2},"op":3}') == ['duplicate field "a.b"']
    assert patch_faults(JSON_PATCH, b'[{"op":"add","op":"add","path":"/a","z":1,"y":1}]') == [
        'json patch duplicate field "[0].op"',
        'json patch unknown field "[0].y"',
        'json patch unknown field "[0].z"',
    ]
    assert patch_faults(JSON_PATCH, b'[{"ops":{"a":1,"a":2},"ops":1,"value":{"a":1,"a":2}}]') == [
        'json patch duplicate field "[0].value.a"',
        'json patch unknown field "[0].ops"',
    ]
    assert patch_faults(JSON_PATCH, b"[") == patch_faults(JSON_PATCH, b"{}") == []


def test_patch_types() -> None:
    """A patch's media type is taken literally, up to the first semicolon."""
    assert patch_type("application/merge-patch+json; charset=utf-8") == MERGE_PATCH
    for content_type in ("", "Application/merge-patch+json", " application/merge-patch+json", "application/json"):
        with pytest.raises(UnsupportedMediaType):
            patch_type(content_type)
