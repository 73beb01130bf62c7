"""What operators see of work queues and control loops, under the names of client-go and controller-runtime.

Label values are the names of controllers.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from apiserver.http.metrics import Distribution, Tally

_QUEUE_BUCKETS = tuple(10.0**power for power in range(-8, 4))
_RECONCILE_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    *(1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
_NAME = ("name",)
_CONTROLLER = ("controller",)


class Instruments:
    """All instruments of one process' controllers; without a registry nobody reads them."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        to = registry or CollectorRegistry()
        self.depth = Gauge("workqueue_depth", "Keys that wait.", _NAME, registry=to)
        self.adds = Tally("workqueue_adds_total", "Keys added.", _NAME, to)
        self.retries = Tally("workqueue_retries_total", "Keys added again after a failure.", _NAME, to)
        self.waited = Distribution(
            "workqueue_queue_duration_seconds", "Time that a key waits.", _NAME, _QUEUE_BUCKETS, to
        )
        self.worked = Distribution(
            "workqueue_work_duration_seconds", "Time that a key is worked on.", _NAME, _QUEUE_BUCKETS, to
        )
        self._unfinished = Gauge(
            "workqueue_unfinished_work_seconds", "Time spent on the keys being worked on.", _NAME, registry=to
        )
        self._longest = Gauge(
            "workqueue_longest_running_processor_seconds", "Time spent on the longest of them.", _NAME, registry=to
        )
        self.reconciles = Tally("controller_runtime_reconcile_total", "Reconciles ended.", ("controller", "result"), to)
        self.errors = Tally("controller_runtime_reconcile_errors_total", "Reconciles that failed.", _CONTROLLER, to)
        self.panics = Tally("controller_runtime_reconcile_panics_total", "Reconciles that met a bug.", _CONTROLLER, to)
        self.durations = Distribution(
            "controller_runtime_reconcile_time_seconds", "Time of a reconcile.", _CONTROLLER, _RECONCILE_BUCKETS, to
        )
        self.workers = Gauge(
            "controller_runtime_max_concurrent_reconciles", "Most reconciles at a time.", _CONTROLLER, registry=to
        )
        self.active = Gauge("controller_runtime_active_workers", "Reconciles that run.", _CONTROLLER, registry=to)

        self.leads = Gauge("leader_election_master_status", "1: this process leads.", _NAME, registry=to)

    def track_work(self, name: str, ages: Callable[[], list[float]]) -> None:
        """`ages` is asked at each scrape: the seconds since each key that is worked on was handed out."""
        self._unfinished.labels(name).set_function(lambda: sum(ages()))
        self._longest.labels(name).set_function(lambda: max(ages(), default=0.0))
