"""`kubectl apply -k deploy` on a cluster of its own: nothing is rejected, nothing is warned of, Pods are admitted."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.kubectl import UNTIL_SOON, Kubectl, Object, Result
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import ROOT, manifests
from tests.e2e.websites import GROUP


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/ with certificates made by certs/generate.py: the checkout's own stay as they are."""
    base = tmp_path_factory.mktemp("deploy")
    copied = shutil.copytree(ROOT / "deploy", base / "deploy", ignore=shutil.ignore_patterns("generated"))
    command = [sys.executable, str(ROOT / "certs" / "generate.py"), f"--out={base / 'out'}", f"--deploy={copied}"]
    subprocess.run(command, check=True, cwd=base, capture_output=True)
    return copied


@pytest.fixture(scope="module")
def kubectl(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """Admin of a control plane that nothing else has touched."""
    with ControlPlane(tmp_path_factory.mktemp("deploy-cluster"), binaries) as cluster:
        yield cluster.kubectl()


@pytest.fixture(scope="module")
def applied(kubectl: Kubectl, folder: Path) -> Result:
    """What the first `kubectl apply -k` left behind."""
    return kubectl.run("apply", "-k", str(folder))


@pytest.fixture
def here(applied: Result, kubectl: Kubectl) -> Kubectl:
    """kubectl in the namespace of the server, after the apply."""
    return kubectl.within(manifests().namespace_name)


def test_nothing_is_rejected_or_warned_of(applied: Result) -> None:
    """Exit code 0, and stderr is empty: no unknown field, no deprecated version, no PodSecurity warning."""
    assert (applied.code, applied.err) == (0, "")
    assert f"apiservice.apiregistration.k8s.io/v1alpha1.{GROUP} created" in applied.out


def test_each_api_service_trusts_the_authority(kubectl: Kubectl, folder: Path, tmp_path: Path) -> None:
    """One more APIService, for a kind of another group, gets the caBundle as the first does."""
    copied = shutil.copytree(folder, tmp_path / "deploy")
    first = (copied / "apiservice.yaml").read_text()
    (copied / "apiservice.yaml").write_text(f"{first}---\n{first.replace(GROUP, 'example.org')}")
    found = [each for each in yaml.safe_load_all(kubectl("kustomize", str(copied))) if each["kind"] == "APIService"]
    bundles = {each["spec"]["group"]: each["spec"]["caBundle"] for each in found}
    assert bundles.keys() == {GROUP, "example.org"}
    assert len(set(bundles.values())) == 1


def test_applying_again_changes_nothing(applied: Result, kubectl: Kubectl, folder: Path) -> None:
    """What the cluster has is what the manifests say."""
    assert applied.code == 0

    def same() -> bool:
        # Between kubectl's two requests a controller may have written status.
        found = kubectl.run("diff", "-k", str(folder))
        return (found.code, found.out) == (0, "")

    eventually(same, SOON, "no difference")


def test_pods_are_admitted(here: Kubectl) -> None:
    """The namespace enforces the restricted Pod Security profile, and still every Pod is created."""
    labels = here.get("namespace", here.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    wanted = sum(item["spec"].get("replicas", 1) for item in here.get("deployments")["items"])
    # A StatefulSet creates its Pods one after the other, and without a kubelet the first never becomes ready.
    wanted += len(here.get("statefulsets")["items"])
    eventually(lambda: len(here.get("pods")["items"]) >= wanted, SOON, f"{wanted} Pods exist: {here.get('events')}")


def test_what_issue_and_production_ask_for(here: Kubectl) -> None:
    """Two replicas with probes behind a PodDisruptionBudget; etcd with a volume."""
    deployment = here.get("deployments")["items"][0]
    assert deployment["spec"]["replicas"] == 2
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert {"readinessProbe", "livenessProbe", "resources"} <= container.keys()
    assert here.get("poddisruptionbudgets")["items"]
    assert here.get("statefulsets")["items"][0]["spec"]["volumeClaimTemplates"]


def test_api_service_trusts_by_ca_bundle(here: Kubectl) -> None:
    """The APIService has a caBundle, and never insecureSkipTLSVerify."""
    spec = here.get("apiservice", f"v1alpha1.{GROUP}")["spec"]
    assert spec["caBundle"]
    assert not spec.get("insecureSkipTLSVerify")


def test_least_privilege(folder: Path) -> None:
    """No rule of the RBAC objects has a wildcard, and nobody becomes cluster-admin."""
    documents: list[Object] = list(yaml.safe_load_all((folder / "rbac.yaml").read_text()))
    rules = [rule for item in documents for rule in item.get("rules", [])]
    assert rules
    assert not [
        rule for rule in rules if "*" in [*rule["verbs"], *rule.get("resources", []), *rule.get("apiGroups", [])]
    ]
    assert "cluster-admin" not in {item.get("roleRef", {}).get("name") for item in documents}


def test_uninstall(applied: Result, kubectl: Kubectl, folder: Path) -> None:
    """As the README says: the APIService first, then the rest; nothing is left."""
    assert applied.code == 0
    kubectl("delete", "-f", str(folder / "apiservice.yaml"))
    kubectl("delete", "-k", str(folder), "--ignore-not-found", UNTIL_SOON)
    namespace = manifests().namespace_name
    eventually(lambda: "NotFound" in kubectl.run("get", "namespace", namespace).err, SOON, "the namespace is gone")
