"""The Website controller: a Deployment (nginx and git-sync on one volume) and a NodePort Service for each Website.

desired_* are pure; `reconcile` is their only caller. Children are found by their name and belong to a Website by a
controller ownerReference, so the cluster's garbage collector removes them with it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from apiserver.client import Client, ClientError
from apiserver.kinds.website import KIND, child_name
from apiserver.machinery.errors import NotFound, Object
from apiserver.registry.options import WriteOptions
from apiserver.registry.store import Store
from reconciler.controller import Controller, Registration
from reconciler.informer import ClientSource, Informer, Source, StoreSource, key_of
from reconciler.workqueue import WorkQueue

MANAGER = "website-controller"
GIT_SYNC_IMAGE = "registry.k8s.io/git-sync/git-sync:v4.6.0"
NGINX_IMAGE = "docker.io/nginxinc/nginx-unprivileged:1.30-alpine-slim"
_GIT_SYNC_GROUP = 65533
_TMP = "/tmp"  # noqa: S108 - a path in containers with a volume of their own there
_CONFLICT_SECONDS = 30.0
_WORKERS = 8


def labels(website: Object) -> dict[str, str]:
    """Marks a Website's children and Pods. Never changes: a Deployment's selector cannot."""
    return {"app.kubernetes.io/instance": website["metadata"]["name"], "app.kubernetes.io/name": "website"}


def _metadata(website: Object) -> Object:
    meta = website["metadata"]
    owner = {"apiVersion": KIND.api_version, "kind": KIND.kind, "name": meta["name"], "uid": meta["uid"]}
    return {
        "name": child_name(meta["name"]),
        "namespace": meta["namespace"],
        "labels": {**labels(website), "app.kubernetes.io/managed-by": MANAGER},
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }


def desired_deployment(website: Object) -> Object:
    """What a Website's Deployment must contain; other fields are left to their defaults and other owners."""
    pod_security = {
        "runAsNonRoot": True,
        "fsGroup": _GIT_SYNC_GROUP,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": pod_security,
        "containers": [_nginx(), _git_sync(website["spec"])],
        "volumes": [{"name": name, "emptyDir": {}} for name in ("content", "nginx-tmp", "git-sync-tmp")],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(website),
        "spec": {
            "replicas": website["spec"]["replicas"],
            "selector": {"matchLabels": labels(website)},
            "template": {"metadata": {"labels": labels(website)}, "spec": pod},
        },
    }


def _nginx() -> Object:
    """Serves /usr/share/nginx/html, which is git-sync's link. Ready when it listens."""
    return {
        "name": "nginx",
        "image": NGINX_IMAGE,
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 5},
        "securityContext": _container_security(),
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}},
        "volumeMounts": [
            {"name": "content", "mountPath": "/usr/share/nginx", "readOnly": True},
            {"name": "nginx-tmp", "mountPath": _TMP},
        ],
    }


def _git_sync(spec: Object) -> Object:
    """Checks the repository out and follows it. Ready after the first checkout; then a repository that cannot be
    reached is tried again for ever, so that the content stays available."""
    # The kubelet expands $(NAME) in arguments; $$ is a plain $.
    arguments = {"repo": spec["gitRepo"].replace("$", "$$")}
    if spec.get("branch"):
        arguments["ref"] = spec["branch"].replace("$", "$$")
    arguments |= {"root": "/git", "link": "html", "period": "30s", "max-failures": "-1", "http-bind": ":8081"}
    return {
        "name": "git-sync",
        "image": GIT_SYNC_IMAGE,
        "args": [f"--{name}={value}" for name, value in arguments.items()],
        "ports": [{"name": "sync", "containerPort": 8081, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "sync"}, "periodSeconds": 5},
        "securityContext": _container_security(),
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}},
        "volumeMounts": [
            {"name": "content", "mountPath": "/git"},
            {"name": "git-sync-tmp", "mountPath": _TMP},
        ],
    }


def _container_security() -> Object:
    """What Pod Security Standards' profile "restricted" asks of a container, and a read-only root on top."""
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {**restricted, "readOnlyRootFilesystem": True}


def desired_service(website: Object) -> Object:
    """What a Website's Service must contain; the cluster chooses the node port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(website),
        "spec": {
            "type": "NodePort",
            "selector": labels(website),
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
        },
    }


def desired_status(website: Object, deployment: Object, service: Object, now: datetime) -> Object:
    """What to say about a Website whose children are these; a child that it does not control says nothing."""
    meta = website["metadata"]
    counts = (deployment.get("status") or {}) if is_controlled_by(deployment, website) else {}
    status: Object = {
        "replicas": counts.get("replicas", 0),
        "readyReplicas": counts.get("readyReplicas", 0),
        "selector": ",".join(f"{key}={value}" for key, value in sorted(labels(website).items())),
        "observedGeneration": meta["generation"],
        "conditions": _conditions(website, _readiness(website, deployment, service), now),
    }
    if is_controlled_by(service, website):
        status["url"] = f"http://{service['metadata']['name']}.{meta['namespace']}.svc"
    return status


def _conditions(website: Object, verdict: dict[str, str], now: datetime) -> list[Object]:
    """The conditions with Ready as given; its lastTransitionTime moves with its status only."""
    previous = (website.get("status") or {}).get("conditions") or []
    ready = {"type": "Ready", "observedGeneration": website["metadata"]["generation"], **verdict}
    before = next((condition for condition in previous if condition["type"] == "Ready"), None)
    if before is not None and before["status"] == ready["status"]:
        ready["lastTransitionTime"] = before["lastTransitionTime"]
    else:
        ready["lastTransitionTime"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [*(condition for condition in previous if condition["type"] != "Ready"), ready]


def _readiness(website: Object, deployment: Object, service: Object) -> dict[str, str]:
    """status, reason and message of the condition Ready."""
    for kind, child in (("Deployment", deployment), ("Service", service)):
        if not is_controlled_by(child, website):
            text = f"{kind} {child['metadata']['name']} exists and is not controlled by this {KIND.kind}"
            return {"status": "False", "reason": "NameConflict", "message": text}
    status, wanted = deployment.get("status") or {}, website["spec"]["replicas"]
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return {"status": "False", "reason": "Progressing", "message": "the Deployment has not been processed yet"}
    up_to_date, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    text = f"{ready} of {wanted} replicas are ready, {up_to_date} are up to date"
    if min(up_to_date, ready) >= wanted:
        return {"status": "True", "reason": "ReplicasReady", "message": text}
    failure = next(filter(_is_failure, status.get("conditions") or []), None)
    if failure is not None:
        return {"status": "False", "reason": failure["reason"], "message": f"{text}; {failure['message']}"}
    return {"status": "False", "reason": "ReplicasNotReady", "message": text}


def _is_failure(condition: Object) -> bool:
    """A Deployment's condition that says why it does not get on."""
    return (condition["type"], condition["status"]) in (("ReplicaFailure", "True"), ("Progressing", "False"))


def controller_of(child: Object) -> Object | None:
    owners = child["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def is_controlled_by(child: Object, website: Object) -> bool:
    owner = controller_of(child)
    return owner is not None and owner["uid"] == website["metadata"]["uid"]


def owner_key(child: Object) -> str | None:
    """The key of the Website that controls a child, if one does."""
    owner = controller_of(child)
    if owner is None or (owner["apiVersion"], owner["kind"]) != (KIND.api_version, KIND.kind):
        return None
    return f"{child['metadata']['namespace']}/{owner['name']}"


def covers(live: Any, desired: Any) -> bool:
    """Whether applying `desired` would change nothing: all it says is so already. List items with a name are matched by
    it, since others may own more of them; any other list must be equal."""
    if isinstance(desired, dict):
        return isinstance(live, dict) and all(k in live and covers(live[k], v) for k, v in desired.items())
    if isinstance(desired, list) and desired and isinstance(desired[0], dict) and "name" in desired[0]:
        named = {item.get("name"): item for item in live} if isinstance(live, list) else {}
        return all(covers(named.get(item["name"]), item) for item in desired)
    return bool(live == desired)


class Cluster(Protocol):
    """What reconcile needs of the host cluster's client."""

    async def get(self, path: str) -> Object: ...
    async def apply(self, path: str, body: Object, field_manager: str) -> Object: ...


class StatusWriter(Protocol):
    """What reconcile needs of the Website Store."""

    async def update(
        self,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        options: WriteOptions = ...,
        subresource: str = ...,
    ) -> object: ...


@dataclass(frozen=True, slots=True)
class World:
    """What a reconcile sees and acts on. The mappings are informers' caches: namespace/name -> object, read only."""

    websites: Mapping[str, Object]
    deployments: Mapping[str, Object]
    services: Mapping[str, Object]
    cluster: Cluster
    store: StatusWriter
    now: Callable[[], datetime]


async def reconcile(key: str, world: World) -> float | None:
    """Makes the children what they must be, then writes the status, each only if it differs."""
    website = world.websites.get(key)
    if website is None or website["metadata"].get("deletionTimestamp"):
        return None
    deployment = await _ensure(desired_deployment(website), website, world.deployments, world.cluster)
    service = await _ensure(desired_service(website), website, world.services, world.cluster)
    await _write_status(website, deployment, service, world)
    # A child that is not ours does not tell us when it goes.
    ours = is_controlled_by(deployment, website) and is_controlled_by(service, website)
    return None if ours else _CONFLICT_SECONDS


async def _ensure(desired: Object, website: Object, cache: Mapping[str, Object], cluster: Cluster) -> Object:
    """The child as it is now. One that this Website does not control is left alone."""
    path = _path(desired)
    # The cache holds labelled objects only; another one of this name is found by asking.
    live = cache.get(key_of(desired)) or await _get(cluster, path)
    if live is not None and (not is_controlled_by(live, website) or covers(live, desired)):
        return live
    return await cluster.apply(path, desired, MANAGER)


def _path(child: Object) -> str:
    prefix, plural = ("/api", "services") if child["apiVersion"] == "v1" else ("/apis", "deployments")
    meta = child["metadata"]
    return f"{prefix}/{child['apiVersion']}/namespaces/{meta['namespace']}/{plural}/{meta['name']}"


async def _get(cluster: Cluster, path: str) -> Object | None:
    try:
        return await cluster.get(path)
    except ClientError as error:
        if error.status == 404:
            return None
        raise


async def _write_status(website: Object, deployment: Object, service: Object, world: World) -> None:
    now, meta = world.now(), website["metadata"]
    if desired_status(website, deployment, service, now) == website.get("status"):
        return

    def change(live: Object) -> Object:
        """The cached status may be older than the stored one, which has the times to keep."""
        if live["metadata"]["uid"] != meta["uid"]:
            return live
        seen = {**website, "status": live.get("status")}
        return {**live, "status": desired_status(seen, deployment, service, now)}

    try:
        options = WriteOptions(field_manager=MANAGER)
        await world.store.update(meta["namespace"], meta["name"], change, options, subresource="status")
    except NotFound:
        return


def build(store: Store, client: Client) -> Callable[[], Awaitable[None]]:
    """The controller, ready to be run (again and again, as leadership comes and goes); ends by cancellation."""
    managed = f"app.kubernetes.io/managed-by={MANAGER}"
    return partial(
        run,
        StoreSource(store),
        ClientSource(client, "/apis/apps/v1/deployments", labelSelector=managed),
        ClientSource(client, "/api/v1/services", labelSelector=managed),
        client,
        store,
    )


async def run(websites: Source, deployments: Source, services: Source, cluster: Cluster, store: StatusWriter) -> None:
    """Informers -> queue -> reconcile, until cancelled."""
    queue = WorkQueue()
    informers = [Informer(websites, KIND.plural), Informer(deployments, "deployments"), Informer(services, "services")]
    informers[0].add_handler(_enqueue(queue, key_of))
    for children in informers[1:]:
        children.add_handler(_enqueue(queue, owner_key))
    caches = [informer.cache for informer in informers]
    world = World(caches[0], caches[1], caches[2], cluster, store, partial(datetime.now, UTC))
    async with asyncio.TaskGroup() as tasks:
        for informer in informers:
            tasks.create_task(informer.run())
        await _synced(informers)
        await Controller(MANAGER, queue, partial(reconcile, world=world), _WORKERS).run()


async def _synced(informers: Iterable[Informer]) -> None:
    """A child missing from a cache that is not filled yet would be applied for nothing."""
    for informer in informers:
        await informer.has_synced.wait()


def _enqueue(queue: WorkQueue, key: Callable[[Object], str | None]) -> Callable[[Object | None, Object | None], None]:
    def handler(old: Object | None, new: Object | None) -> None:
        """Both states count: a child that changes its owner concerns the old one too."""
        for found in {key(state) for state in (old, new) if state is not None}:
            if found is not None:
                queue.add(found)

    return handler


CONTROLLER = Registration("website", KIND, build)
