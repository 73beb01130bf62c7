"""Metrics under kube-apiserver's names and labels (wire.md 8.3).

Label values are bounded: a resource that is not served, a method that HTTP does not know and a subresource that no kind
has are "" or "other". Counting costs a dictionary's look-up; everything runs on one event loop, and a scrape in another
thread sees each number whole.
"""

from collections.abc import Callable, Collection, Iterator

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from apiserver.machinery.request import RequestInfo, first

Labels = tuple[str, ...]
GroupVersionResource = tuple[str, str, str]

_VERBS = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
    "post": "POST",
    "put": "PUT",
    "head": "HEAD",
}
_SUBRESOURCES = frozenset(("", "status", "scale"))
_REQUEST = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component")
_RESOURCE = ("group", "version", "resource")
_DURATION_BUCKETS = (
    *(0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2, 3),
    *(4, 5, 6, 8, 10, 15, 20, 30, 45, 60),
)
_SIZE_BUCKETS = tuple(10.0**power for power in range(3, 10))


class Tally(Collector):
    """A counter under exactly its name: the library's own would append _total, which some of Kubernetes' lack."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._counts: dict[Labels, int] = {}
        registry.register(self)

    def add(self, values: Labels, count: int = 1) -> None:
        self._counts[values] = self._counts.get(values, 0) + count

    def collect(self) -> Iterator[Metric]:
        kind = "counter" if self._name.endswith("_total") else "unknown"
        metric = Metric(self._name.removesuffix("_total"), self._documentation, kind)
        for values, count in list(self._counts.items()):
            metric.add_sample(self._name, dict(zip(self._labels, values, strict=True)), count)
        yield metric


class Metrics:
    """All instruments of one server. `served`: the resources whose names may become labels.

    `_durations`, `_sizes`, `_running`: the children by label values, since the library's own look-up costs more."""

    def __init__(self, served: Collection[GroupVersionResource] = ()) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._served = frozenset(served)
        self._requests = self._tally("apiserver_request_total", "Requests answered.", (*_REQUEST, "code"))
        self._duration = Histogram(
            "apiserver_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            _REQUEST,
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )
        self._size = Histogram(
            "apiserver_response_sizes",
            "Bytes of the bodies of answers to reads.",
            _REQUEST[:1] + _REQUEST[2:],
            buckets=_SIZE_BUCKETS,
            registry=self.registry,
        )
        self._longrunning = self._gauge(
            "apiserver_longrunning_requests", "Watches that run.", _REQUEST[:1] + _REQUEST[2:]
        )
        self._inflight = self._gauge("apiserver_current_inflight_requests", "Requests that run.", ("request_kind",))
        self._objects = self._gauge("apiserver_storage_objects", "Objects stored.", ("resource",))
        self._watch_events = self._tally("apiserver_watch_events_total", "Events sent to watches.", _RESOURCE)
        self.authentication = self._tally("authentication_attempts", "Attempts to authenticate.", ("result",))
        self.authorization = self._tally("authorization_attempts_total", "Attempts to authorize.", ("result",))
        self._durations: dict[Labels, Histogram] = {}
        self._sizes: dict[Labels, Histogram] = {}
        self._running: dict[Labels, Gauge] = {}

    def _tally(self, name: str, documentation: str, labels: tuple[str, ...]) -> Tally:
        return Tally(name, documentation, labels, self.registry)

    def _gauge(self, name: str, documentation: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(name, documentation, labels, registry=self.registry)

    def labels(self, info: RequestInfo, apply: bool = False) -> Labels:
        """The request's label values; `apply`: the patch is a server-side apply."""
        verb = "APPLY" if apply else _VERBS.get(info.verb, "other")
        dry_run = "All" if first(info.query, "dryRun") == "All" else ""
        if not info.is_resource:
            return (verb, dry_run, "", "", "", "", "", "apiserver")
        resource = (info.group, info.version, info.resource)
        if resource not in self._served:
            return (verb, dry_run, "", "", "", "", _scope(info), "apiserver")
        subresource = info.subresource if info.subresource in _SUBRESOURCES else ""
        return (verb, dry_run, *resource, subresource, _scope(info), "apiserver")

    def finished(self, labels: Labels, code: int, seconds: float, size: int) -> None:
        """`size`: bytes of the answer's body."""
        self._requests.add((*labels, str(code)))
        duration = self._durations.get(labels)
        if duration is None:
            duration = self._durations[labels] = self._duration.labels(*labels)
        duration.observe(seconds)
        if labels[0] in ("GET", "LIST"):
            self._observe_size(labels, size)

    def _observe_size(self, labels: Labels, size: int) -> None:
        child = self._sizes.get(labels)
        if child is None:
            child = self._sizes[labels] = self._size.labels(*labels[:1], *labels[2:])
        child.observe(size)

    def longrunning(self, labels: Labels, change: int) -> None:
        """`change`: 1 when a watch starts, -1 when it ends."""
        child = self._running.get(labels)
        if child is None:
            child = self._running[labels] = self._longrunning.labels(*labels[:1], *labels[2:])
        child.inc(change)

    def track_inflight(self, request_kind: str, count: Callable[[], float]) -> None:
        """`count` is asked at each scrape, as that of `track_objects` is."""
        self._inflight.labels(request_kind).set_function(count)

    def track_objects(self, resource: str, count: Callable[[], float]) -> None:
        """`resource`: plural and group, such as deployments.apps."""
        self._objects.labels(resource).set_function(count)

    def watch_events(self, resource: GroupVersionResource, count: int) -> None:
        self._watch_events.add(resource, count)


def _scope(info: RequestInfo) -> str:
    if info.name or info.verb == "create":
        return "resource"
    return "namespace" if info.namespace else "cluster"
