"""The kind as a custom resource of another group: what this server is held against."""

from typing import Any

import httpx

from apiserver.kinds.website import KIND
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import eventually

GROUP = "reference.example.com"
_SERVED_WITHIN = 60.0


def install(cluster: ControlPlane) -> None:
    """Returns when kube-apiserver serves it. Raises NotInTime."""
    cluster.kubectl().apply(custom_resource())
    path = f"/apis/{GROUP}/{KIND.version}/{KIND.plural}"
    with cluster.http() as client:
        eventually(lambda: client.get(path).status_code == httpx.codes.OK, _SERVED_WITHIN, "it is served")


def custom_resource() -> dict[str, Any]:
    """Its CustomResourceDefinition."""
    assert KIND.scale is not None
    scale = {
        "specReplicasPath": KIND.scale.spec_replicas,
        "statusReplicasPath": KIND.scale.status_replicas,
        "labelSelectorPath": KIND.scale.selector,
    }
    columns = [{"name": each.name, "type": each.type, "jsonPath": each.path} for each in KIND.columns]
    version = {
        "name": KIND.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": KIND.schema},
        "subresources": {"status": {}, "scale": scale},
        "additionalPrinterColumns": columns,
    }
    names = {
        "plural": KIND.plural,
        "singular": KIND.singular,
        "kind": KIND.kind,
        "listKind": KIND.list_kind,
        "shortNames": list(KIND.short_names),
        "categories": list(KIND.categories),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{KIND.plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }
