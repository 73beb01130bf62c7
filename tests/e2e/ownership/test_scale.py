"""Applies to /scale are those of a built-in kind: for a custom resource kube-apiserver answers 500 to most of them."""

from typing import Any

import httpx

from tests.e2e.ownership.generator import APPLY, MERGE
from tests.kinds.rack import KIND

Tree = dict[str, Any]
NAMESPACE = "scales"
_LABELS = {"app": "a"}
_POD = {"metadata": {"labels": _LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
DEPLOYMENT: Tree = {"selector": {"matchLabels": _LABELS}, "template": _POD}


class Subject:
    """An object whose /scale is written to; `spec` is what it needs beside replicas."""

    def __init__(self, client: httpx.Client, version: str, kind: str, plural: str, spec: Tree) -> None:
        self._client, self._path = client, f"/apis/{version}/namespaces/{NAMESPACE}/{plural}/a"
        self._base: Tree = {"apiVersion": version, "kind": kind, "metadata": {"name": "a"}}
        self._spec = spec
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        client.post("/api/v1/namespaces", json=namespace).raise_for_status()

    def apply(self, manager: str, replicas: int | None) -> list[Any]:
        """To the object itself; None leaves the replicas out."""
        spec = {**self._spec, **({} if replicas is None else {"replicas": replicas})}
        return self._patched("", {**self._base, "spec": spec}, APPLY, fieldManager=manager, force="true")

    def scale(self, manager: str, replicas: int, **query: str) -> list[Any]:
        """By an apply to /scale."""
        config = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}}
        return self._patched("/scale", {**config, "spec": {"replicas": replicas}}, APPLY, fieldManager=manager, **query)

    def patch_scale(self, manager: str, replicas: int) -> list[Any]:
        return self._patched("/scale", {"spec": {"replicas": replicas}}, MERGE, fieldManager=manager)

    def _patched(self, subresource: str, body: Tree, media_type: str, **query: str) -> list[Any]:
        """What can be compared: the answer, the replicas, and who owns them."""
        headers = {"Content-Type": media_type}
        answer = self._client.patch(self._path + subresource, json=body, params=query, headers=headers)
        told = answer.json()
        refusal = [told["message"], told.get("details")] if answer.is_error else []
        stored = self._client.get(self._path).json()
        return [answer.status_code, refusal, stored["spec"].get("replicas"), _owners(stored)]


def _owners(obj: Tree) -> list[Tree]:
    """The entries that hold the replicas, without their versions, which differ; of times, whether there is one."""
    entries = obj["metadata"].get("managedFields", [])
    holding = [entry for entry in entries if "f:replicas" in entry["fieldsV1"].get("f:spec", {})]
    return [
        {name: entry.get(name) for name in ("manager", "operation", "subresource")} | {"time": "time" in entry}
        for entry in holding
    ]


def _steps(subject: Subject) -> list[list[Any]]:
    return [
        subject.apply("owner", 1),
        subject.scale("scaler", 3),
        subject.scale("scaler", 3, force="true"),
        subject.scale("scaler", 3),
        subject.scale("other", 3),
        subject.scale("other", 4),
        subject.patch_scale("hand", 5),
        subject.scale("scaler", 6),
        subject.apply("owner", 7),
        subject.scale("scaler", 6),
        subject.scale("scaler", 7),
        subject.apply("owner", None),
        subject.scale("scaler", 8),
        subject.scale("scaler", 9, dryRun="All"),
    ]


def test_apply_to_scale(reference: httpx.Client, ours: httpx.Client) -> None:
    """Conflicts in the same words, force, shared and lost replicas: as for a Deployment's /scale."""
    expected = _steps(Subject(reference, "apps/v1", "Deployment", "deployments", DEPLOYMENT))
    actual = _steps(Subject(ours, KIND.api_version, KIND.kind, KIND.plural, {"location": "x"}))
    assert actual == expected
    assert [step[0] for step in actual].count(409) >= 3
