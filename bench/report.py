"""Results as Markdown."""

from collections.abc import Callable, Sequence

from bench.chart import COLORS, Bar, Group, bars
from bench.comparison import Measurement, cpu, p99, ratio, typical
from bench.generator import Figures
from bench.markdown import facts, median_text, ratio_text, table
from bench.objects import SIZE
from bench.operations import AGGREGATED, CREATE, TABLE, WATCH
from bench.table import Results
from bench.targets import AGGREGATOR, ETCD, KUBE, SAMPLE, SQLITE

MEMORY_GOAL = 2.0
NAMES = (KUBE, SAMPLE, ETCD, SQLITE)

_SETTING = """\
Everything runs on one machine; TLS, HTTP/1.1, a bearer token. Each server has {objects:.0f} objects of {size} bytes \
(as answered, managedFields included). kube-apiserver knows the token from a file, so does this server in standalone \
mode (SQLite); sample-apiserver and this server on etcd are registered in the cluster and ask kube-apiserver by a \
TokenReview, which they cache. Each of the three has an etcd of its own, without fsync, and without TLS for \
kube-apiserver alone; SQLite syncs. No controllers run, except standalone mode's garbage collector.

CPU is that of the server's process and its children, user and system, divided by the operations. Ratios are \
sample-apiserver's CPU divided by this server's within a round; given are the median of {rounds:.0f} rounds and, in \
parentheses, the lowest and the highest. A measurement takes {seconds:g} s after a warm-up; servers take turns.
"""


def markdown(results: Results, picture: str) -> str:
    """The whole of results.md; `picture` is the file of the plot."""
    direct = results.direct
    parts = [
        "# Benchmark",
        "Made by `make bench`; the raw figures are in the JSON file beside this one. How the reconciler compares with "
        "others is in [reconcile.md](reconcile.md).",
        facts(results.facts),
        _SETTING.format(size=SIZE, **results.setting),
        f"![times cheaper than sample-apiserver]({picture})",
        "## CPU per operation",
        _cpu_table(direct),
        "## Memory, MiB",
        _memory_table(results),
        "## Throughput, operations per second",
        _figure_table(direct, lambda figures: figures.per_second, "{:,.0f}"),
        _sqlite(direct),
        "## Latency, median and 99th percentile, milliseconds",
        _latency_table(direct),
        _delivery(direct),
        "## By way of kube-apiserver, CPU in microseconds",
        _aggregated_table(results.aggregated),
        "## The load generator",
        _client(direct),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def _cpu_table(direct: Sequence[Measurement]) -> str:
    rows = []
    for operation in TABLE:
        cells = [median_text(typical(direct, operation.name, name, cpu), "{:,.0f} µs") for name in NAMES]
        goal = f"{operation.goal:g}x" if operation.goal else ""
        ratios = [ratio_text(ratio(direct, operation.name, SAMPLE, name)) for name in (ETCD, SQLITE)]
        rows.append([operation.name, *cells, *ratios, goal, _met(direct, operation.name, operation.goal)])
    heads = ["operation", *NAMES, f"ratio {ETCD}", f"ratio {SQLITE}", "goal", "reached"]
    return table(heads, rows)


def _met(direct: Sequence[Measurement], name: str, goal: float | None) -> str:
    found = ratio(direct, name, SAMPLE, ETCD)
    if found is None or goal is None:
        return ""
    return "yes" if found.median >= goal else "no"


def _memory_table(results: Results) -> str:
    rows = []
    for what, memory in (("filled", results.memory_filled), ("after all of it", results.memory_after)):
        ratios = [memory[SAMPLE] / memory[name] for name in (ETCD, SQLITE)]
        reached = "yes" if ratios[0] >= MEMORY_GOAL else "no"
        cells = [f"{memory[name]:.0f}" for name in NAMES]
        rows.append([what, *cells, *(f"{each:.1f}x" for each in ratios), f"{MEMORY_GOAL:g}x", reached])
    return table(["resident", *NAMES, f"ratio {ETCD}", f"ratio {SQLITE}", "goal", "reached"], rows)


def _figure_table(direct: Sequence[Measurement], value: Callable[[Figures], float], form: str) -> str:
    rows = [
        [each.name, *(median_text(typical(direct, each.name, name, value), form) for name in NAMES)] for each in TABLE
    ]
    return table(["operation", *NAMES], rows)


def _latency_table(direct: Sequence[Measurement]) -> str:
    rows = []
    for each in TABLE:
        halves = [typical(direct, each.name, name, lambda figures: figures.p50_ms) for name in NAMES]
        highs = [typical(direct, each.name, name, p99) for name in NAMES]
        texts = [[median_text(spread, "{:,.1f}") for spread in pair] for pair in zip(halves, highs, strict=True)]
        rows.append([each.name, *(" / ".join(pair) for pair in texts)])
    return table(["operation", *NAMES], rows)


def _delivery(direct: Sequence[Measurement]) -> str:
    found = ratio(direct, WATCH.name, SAMPLE, ETCD, p99)
    if found is None:
        return ""
    reached = "no worse" if found.median >= 1 else "worse"
    return f"Watch events, 99th percentile: {reached}; sample-apiserver's time divided by this: {ratio_text(found)}."


def _sqlite(direct: Sequence[Measurement]) -> str:
    found = typical(direct, CREATE.name, SQLITE, lambda figures: figures.per_second)
    return f"SQLite takes {median_text(found, '{:,.0f}')} writes a second from 64 connections." if found else ""


def _aggregated_table(aggregated: Sequence[Measurement]) -> str:
    rows = []
    for operation in AGGREGATED:
        cells = []
        for name in (SAMPLE, ETCD):
            cells.append(median_text(typical(aggregated, operation.name, name, cpu), "{:,.0f}"))
            cells.append(median_text(typical(aggregated, operation.name, name, _aggregator), "{:,.0f}"))
        rows.append([operation.name, *cells, ratio_text(ratio(aggregated, operation.name, SAMPLE, ETCD))])
    columns = [head for name in (SAMPLE, ETCD) for head in (name, "kube-apiserver before it")]
    return table(["operation", *columns, "ratio of servers"], rows)


def _aggregator(figures: Figures) -> float:
    return figures.cpu_us_per_operation[AGGREGATOR]


def _client(direct: Sequence[Measurement]) -> str:
    costs = _figure_table(direct, lambda figures: figures.client_cpu_us_per_operation, "{:,.0f} µs")
    cores = max(each.figures.client_cores for each in direct)
    return f"At most {cores:.1f} cores in use. Its own CPU per operation, by the server that it drove:\n\n{costs}"


def plot(direct: Sequence[Measurement]) -> str:
    """The ratios as SVG."""
    groups = []
    for operation in TABLE:
        drawn = []
        for name, color in zip((ETCD, SQLITE), COLORS[2:], strict=True):
            if found := ratio(direct, operation.name, SAMPLE, name):
                drawn.append(Bar(name, found.median, found.low, found.high, color))
        groups.append(Group(operation.name, drawn, operation.goal))
    return bars(groups, "CPU per operation: times cheaper than sample-apiserver (dashed: goal)")
