"""A kind as a custom resource: what this server is held against."""

from typing import Any

import httpx

from apiserver.kinds.website import KIND as WEBSITE
from apiserver.machinery.kind import Kind
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import SOON, eventually

GROUP = "reference.example.com"


def install(cluster: ControlPlane, kind: Kind = WEBSITE, group: str = GROUP) -> None:
    """Returns when kube-apiserver serves the kind in this group. Raises NotInTime."""
    cluster.kubectl().apply(custom_resource(kind, group))
    path = f"/apis/{group}/{kind.version}/{kind.plural}"
    with cluster.http() as client:
        eventually(lambda: client.get(path).status_code == httpx.codes.OK, SOON, "it is served")


def custom_resource(kind: Kind = WEBSITE, group: str = GROUP) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind with status and scale."""
    assert kind.scale is not None
    scale = {
        "specReplicasPath": kind.scale.spec_replicas,
        "statusReplicasPath": kind.scale.status_replicas,
        "labelSelectorPath": kind.scale.selector,
    }
    columns = [{"name": each.name, "type": each.type, "jsonPath": each.path} for each in kind.columns]
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": kind.schema},
        "subresources": {"status": {}, "scale": scale},
        "additionalPrinterColumns": columns,
    }
    names = {
        "plural": kind.plural,
        "singular": kind.singular,
        "kind": kind.kind,
        "listKind": kind.list_kind,
        "shortNames": list(kind.short_names),
        "categories": list(kind.categories),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
