"""`make bench`: one run of the table, and what is written down of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import machine, objects, targets
from bench.comparison import Measurement
from bench.generator import Generator
from bench.operations import AGGREGATED, TABLE, Pace, Subject, rounds
from bench.targets import SERVER, Targets
from tests.controlplane.golang import Report


@dataclass(frozen=True)
class Results:
    """Everything that a run has measured; memory is in MiB: when filled, and when all operations have been run."""

    facts: Mapping[str, str]
    setting: Mapping[str, float]
    direct: tuple[Measurement, ...]
    aggregated: tuple[Measurement, ...]
    memory_filled: Mapping[str, float]
    memory_after: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def run(generator: Generator, directory: Path, count: int, pace: Pace, say: Report) -> Results:
    """`count` objects in each server. Raises golang.Unavailable, LoadFailed, ProcessDied or NotInTime."""
    facts = machine.facts()
    say("starting etcd, kube-apiserver, sample-apiserver and this server twice ...")
    with targets.started(directory) as servers:
        subjects = filled(generator, servers, count, say)
        memory_filled = memory(servers)
        direct = tuple(rounds(generator, subjects, TABLE, pace, say))
        memory_after = memory(servers)
        by_name = {target.name: kept for target, kept in subjects}
        through = [(target, by_name[target.name]) for target in servers.aggregated]
        say("by way of kube-apiserver:")
        aggregated = tuple(rounds(generator, through, AGGREGATED, pace, say))
    setting = {"objects": count, "seconds": pace.seconds, "rounds": pace.rounds}
    return Results(facts, setting, direct, aggregated, memory_filled, memory_after)


def filled(generator: Generator, servers: Targets, count: int, say: Report) -> list[Subject]:
    """Every server with its objects."""
    subjects = []
    for target in servers.direct:
        say(f"{count} objects into {target.name}")
        subjects.append((target, objects.fill(generator, target, objects.prepare(target), count)))
    return subjects


def memory(servers: Targets) -> dict[str, float]:
    """MiB of every server's process."""
    return {target.name: machine.resident_mib(target.processes[SERVER]) for target in servers.direct}
