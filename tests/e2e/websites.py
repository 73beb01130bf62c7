"""The objects that the end-to-end tests create."""

import yaml

from tests.controlplane.kubectl import Kubectl, Object

GROUP = "extensions.example.com"
API = f"/apis/{GROUP}/v1alpha1"
COLLECTION = f"{API}/namespaces/default/websites"
REPO = "https://github.com/luksa/kubia-website-example.git"


def website(name: str = "kubia", **spec: object) -> Object:
    """A Website with a repository; a keyword that is None leaves a field out."""
    fields = {key: value for key, value in ({"gitRepo": REPO} | spec).items() if value is not None}
    return {"apiVersion": f"{GROUP}/v1alpha1", "kind": "Website", "metadata": {"name": name}, "spec": fields}


def manifest(*objects: Object) -> str:
    """YAML for `kubectl -f -`."""
    return yaml.safe_dump_all(objects)


def create(kubectl: Kubectl, name: str = "kubia", **spec: object) -> Object:
    """Creates one with kubectl; the object as the server has it."""
    kubectl("create", "-f", "-", stdin=manifest(website(name, **spec)))
    return kubectl.get("website", name)


def condition(item: Object, kind: str) -> Object:
    """The condition of this type, or {}."""
    conditions = item.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})
