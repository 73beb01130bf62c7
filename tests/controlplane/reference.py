"""The kind as a custom resource of another group: what this server is held against."""

from typing import Any

from apiserver.kinds.website import KIND

GROUP = "reference.example.com"


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
