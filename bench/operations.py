"""The table: what is measured, and by how much it is to be cheaper than sample-apiserver."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.comparison import Measurement
from bench.generator import Figures, Generator, Job, Objects
from bench.objects import made
from bench.targets import Target
from tests.controlplane.golang import Report


@dataclass(frozen=True)
class Operation:
    """One row; `goal` is times less CPU per operation than sample-apiserver, None where there is none."""

    name: str
    job: Job
    goal: float | None = None

    @property
    def creates(self) -> bool:
        return self.job.mode in ("create", "watch")


GET = Operation("GET one, 64 connections", Job("get", 64), 4.5)
LIST = Operation("LIST all", Job("list", 4), 15)
CREATE = Operation("CREATE, 64 connections", Job("create", 64), 2.5)
WATCH = Operation("WATCH, 200 watchers, per event", Job("watch", 200, count=100, rate=25), 2.5)
TABLE = (
    GET,
    LIST,
    Operation("LIST all, one changed before each", Job("changed-list", 4), 15),
    Operation("LIST all, gzip", Job("list", 4, gzip=True), 20),
    Operation("LIST all, gzip, one changed before each", Job("changed-list", 4, gzip=True), 5),
    Operation("LIST limit=500, per page", Job("page", 4, query="limit=500"), 12),
    CREATE,
    WATCH,
)
AGGREGATED = (GET, LIST, CREATE, WATCH)


Subject = tuple[Target, Objects]
"""A server, and the objects in it that operations are about."""


@dataclass(frozen=True)
class Pace:
    """How long to measure: seconds of a measurement and of the warm-up before it, and how many rounds."""

    seconds: float
    warm: float
    rounds: int


def measure(generator: Generator, target: Target, objects: Objects, operation: Operation, pace: Pace) -> Figures:
    """One operation on one server, which has afterwards the objects that it had before. Raises LoadFailed."""
    if not operation.creates:
        return generator.run(target, objects, operation.job, pace.seconds, pace.warm)
    own = made(objects)
    figures = generator.run(target, own, operation.job, pace.seconds, pace.warm)
    generator.run(target, own, Job("delete", connections=16, count=figures.numbers))
    return figures


def rounds(
    generator: Generator,
    subjects: Sequence[Subject],
    operations: Iterable[Operation],
    pace: Pace,
    say: Report,
) -> Iterator[Measurement]:
    """Server after server, round after round, so that no server has a quieter time than another."""
    for operation in operations:
        for number in range(pace.rounds):
            for target, objects in subjects:
                figures = measure(generator, target, objects, operation, pace)
                yield Measurement(operation.name, target.name, number, figures)
        say(operation.name)
