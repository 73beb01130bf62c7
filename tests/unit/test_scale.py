"""apiserver.machinery.scale: the Scale of an object, and whose its replicas are."""

from typing import Any

import pytest

from apiserver.machinery import scale
from apiserver.machinery.errors import BadRequest, Conflict, InternalError, Object
from apiserver.machinery.managedfields import Write
from tests.kinds.rack import KIND

NOW, LATER = "2024-01-01T00:00:00Z", "2024-01-01T00:01:00Z"


def rack(spec: Object, *managers: Object, **status: Any) -> Object:
    meta: Object = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "5"}
    if managers:
        meta["managedFields"] = list(managers)
    made = {
        "apiVersion": KIND.api_version,
        "kind": KIND.kind,
        "metadata": meta,
        "spec": {"power": {"mode": "air"}} | spec,
    }
    return {**made, "status": status} if status else made


def owner(manager: str, operation: str, *fields: str, time: str = NOW, subresource: str = "") -> Object:
    owned: Object = {"f:spec": {f"f:{name}": {} for name in fields}}
    made: Object = {
        "manager": manager,
        "operation": operation,
        "apiVersion": KIND.api_version,
        "fieldsType": "FieldsV1",
    }
    extra = {"time": time, "subresource": subresource}
    return {**made, "fieldsV1": owned} | {key: value for key, value in extra.items() if value}


def write(manager: str) -> Write:
    return Write(manager, KIND.api_version, "scale", LATER, frozenset())


def scaled(parent: Object, replicas: int, manager: str = "hpa") -> Object:
    return scale.updated(KIND, parent, lambda live: {**live, "spec": {"replicas": replicas}}, write(manager))


def applied(parent: Object, replicas: int, manager: str = "hpa", *, force: bool = False) -> Object:
    config = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "a"},
        "spec": {"replicas": replicas},
    }
    return scale.applied(KIND, parent, config, write(manager), force=force)


def test_view() -> None:
    """The parent's identity and three of its members, in the order of Go's struct; 0 is left out of spec."""
    parent = rack({"replicas": 2}, replicas=1, selector="a=b")
    assert list(scale.view(KIND, parent)) == ["kind", "apiVersion", "metadata", "spec", "status"]
    assert scale.view(KIND, parent)["status"] == {"replicas": 1, "selector": "a=b"}
    assert scale.view(KIND, rack({"replicas": 0})) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "5"},
        "spec": {},
        "status": {"replicas": 0},
    }


def test_replicas_that_are_not_there() -> None:
    """Nobody can read them; a write must say how many."""
    with pytest.raises(InternalError, match=r'the spec replicas field "\.spec\.replicas" does not exist'):
        scale.shown(KIND, rack({}))
    with pytest.raises(BadRequest, match=r'the spec replicas field "\.spec\.replicas" cannot be empty'):
        scale.updated(KIND, rack({}), lambda live: live, write("hpa"))
    assert scaled(rack({}), 0)["spec"]["replicas"] == 0


def test_what_is_new_on_the_way_gets_its_defaults() -> None:
    """An object that has lost its spec gets one."""
    parent = rack({})
    del parent["spec"]
    assert scaled(parent, 3)["spec"] == {"replicas": 3, "power": {"mode": "air"}}


def test_scaling_takes_the_replicas_only() -> None:
    """Who owned them keeps the rest; the new owner's entry has no time, as from kube-apiserver."""
    made = scaled(rack({"replicas": 1, "location": "x"}, owner("m", "Apply", "location", "replicas")), 3)
    assert made["metadata"]["managedFields"] == [
        owner("m", "Apply", "location"),
        owner("hpa", "Update", "replicas", time="", subresource="scale"),
    ]


def test_scaling_to_none_leaves_no_owner() -> None:
    """0 is not written, so that nobody owns it."""
    made = scaled(rack({"replicas": 1}, owner("m", "Apply", "replicas")), 0)
    assert (made["spec"]["replicas"], made["metadata"].get("managedFields")) == (0, None)


def test_scaling_what_nobody_owns_is_not_tracked() -> None:
    """As an object without managedFields is not."""
    made = scaled(rack({"replicas": 1, "location": "x"}, owner("m", "Apply", "location")), 3)
    assert made["metadata"]["managedFields"] == [owner("m", "Apply", "location")]


def test_apply() -> None:
    """Another number is a conflict; force takes the replicas, and no other field, from their owner."""
    parent = rack({"replicas": 1, "location": "x"}, owner("m", "Apply", "location", "replicas"))
    with pytest.raises(Conflict) as caught:
        applied(parent, 3)
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "m": .spec.replicas'
    forced = applied(parent, 3, force=True)
    assert forced["spec"]["replicas"] == 3
    assert forced["metadata"]["managedFields"] == [
        owner("hpa", "Apply", "replicas", time="", subresource="scale"),
        owner("m", "Apply", "location"),
    ]


def test_apply_of_the_same_number() -> None:
    """Is shared, and changes nothing else."""
    made = applied(rack({"replicas": 3}, owner("m", "Apply", "replicas")), 3)
    managers = [(entry["manager"], entry["fieldsV1"]) for entry in made["metadata"]["managedFields"]]
    assert managers == [("hpa", {"f:spec": {"f:replicas": {}}}), ("m", {"f:spec": {"f:replicas": {}}})]


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (
            {"spec": {"replicas": "x"}},
            "cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32",
        ),
        (
            {"spec": {"replicas": 2**31}},
            "cannot unmarshal number 2147483648 into Go struct field ScaleSpec.spec.replicas",
        ),
        ({"spec": 5}, "cannot unmarshal number into Go struct field Scale.spec of type v1.ScaleSpec"),
        (
            {"metadata": {"name": 5}},
            "cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string",
        ),
        ({"kind": "Foo"}, 'no kind "Foo" is registered for version "autoscaling/v1"'),
        ({"spec": None, "status": {"replicas": 1}}, ""),
    ],
)
def test_faults(tree: Object, text: str) -> None:
    """Go's words for what is no Scale."""
    assert text in scale.fault({"apiVersion": "autoscaling/v1", "kind": "Scale", **tree})
