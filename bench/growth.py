"""`make bench-growth`: how cost grows with the objects kept, the watchers, and the connections."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench import machine, objects, targets
from bench.chart import COLORS, Line, lines
from bench.comparison import Measurement, Value, cpu, p99, typical
from bench.generator import Generator, Job
from bench.markdown import facts, table
from bench.operations import Operation, Pace, Subject, rounds
from bench.table import memory
from bench.targets import ETCD, KUBE, SAMPLE, SQLITE, Targets
from tests.controlplane.golang import Report

NAMES = (KUBE, SAMPLE, ETCD, SQLITE)


@dataclass(frozen=True)
class Series:
    """What is measured at each of some values of what grows."""

    name: str
    axis: str
    job: Callable[[int], Job]
    unit: str = "µs of CPU"
    value: Value = cpu

    def operation(self, at: int) -> Operation:
        """Measured under a name of its own."""
        return Operation(f"{self.name} at {at} {self.axis}", self.job(at))


OBJECTS = (
    Series("GET", "objects", lambda _: Job("get", 64)),
    Series("LIST", "objects", lambda _: Job("list", 4)),
    Series("CREATE", "objects", lambda _: Job("create", 64)),
)
CONNECTIONS = (
    Series("GET", "connections", lambda at: Job("get", at)),
    Series("CREATE", "connections", lambda at: Job("create", at)),
)
WATCHERS = Series("WATCH, per event", "watchers", lambda at: Job("watch", at, count=60, rate=10))
DELIVERY = replace(WATCHERS, unit="ms to delivery, 99th percentile", value=p99)
CONNECTION_COUNTS, WATCHER_COUNTS = (1, 4, 16, 64, 256), (10, 100, 1000)


@dataclass(frozen=True)
class Grown:
    """Everything that a run has measured; `memory` is objects -> server -> MiB."""

    facts: Mapping[str, str]
    steps: tuple[int, ...]
    measurements: tuple[Measurement, ...]
    memory: Mapping[str, Mapping[str, float]]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def run(generator: Generator, directory: Path, most: int, pace: Pace, say: Report) -> Grown:
    """With up to `most` objects in each server; watchers and connections are counted with a tenth of them. Raises
    golang.Unavailable, LoadFailed, ProcessDied or NotInTime."""
    steps = (most // 100, most // 10, most)
    measurements: list[Measurement] = []
    resident: dict[str, dict[str, float]] = {}
    described = machine.facts()
    with targets.started(directory) as servers:
        templates = [objects.prepare(target) for target in servers.direct]
        already = 0
        for step in steps:
            subjects = _filled(generator, servers, templates, already, step)
            resident[str(step)] = memory(servers)
            operations = [series.operation(step) for series in OBJECTS]
            if step == steps[1]:
                operations += _with_clients()
            measurements += rounds(generator, subjects, operations, pace, say)
            already = step
    return Grown(described, steps, tuple(measurements), resident)


def _filled(
    generator: Generator, servers: Targets, templates: Sequence[str], already: int, count: int
) -> list[Subject]:
    pairs = zip(servers.direct, templates, strict=True)
    return [(target, objects.fill(generator, target, text, count, already)) for target, text in pairs]


def _with_clients() -> Iterator[Operation]:
    for series in CONNECTIONS:
        yield from (series.operation(at) for at in CONNECTION_COUNTS)
    yield from (WATCHERS.operation(at) for at in WATCHER_COUNTS)


def _all(grown: Grown) -> Iterator[tuple[Series, tuple[int, ...]]]:
    yield from ((series, grown.steps) for series in OBJECTS)
    yield from ((series, CONNECTION_COUNTS) for series in CONNECTIONS)
    yield from ((series, WATCHER_COUNTS) for series in (WATCHERS, DELIVERY))


def _value(grown: Grown, series: Series, at: int, name: str) -> float | None:
    found = typical(grown.measurements, series.operation(at).name, name, series.value)
    return found.median if found else None


def markdown(grown: Grown, picture: str) -> str:
    """The whole of growth.md; `picture` is the file of the plot."""
    parts = [
        "# Growth",
        "Made by `make bench-growth`, in the setting of results.md; medians. The raw figures are in the JSON file.",
        facts(grown.facts),
        f"![cost by objects, connections and watchers]({picture})",
    ]
    for series, values in _all(grown):
        rows = [[f"{at:,}", *(_cell(_value(grown, series, at, name)) for name in NAMES)] for at in values]
        parts += [f"## {series.name} by {series.axis}, {series.unit}", table([series.axis, *NAMES], rows)]
    rows = [[f"{int(at):,}", *(f"{by_name[name]:.0f}" for name in NAMES)] for at, by_name in grown.memory.items()]
    parts += ["## Resident memory by objects, MiB", table(["objects", *NAMES], rows)]
    return "\n\n".join(parts) + "\n"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def plot(grown: Grown) -> str:
    """The same as SVG."""
    panels = []
    for series, values in _all(grown):
        drawn = []
        for name, color in zip(NAMES, COLORS, strict=True):
            points = [(at, found) for at in values if (found := _value(grown, series, at, name))]
            drawn.append(Line(name, points, color))
        panels.append((f"{series.name} by {series.axis}, {series.unit}", drawn))
    return lines(panels)
