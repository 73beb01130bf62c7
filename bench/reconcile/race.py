"""One contender's run: many Websites at once, until all are Ready."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from apiserver.kinds.website import KIND
from apiserver.machinery.errors import Object
from bench import machine
from bench.generator import Generator, Job, Objects
from bench.reconcile.cluster import Audit, started
from bench.reconcile.contenders import SELECTOR, Contender
from bench.reconcile.progress import Progress
from bench.targets import AGGREGATOR, SERVER, Target

CONNECTIONS = 32
_WITHIN = 1200.0
_REPO = "https://example.com/site.git"


@dataclass(frozen=True)
class Outcome:
    """Seconds from the first create until all are created, until both children of each exist, until each is Ready;
    requests of the contender by verb and resource; CPU of the contender and of kube-apiserver in milliseconds a
    Website; the contender's resident memory in MiB at its highest."""

    contender: str
    websites: int
    created: float
    children: float
    ready: float
    requests: Mapping[str, int]
    cpu_ms: float
    kube_apiserver_cpu_ms: float
    peak_mib: float

    @property
    def requests_each(self) -> float:
        """Of a Website. Reviews are not: they are about who asks this server, and cached."""
        return sum(count for what, count in self.requests.items() if not what.endswith("reviews")) / self.websites

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def run(generator: Generator, contender: Contender, directory: Path, count: int) -> Outcome:
    """Raises golang.Unavailable, LoadFailed, ProcessDied, NotInTime, TimeoutError."""
    audit = Audit(directory / "audit", contender.user, KIND.plural)
    with started(directory / "cluster", audit) as plane, contender.start(plane, directory / "own") as target:
        audit.wait_collected()
        host = plane.processes["kube-apiserver"].pid
        return _measured(
            generator, contender.name, audit, replace(target, processes={**target.processes, AGGREGATOR: host}), count
        )


def _measured(generator: Generator, name: str, audit: Audit, target: Target, count: int) -> Outcome:
    pid, host = target.processes[SERVER], target.processes[AGGREGATOR]
    with ExitStack() as watches:
        children = [watches.enter_context(_existing(target, path, count)) for path in _CHILDREN]
        sites = f"/apis/{target.group}/{target.version}/namespaces/default/{target.plural}"
        ready = watches.enter_context(Progress(target, sites, count, _is_ready))
        used, since = (machine.cpu_seconds(pid), machine.cpu_seconds(host)), datetime.now(UTC).isoformat()
        begun = time.monotonic()
        generator.run(target, Objects("default", "site", count, _template(target)), _creates(count))
        created = time.monotonic()
        ready_at = ready.wait(_WITHIN)
        children_at = max(each.wait(_WITHIN) for each in children)
        audit.wait_quiet()
        spent = [machine.cpu_seconds(each) - before for each, before in zip((pid, host), used, strict=True)]
    return Outcome(
        name,
        count,
        created - begun,
        children_at - begun,
        ready_at - begun,
        dict(audit.requests(since).most_common()),
        spent[0] * 1000 / count,
        spent[1] * 1000 / count,
        machine.peak_mib(pid),
    )


_CHILDREN = ("/apis/apps/v1/namespaces/default/deployments", "/api/v1/namespaces/default/services")


def _existing(target: Target, path: str, count: int) -> Progress:
    return Progress(target, path, count, lambda _: True, SELECTOR, metadata_only=True)


def _creates(count: int) -> Job:
    return Job("create", connections=CONNECTIONS, count=count)


def _template(target: Target) -> str:
    document = {
        "apiVersion": f"{target.group}/{target.version}",
        "kind": target.kind,
        "metadata": {"name": "NAME"},
        "spec": {"gitRepo": _REPO},
    }
    return orjson.dumps(document).decode()


def _is_ready(site: Object) -> bool:
    conditions = site.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
