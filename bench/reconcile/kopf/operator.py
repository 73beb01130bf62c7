"""A Kopf operator for Websites: what bench/reconcile holds this project's reconciler against.

It is written as Kopf's documentation teaches: handlers for create, update and resume that adopt and apply the children,
and an event handler on Deployments that writes the owner's status, here only if it differs from what was written last.
The children come from a template in JSON with @NAME@, @NAMESPACE@ and @REPO@ in it, named by $TEMPLATE; $SELECTOR is
the label, KEY=VALUE, that marks them. Kopf runs it with uvloop when that is installed.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf
from kubernetes.aio import client, config

GROUP, VERSION, PLURAL = "reference.example.com", "v1alpha1", "websites"
MANAGER = "kopf-operator"
TEMPLATE = Path(os.environ["TEMPLATE"]).read_text(encoding="utf-8")
LABEL, _, VALUE = os.environ["SELECTOR"].partition("=")


@kopf.on.startup()
async def connect(memo: kopf.Memo, **_: Any) -> None:
    await config.load_kube_config(os.environ["KUBECONFIG"])
    memo.api = client.ApiClient()
    memo.apps, memo.core = client.AppsV1Api(memo.api), client.CoreV1Api(memo.api)
    memo.custom = client.CustomObjectsApi(memo.api)
    memo.reported = {}


@kopf.on.cleanup()
async def disconnect(memo: kopf.Memo, **_: Any) -> None:
    await memo.api.close()


@kopf.on.create(GROUP, VERSION, PLURAL)
@kopf.on.update(GROUP, VERSION, PLURAL, field="spec")
@kopf.on.resume(GROUP, VERSION, PLURAL)
async def apply_children(
    name: str, namespace: str, spec: kopf.Spec, body: kopf.Body, memo: kopf.Memo, **_: Any
) -> None:
    text = TEMPLATE.replace("@NAMESPACE@", namespace).replace("@NAME@", name).replace("@REPO@", spec["gitRepo"])
    children = json.loads(text)
    deployment, service = children["deployment"], children["service"]
    deployment["spec"]["replicas"] = spec["replicas"]
    kopf.adopt([deployment, service], owner=body)
    options = {"field_manager": MANAGER, "force": True, "_content_type": "application/apply-patch+yaml"}
    await memo.apps.patch_namespaced_deployment(deployment["metadata"]["name"], namespace, deployment, **options)
    await memo.core.patch_namespaced_service(service["metadata"]["name"], namespace, service, **options)


@kopf.on.event("apps", "v1", "deployments", labels={LABEL: VALUE})
async def report(event: kopf.RawEvent, body: kopf.Body, namespace: str, memo: kopf.Memo, **_: Any) -> None:
    owner = next((each for each in body.metadata.get("ownerReferences", []) if each["kind"] == "Website"), None)
    if owner is None or event["type"] == "DELETED":
        return
    status = _status(body)
    if memo.reported.get(owner["uid"]) == status:
        return
    memo.reported[owner["uid"]] = status
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [condition | {"lastTransitionTime": now} for condition in status["conditions"]]
    await memo.custom.patch_namespaced_custom_object_status(
        GROUP,
        VERSION,
        namespace,
        PLURAL,
        owner["name"],
        {"status": status | {"conditions": conditions}},
        _content_type="application/merge-patch+json",
    )


def _status(deployment: kopf.Body) -> dict[str, Any]:
    seen, wanted = deployment.status, deployment.spec["replicas"]
    current = seen.get("observedGeneration", 0) >= deployment.metadata["generation"]
    ready = current and min(seen.get("readyReplicas", 0), seen.get("updatedReplicas", 0)) >= wanted
    condition = {
        "type": "Ready",
        "status": "True" if ready else "False",
        "reason": "ReplicasReady" if ready else "ReplicasNotReady",
        "message": f"{seen.get('readyReplicas', 0)} of {wanted} replicas are ready",
    }
    labels = sorted(deployment.spec["selector"]["matchLabels"].items())
    return {
        "replicas": seen.get("replicas", 0),
        "readyReplicas": seen.get("readyReplicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in labels),
        "url": f"http://{deployment.metadata['name']}.{deployment.metadata['namespace']}.svc",
        "conditions": [condition],
    }
