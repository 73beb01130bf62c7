"""The JSONPath subset; results were compared with those of kube-apiserver's printer columns."""

from typing import Any

import pytest

from apiserver.machinery.jsonpath import compile_path, set_path, simple_keys

OBJECT: dict[str, Any] = {
    "metadata": {"name": "x", "annotations": {"a.b": "dotted", "it's": "quoted"}},
    "spec": {"n": 0, "list": ["one", "two", 3], "map": {"k": "v"}},
    "status": {
        "conditions": [
            {"type": "Other", "status": "False", "n": 1},
            {"type": "Ready", "status": "True", "n": 2, "flag": True},
            {"type": "Ready", "status": "Second"},
        ]
    },
}


@pytest.mark.parametrize(
    ("path", "result"),
    [
        (".metadata.name", "x"),
        ("metadata.name", "x"),
        ("$.metadata.name", "x"),
        ("{.metadata.name}", "x"),
        (".spec.n", 0),
        (".spec", OBJECT["spec"]),
        (r".metadata.annotations.a\.b", "dotted"),
        (r".metadata.annotations['a\.b']", "dotted"),
        (".metadata.annotations['a.b']", "dotted"),
        ('.metadata.annotations["it\'s"]', "quoted"),
        (r".metadata.annotations['it\'s']", "quoted"),
        (".spec.list[0]", "one"),
        (".spec.list[-1]", 3),
        (".spec.list[*]", "one"),
        (".spec.map[*]", "v"),
        ('.status.conditions[?(@.type=="Ready")].status', "True"),
        (".status.conditions[?(@.type=='Ready')].status", "True"),
        ('.status.conditions[?( @.type != "Other" )].status', "True"),
        (".status.conditions[?(@.n==2)].type", "Ready"),
        (".status.conditions[?(@.flag==true)].n", 2),
        (".status.conditions[?(@.flag)].n", 2),
        (".status.conditions[*].type", "Other"),
        (".status.conditions[1]['status']", "True"),
    ],
)
def test_first_result(path: str, result: Any) -> None:
    """A path gives its first result."""
    assert compile_path(path)(OBJECT) == result


@pytest.mark.parametrize(
    "path",
    [
        ".spec.absent",
        ".spec.n.deeper",
        ".spec.list.name",
        ".spec.list[3]",
        ".spec.list[-4]",
        ".spec.map[0]",
        ".metadata.name[*]",
        '.spec.map[?(@.k=="v")]',
        '.status.conditions[?(@.type=="None")].status',
        ".status.conditions[?(@.n==true)].type",
        '.status.conditions[?(@.absent!="x")].type',
    ],
)
def test_no_result(path: str) -> None:
    """Where a path leads nowhere there is no result, and no error."""
    assert compile_path(path)(OBJECT) is None


@pytest.mark.parametrize(
    "path",
    ["", ".", "..a", ".a[", ".a[b]", ".a['']", ".a[0:2]", ".a[?(@.n>1)]", ".a[?(@.b==c)]", ".a b", "{.a", ".a[?(.b)]"],
)
def test_bad_paths_are_refused(path: str) -> None:
    """A path outside the subset is an error when it is compiled, before any object is there."""
    with pytest.raises(ValueError, match="JSONPath"):
        compile_path(path)


def test_set_path_copies_what_it_changes() -> None:
    """The original stays as it was; what lies beside the path is shared."""
    changed = set_path(OBJECT, ".spec.n", 5)
    assert (changed["spec"]["n"], OBJECT["spec"]["n"]) == (5, 0)
    assert changed["spec"]["list"] is OBJECT["spec"]["list"]
    assert changed["status"] is OBJECT["status"]


def test_set_path_makes_missing_parents() -> None:
    """Objects on the way that are absent or null come into being."""
    assert set_path({}, ".spec.replicas", 2) == {"spec": {"replicas": 2}}
    assert set_path({"spec": None}, ".spec.replicas", 2) == {"spec": {"replicas": 2}}


def test_only_simple_paths_can_be_set() -> None:
    """What a filter or an index selects is not a place to write to."""
    assert simple_keys(".spec.replicas") == ("spec", "replicas")
    with pytest.raises(ValueError, match="must name members only"):
        set_path({}, ".spec.list[0]", 1)
