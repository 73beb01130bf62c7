"""Whose an object is, and whose its fields are."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from apiserver.kinds.website import KIND
from apiserver.machinery.errors import Object
from reconciler.ownership import covers, in_step, is_controlled_by, owner_key, scaled_by_others
from tests.unit.reconciling import service, website


@pytest.mark.parametrize(
    ("live", "desired", "covered"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        (None, {"a": 1}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ([{"name": "x", "v": 1}, {"name": "y"}], [{"name": "x"}], True),
        ([{"name": "y"}, {"name": "x", "v": 1}], [{"name": "x", "v": 1}], True),
        ([{"name": "y"}], [{"name": "x"}], False),
        ([{"name": "x", "v": 1}, {"name": "x", "v": 2}], [{"name": "x", "v": 1}], True),
        (None, [{"name": "x"}], False),
        (["a", "b"], ["a"], False),
        (["a"], ["a"], True),
    ],
)
def test_covers(live: Any, desired: Any, covered: bool) -> None:
    """Fields and items that others own do not matter, ours must be as wanted; lists of plain values must be equal."""
    assert covers(live, desired) is covered


def applied(fields: Object, manager: str = "me", operation: str = "Apply") -> Object:
    entry = {"manager": manager, "operation": operation, "fieldsV1": fields}
    live = {"spec": {"a": 1, "list": [{"name": "x", "port": 1, "v": 2}], "plain": ["p"]}}
    return {**live, "metadata": {"managedFields": [entry]}}


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"f:spec": {"f:a": {}}}, True),
        ({"f:spec": {".": {}, "f:list": {'k:{"name":"x"}': {".": {}, "f:v": {}}}}}, True),
        ({"f:spec": {"f:plain": {'v:"p"': {}}}}, True),
        ({"f:spec": {"f:gone": {}}}, False),
        ({"f:spec": {"f:list": {'k:{"name":"x"}': {"f:gone": {}}}}}, False),
        ({"f:spec": {"f:list": {'k:{"name":"y"}': {}}}}, False),
        ({"f:other": {"f:a": {}}}, False),
    ],
)
def test_fields_given_up_are_a_difference(fields: Object, same: bool) -> None:
    """What was applied once and is not wanted any more must be applied away, although all that is wanted is there."""
    live = applied(fields)
    desired = {"spec": live["spec"]}

    assert in_step(live, desired, "me") is same
    assert in_step(applied(fields, "another"), desired, "me")
    assert in_step(applied(fields, "me", "Update"), desired, "me")
    del live["metadata"]["managedFields"][0]["manager"]
    assert in_step(live, desired, "me")


def test_owner_key() -> None:
    """A child leads to its owner; one of another controller, or of none, leads nowhere."""
    child = service()
    other = copy.deepcopy(child)
    other["metadata"]["ownerReferences"][0]["kind"] = "Blog"
    orphan = copy.deepcopy(child)
    orphan["metadata"]["ownerReferences"][0]["controller"] = False

    assert owner_key(child, KIND) == "ns/kubia"
    assert owner_key(child, replace(KIND, namespaced=False)) == "kubia"
    for lost in (other, orphan, {"metadata": {"name": "x"}}):
        assert owner_key(lost, KIND) is None
    assert is_controlled_by(child, website())
    assert not is_controlled_by(orphan, website())


@pytest.mark.parametrize(
    ("manager", "subresource", "fields", "scaled"),
    [
        ("kube-controller-manager", "scale", {"f:spec": {"f:replicas": {}}}, True),
        ("kube-controller-manager", "status", {"f:status": {"f:replicas": {}}}, False),
        ("kubectl", "scale", {"f:spec": {"f:replicas": {}}}, False),
        ("kubectl-edit", "", {"f:spec": {"f:replicas": {}}}, False),
        ("keda", "scale", {"f:spec": {}}, False),
        ("", "scale", {"f:spec": {"f:replicas": {}}}, True),
    ],
)
def test_scaled_by_others(manager: str, subresource: str, fields: Object, scaled: bool) -> None:
    """An autoscaler writes replicas through the scale subresource; a person with kubectl is none."""
    entry = {"operation": "Update", "fieldsV1": fields}
    more = {name: value for name, value in (("manager", manager), ("subresource", subresource)) if value}

    assert scaled_by_others({"metadata": {"managedFields": [entry | more]}}) is scaled
