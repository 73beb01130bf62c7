"""Metrics under kube-apiserver's names and labels (wire.md 8.3).

Label values are bounded: a resource that is not served, a method that HTTP does not know and a subresource that no kind
has are "" or "other". Counting costs a dictionary's look-up; everything runs on one event loop, and a scrape in another
thread sees each number whole.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

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


class Counter:
    """One number of a Tally, for who counts often."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Tally(Collector):
    """A counter under exactly its name: the library's own would append _total, which some of Kubernetes' lack."""

    def __init__(self, name: str, documentation: str, labels: tuple[str, ...], registry: CollectorRegistry) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._counters: dict[Labels, Counter] = {}
        registry.register(self)

    def counter(self, values: Labels) -> Counter:
        """The one with these label values."""
        counter = self._counters.get(values)
        if counter is None:
            counter = self._counters[values] = Counter()
        return counter

    def add(self, values: Labels) -> None:
        self.counter(values).value += 1

    def collect(self) -> Iterator[Metric]:
        kind = "counter" if self._name.endswith("_total") else "unknown"
        metric = Metric(self._name.removesuffix("_total"), self._documentation, kind)
        for values, counter in list(self._counters.items()):
            metric.add_sample(self._name, dict(zip(self._labels, values, strict=True)), counter.value)
        yield metric


class Histogram:
    """One of a Distribution's. `counts`: how many observations fell into each bucket (the last: above all)."""

    __slots__ = ("_buckets", "counts", "total")

    def __init__(self, buckets: Sequence[float]) -> None:
        self._buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.total = 0.0

    def observe(self, amount: float) -> None:
        self.counts[bisect_left(self._buckets, amount)] += 1
        self.total += amount


class Distribution(Collector):
    """Histograms by label values. The library's own takes several locks for each observation."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: tuple[str, ...],
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._documentation, self._labels = name, documentation, labels
        self._buckets = tuple(buckets)
        self._histograms: dict[Labels, Histogram] = {}
        registry.register(self)

    def histogram(self, values: Labels) -> Histogram:
        """The one with these label values."""
        histogram = self._histograms.get(values)
        if histogram is None:
            histogram = self._histograms[values] = Histogram(self._buckets)
        return histogram

    def observe(self, values: Labels, amount: float) -> None:
        self.histogram(values).observe(amount)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        bounds = [*map(floatToGoString, self._buckets), "+Inf"]
        for values, histogram in list(self._histograms.items()):
            buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
            family.add_metric(values, buckets, histogram.total)
        yield family


class _Series:
    """The instruments of requests with the same label values. `counters`: by the answer's code."""

    __slots__ = ("counters", "duration", "size")

    def __init__(self, duration: Histogram, size: Histogram | None) -> None:
        self.counters: dict[int, Counter] = {}
        self.duration, self.size = duration, size


class Metrics:
    """All instruments of one server. `served`: the resources whose names may become labels."""

    def __init__(self, served: Collection[GroupVersionResource] = ()) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._served = frozenset(served)
        self._series: dict[Labels, _Series] = {}
        self._counts: dict[str, Callable[[], float]] = {}
        self._requests = self._tally("apiserver_request_total", "Requests answered.", (*_REQUEST, "code"))
        self._durations = Distribution(
            "apiserver_request_duration_seconds",
            "Time from a request's headers to the end of its answer.",
            _REQUEST,
            _DURATION_BUCKETS,
            self.registry,
        )
        self._sizes = Distribution(
            "apiserver_response_sizes",
            "Bytes of the bodies of answers to reads.",
            _REQUEST[:1] + _REQUEST[2:],
            _SIZE_BUCKETS,
            self.registry,
        )
        self._longrunning = self._gauge(
            "apiserver_longrunning_requests", "Watches that run.", _REQUEST[:1] + _REQUEST[2:]
        )
        self._inflight = self._gauge("apiserver_current_inflight_requests", "Requests that run.", ("request_kind",))
        self._objects = self._gauge("apiserver_storage_objects", "Objects stored.", ("resource",))
        self.watch_events = self._tally("apiserver_watch_events_total", "Events sent to watches.", _RESOURCE)
        self._host_requests = self._tally(
            "rest_client_requests_total", "Requests to the host cluster.", ("method", "code")
        )
        self.authentication = self._tally("authentication_attempts", "Attempts to authenticate.", ("result",))
        self.authorization = self._tally("authorization_attempts_total", "Attempts to authorize.", ("result",))

    def _tally(self, name: str, documentation: str, labels: tuple[str, ...]) -> Tally:
        return Tally(name, documentation, labels, self.registry)

    def _gauge(self, name: str, documentation: str, labels: tuple[str, ...]) -> Gauge:
        return Gauge(name, documentation, labels, registry=self.registry)

    def labels(self, info: RequestInfo, apply: bool = False) -> Labels:
        """The request's label values; `apply`: the patch is a server-side apply."""
        verb = "APPLY" if apply else _VERBS.get(info.verb, "other")
        dry_run = "All" if info.query and first(info.query, "dryRun") == "All" else ""
        if not info.is_resource:
            return (verb, dry_run, "", "", "", "", "", "apiserver")
        resource = (info.group, info.version, info.resource)
        if resource not in self._served:
            return (verb, dry_run, "", "", "", "", _scope(info), "apiserver")
        subresource = info.subresource if info.subresource in _SUBRESOURCES else ""
        return (verb, dry_run, *resource, subresource, _scope(info), "apiserver")

    def finished(self, labels: Labels, code: int, seconds: float, size: int) -> None:
        """`size`: bytes of the answer's body."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._series_of(labels)
        counter = series.counters.get(code)
        if counter is None:
            counter = series.counters[code] = self._requests.counter((*labels, str(code)))
        counter.value += 1
        series.duration.observe(seconds)
        if series.size is not None:
            series.size.observe(size)

    def _series_of(self, labels: Labels) -> _Series:
        size = self._sizes.histogram(labels[:1] + labels[2:]) if labels[0] in ("GET", "LIST") else None
        return _Series(self._durations.histogram(labels), size)

    def longrunning(self, labels: Labels, change: int) -> None:
        """`change`: 1 when a watch starts, -1 when it ends."""
        self._longrunning.labels(*labels[:1], *labels[2:]).inc(change)

    def track_inflight(self, request_kind: str, count: Callable[[], float]) -> None:
        """`count` is asked at each scrape, by the thread that makes it."""
        self._inflight.labels(request_kind).set_function(count)

    def track_objects(self, resource: str, count: Callable[[], float]) -> None:
        """`resource`: plural and group, such as deployments.apps. `count` is asked by `count_objects`."""
        self._counts[resource] = count

    def count_objects(self) -> None:
        """Before each scrape, on the event loop: what is counted changes there."""
        for resource, count in self._counts.items():
            self._objects.labels(resource).set(count())

    def host_request(self, method: str, code: str) -> None:
        """`code`: HTTP's, or "<error>" when nobody answered."""
        self._host_requests.add((method, code))


def _scope(info: RequestInfo) -> str:
    if info.name or info.verb == "create":
        return "resource"
    return "namespace" if info.namespace else "cluster"
