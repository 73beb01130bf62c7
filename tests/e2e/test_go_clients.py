"""Kubernetes' own Go clients (`tests/probe`), through the aggregator; and, as a check on the claims, the same against
the kind as a custom resource of kube-apiserver."""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.controlplane import golang
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import UNTIL_SOON
from tests.controlplane.reference import GROUP as REFERENCE
from tests.controlplane.reference import custom_resource
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import APIServerProcess
from tests.e2e.websites import GROUP

WITHIN = 600
"""Seconds for one test of the probe."""
SOURCE = "\n".join(file.read_text() for file in sorted(golang.MODULES["probe"].glob("*_test.go")))
BODIES = dict(re.findall(r"^func (Test\w+)\(t \*testing\.T\) \{\n(.*?)^\}", SOURCE, re.MULTILINE | re.DOTALL))
"""Each test of the probe, and what it does."""
DISTURBING = [name for name, body in BODIES.items() if ".ask(" in body]
OTHERS = [name for name in BODIES if name not in DISTURBING]

Disturbances = Mapping[str, Callable[[], None]]


@dataclass(frozen=True)
class Probe:
    """The program, pointed at one group of a cluster. `disturbances` are what its tests may ask for, by name."""

    program: Path
    kubeconfig: Path
    group: str
    disturbances: Disturbances = field(default_factory=dict)

    def run(self, test: str) -> None:
        """Raises AssertionError with what the test wrote, if it failed or did not run."""
        command = [str(self.program), f"-test.run=^{test}$", "-test.v", f"-test.timeout={WITHIN}s"]
        environment = {"KUBECONFIG": str(self.kubeconfig), "PROBE_GROUP": self.group}
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True
        ) as process:
            lines = list(self._lines(process))
        assert process.returncode == 0, "".join(lines)
        assert any(line.startswith(f"--- PASS: {test} ") for line in lines), "".join(lines)

    def _lines(self, process: subprocess.Popen[str]) -> Iterator[str]:
        """What it writes, and what it asks for is done on the way."""
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            yield line
            if line.startswith("ASK "):
                self.disturbances[line.split()[1]]()
                process.stdin.write("done\n")
                process.stdin.flush()


@pytest.fixture(scope="module")
def program(pytestconfig: pytest.Config) -> Path:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        return golang.program("probe", "probe.test", golang.to_stderr, command="test -c")


@pytest.fixture(scope="module")
def cluster_of_its_own(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The server is restarted and its storage compacted: nobody else's."""
    with ControlPlane(tmp_path_factory.mktemp("probe-cluster"), binaries) as running:
        yield running


@pytest.fixture(scope="module")
def aggregated(
    program: Path, cluster_of_its_own: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Probe]:
    """At the server through the aggregator. No controllers: the objects are the probe's alone."""
    directory = tmp_path_factory.mktemp("probed")
    with SecureEtcd(directory / "etcd") as etcd:
        server = APIServerProcess("probed", directory, cluster_of_its_own, etcd, "--controllers=false")
        with server:
            server.register()
            server.wait_available()

            def restart() -> None:
                server.restart()
                server.wait_available()

            storage = {"stop-storage": etcd.kill, "start-storage": etcd.start, "compact": etcd.compact}
            yield Probe(program, cluster_of_its_own.kubeconfig(), GROUP, storage | {"restart": restart})


@pytest.fixture(scope="module")
def reference(program: Path, cluster_of_its_own: ControlPlane) -> Probe:
    """At kube-apiserver, with the kind as a custom resource."""
    kubectl, definition = cluster_of_its_own.kubectl(), custom_resource()
    kubectl.apply(definition)
    kubectl("wait", "--for=condition=Established", f"crd/{definition['metadata']['name']}", UNTIL_SOON)
    return Probe(program, cluster_of_its_own.kubeconfig(), REFERENCE)


@pytest.mark.parametrize("test", BODIES)
def test_through_the_aggregator(aggregated: Probe, test: str) -> None:
    """What the comment of the probe's test says is so of the server, whatever it asks to be done to that."""
    aggregated.run(test)


@pytest.mark.parametrize("test", OTHERS)
def test_custom_resource(reference: Probe, test: str) -> None:
    """The same is so of a custom resource: the claims are Kubernetes', not ours."""
    reference.run(test)
