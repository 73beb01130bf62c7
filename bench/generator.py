"""Runs the load generator: one job against one target, and what it measured."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

from bench.targets import TOKEN, Target

JOB_TAKES_AT_MOST = 1800.0
"""Seconds."""


class LoadFailed(Exception):
    """The generator got an answer that is no success; the text says which, and from whom."""


@dataclass(frozen=True)
class Job:
    """What to do; the fields are the generator's flags. With `seconds` 0 it ends after `count` operations."""

    mode: str
    connections: int = 1
    query: str = ""
    gzip: bool = False
    count: int = 0
    first: int = 0
    rate: float = 0.0


@dataclass(frozen=True)
class Figures:
    """One measurement. An operation of a watch is one event at one watcher."""

    operations: int
    numbers: int
    per_second: float
    bytes_per_operation: int
    p50_ms: float
    p99_ms: float
    cpu_us_per_operation: Mapping[str, int]
    client_cpu_us_per_operation: int
    client_cores: float

    @classmethod
    def of(cls, text: bytes) -> Self:
        """From the generator's report."""
        report = orjson.loads(text)
        return cls(**{name: report[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Objects:
    """Which objects a job is about: `count` of them in a namespace, named PREFIX-0 and so on."""

    namespace: str
    prefix: str
    count: int = 1
    template: str = ""


@dataclass(frozen=True)
class Generator:
    """The program."""

    program: Path

    def run(self, target: Target, objects: Objects, job: Job, seconds: float = 0.0, warm: float = 0.0) -> Figures:
        """Raises LoadFailed."""
        values = {
            "mode": job.mode,
            "url": target.collection(objects.namespace),
            "ca": target.ca_file,
            "token": TOKEN,
            "connections": job.connections,
            "warm": f"{warm}s",
            "duration": f"{seconds}s",
            "count": job.count,
            "first": job.first,
            "objects": objects.count,
            "prefix": objects.prefix,
            "template": objects.template,
            "query": job.query,
            "gzip": str(job.gzip).lower(),
            **({"rate": job.rate} if job.rate else {}),
        }
        flags = [f"-{name}={value}" for name, value in values.items()]
        flags += [f"-process={name}={pid}" for name, pid in target.processes.items()]
        done = subprocess.run([self.program, *flags], capture_output=True, timeout=JOB_TAKES_AT_MOST, check=False)
        if done.returncode:
            raise LoadFailed(f"{target.name}, {job.mode}: {done.stderr.decode(errors='replace').strip()}")
        return Figures.of(done.stdout)
