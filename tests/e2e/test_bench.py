"""The load generator against a real server; what it measures is nobody's business here."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import objects, programs
from bench.generator import Generator, Job, LoadFailed, Objects
from bench.operations import TABLE, Operation, Pace, measure
from bench.targets import KEPT, MADE, SERVER, Target, make_namespaces
from tests.controlplane.server import Standalone

COUNT = 30
PACE = Pace(seconds=1.0, warm=0.05, rounds=1)


@pytest.fixture(scope="module")
def generator(pytestconfig: pytest.Config) -> Generator:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        return Generator(programs.load())


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with Standalone(tmp_path_factory.mktemp("bench"), "--controllers=false") as server:
        with server.http() as client:
            make_namespaces(client)
        yield Target("standalone", server.url, server.ca_file, {SERVER: server.running.pid})


@pytest.fixture(scope="module")
def kept(generator: Generator, target: Target) -> Objects:
    return objects.fill(generator, target, objects.prepare(target), COUNT)


def _names(target: Target, namespace: str) -> list[str]:
    with target.http() as client:
        items = client.get(target.collection(namespace)).raise_for_status().json()["items"]
        return [item["metadata"]["name"] for item in items]


def test_objects_are_as_long_as_they_should_be(target: Target, kept: Objects) -> None:
    """On the wire, within the digits of a name and of a revision."""
    with target.http() as client:
        answer = client.get(f"{target.collection(kept.namespace)}/{kept.prefix}-0")
    assert abs(len(answer.content) - objects.SIZE) <= 10
    assert len(_names(target, kept.namespace)) == COUNT


@pytest.mark.parametrize("operation", TABLE, ids=lambda operation: operation.name)
def test_every_operation_of_the_table(
    generator: Generator, target: Target, kept: Objects, operation: Operation
) -> None:
    """It is done many times without a failure, and leaves the objects that there were."""
    few = replace(operation, job=replace(operation.job, connections=3, count=5))
    figures = measure(generator, target, kept, few, PACE)
    assert figures.operations >= 3
    assert figures.bytes_per_operation > 0
    assert figures.cpu_us_per_operation.keys() == {SERVER}
    if operation.job.mode == "watch":
        assert figures.operations == 3 * 5
    assert len(_names(target, KEPT)) == COUNT
    assert _names(target, MADE) == []


def test_pages_are_read_to_the_end(generator: Generator, target: Target, kept: Objects) -> None:
    """Three pages of ten, then from the beginning: as many bytes as a page of ten has."""
    ten = generator.run(target, kept, Job("page", query="limit=10", count=6))
    all_of_them = generator.run(target, kept, Job("list", count=2))
    assert ten.bytes_per_operation == pytest.approx(all_of_them.bytes_per_operation / 3, rel=0.1)


def test_a_refusal_is_no_measurement(generator: Generator, target: Target, tmp_path: Path) -> None:
    """The first answer that is no success ends it, and is told."""
    nobody = Objects(KEPT, "nobody")
    with pytest.raises(LoadFailed, match=r"standalone, get: GET .*/nobody-0 HTTP/1\.1: 404"):
        generator.run(target, nobody, Job("get", count=1))
