"""Comparing servers: ratios within a round, so that what a busy machine does to a round hits both alike."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.generator import Figures
from bench.targets import SERVER


@dataclass(frozen=True)
class Measurement:
    """What one server did in one round of one operation."""

    operation: str
    target: str
    round: int
    figures: Figures


Value = Callable[[Figures], float]


def cpu(figures: Figures) -> float:
    """Of the process that keeps the objects, microseconds per operation."""
    return figures.cpu_us_per_operation[SERVER]


def p99(figures: Figures) -> float:
    """Milliseconds."""
    return figures.p99_ms


@dataclass(frozen=True)
class Spread:
    """A median over the rounds, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))


def typical(measurements: Iterable[Measurement], operation: str, target: str, value: Value) -> Spread | None:
    """None when it was not measured."""
    found = [value(each.figures) for each in measurements if (each.operation, each.target) == (operation, target)]
    return Spread.of(found) if found else None


def ratio(
    measurements: Iterable[Measurement], operation: str, peer: str, target: str, value: Value = cpu
) -> Spread | None:
    """How many times `target`'s value fits into `peer`'s, round by round; None when one was not measured."""
    rounds: dict[int, dict[str, float]] = {}
    for each in measurements:
        if each.operation == operation:
            rounds.setdefault(each.round, {})[each.target] = value(each.figures)
    both = [values for values in rounds.values() if peer in values and target in values]
    # A CPU clock of 10 ms can read zero.
    quotients = [values[peer] / max(values[target], 0.001) for values in both]
    return Spread.of(quotients) if quotients else None
