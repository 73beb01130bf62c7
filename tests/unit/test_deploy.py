"""The manifests and the Dockerfile, as far as files can tell; the e2e suite applies them to a kube-apiserver."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
Manifest = dict[str, Any]


def manifests() -> Iterator[Manifest]:
    for path in sorted(DEPLOY.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text())


def manifest(kind: str, name: str) -> Manifest:
    return next(found for found in manifests() if (found["kind"], found["metadata"]["name"]) == (kind, name))


def kustomization() -> Manifest:
    loaded: Manifest = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    return loaded


def pod(kind: str, name: str) -> Manifest:
    spec: Manifest = manifest(kind, name)["spec"]["template"]["spec"]
    return spec


WORKLOADS = [("Deployment", "website-api"), ("StatefulSet", "website-etcd")]


def test_kustomization_lists_every_manifest() -> None:
    """No file is forgotten; namespace first, so that what follows has a place."""
    files = {path.name for path in DEPLOY.glob("*.yaml")} - {"kustomization.yaml"}

    assert set(kustomization()["resources"]) == files
    assert kustomization()["resources"][0] == "namespace.yaml"


def test_everything_is_in_one_namespace() -> None:
    """Only the RoleBinding for the authentication ConfigMap is elsewhere, in kube-system."""
    places = {(found["kind"], found["metadata"].get("namespace")) for found in manifests()}
    cluster_scoped = {"Namespace", "ClusterRole", "ClusterRoleBinding", "APIService"}

    assert {kind for kind, namespace in places if namespace is None} == cluster_scoped
    assert {kind for kind, namespace in places if namespace == "kube-system"} == {"RoleBinding"}
    assert {namespace for _, namespace in places} == {None, "kube-system", "website-system"}


def test_api_service_is_verified() -> None:
    """insecureSkipTLSVerify is nowhere, and name, group and version agree."""
    spec = manifest("APIService", "v1alpha1.extensions.example.com")["spec"]

    assert all("insecureSkipTLSVerify" not in path.read_text() for path in DEPLOY.glob("*.yaml"))
    assert (spec["group"], spec["version"]) == ("extensions.example.com", "v1alpha1")
    assert 1 <= spec["groupPriorityMinimum"] <= 20000
    assert 1 <= spec["versionPriority"] <= 1000


def test_api_service_reaches_the_server() -> None:
    """APIService -> Service -> named port of the pods -> --secure-port."""
    reference = manifest("APIService", "v1alpha1.extensions.example.com")["spec"]["service"]
    service = manifest("Service", reference["name"])
    deployment = manifest("Deployment", "website-api")
    port = next(port for port in service["spec"]["ports"] if port["port"] == reference["port"])
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}

    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert f"--secure-port={ports[port['targetPort']]}" in container["args"]


def test_server_accepts_its_flags(tmp_path: Path) -> None:
    """The arguments of the Deployment are flags that the server honours, with the files where it mounts them."""
    spec = pod("Deployment", "website-api")
    mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    secrets = {secret["name"]: secret["files"] for secret in kustomization()["secretGenerator"]}
    for volume in spec["volumes"]:
        folder = tmp_path / mounts[volume["name"]].lstrip("/")
        folder.mkdir(parents=True)
        for source in secrets[volume["secret"]["secretName"]]:
            (folder / source.partition("=")[0]).touch()
    argv = [argument.replace("=/etc/", f"={tmp_path}/etc/") for argument in spec["containers"][0]["args"]]
    # The pod's namespace comes from its service account.
    loaded = Settings.load([*argv, "--leader-elect-resource-namespace=website-system"])

    assert loaded.leader_elect
    assert loaded.etcd_servers == ("https://website-etcd.website-system.svc:2379",)
    assert loaded.etcd_certfile is not None
    assert loaded.tls_cert_file is not None
    assert spec["terminationGracePeriodSeconds"] > loaded.shutdown_delay_duration + loaded.request_timeout


def test_lease_may_be_written() -> None:
    """The Role for leader election names the Lease that the server uses by default."""
    rules = manifest("Role", "website-api:leader-election")["rules"]
    name = Settings.model_fields["leader_elect_resource_name"].default

    assert [rule["resourceNames"] for rule in rules if "resourceNames" in rule] == [[name]]


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_pods_are_restricted(kind: str, name: str) -> None:
    """Pod Security Standard "restricted", and a read-only root file system on top."""
    spec = pod(kind, name)

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_pods_have_probes_and_requests(kind: str, name: str) -> None:
    """Every container says how it is and what it needs; probes use named ports that exist."""
    for container in pod(kind, name)["containers"]:
        ports = {port["name"] for port in container["ports"]}
        probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert {probe["port"] for probe in probes} <= ports
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


def test_namespace_enforces_restricted() -> None:
    """The namespace refuses pods that are not restricted."""
    labels = manifest("Namespace", "website-system")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_two_replicas_survive_a_drain() -> None:
    """The budget leaves one replica, and there are more than that."""
    budget = manifest("PodDisruptionBudget", "website-api")["spec"]

    assert manifest("Deployment", "website-api")["spec"]["replicas"] > budget["minAvailable"] >= 1
    assert budget["selector"] == manifest("Deployment", "website-api")["spec"]["selector"]


def test_etcd_has_a_volume_and_asks_for_client_certificates() -> None:
    """Data outlives the pod, and only a client with a certificate gets in."""
    spec = manifest("StatefulSet", "website-etcd")["spec"]
    args = spec["template"]["spec"]["containers"][0]["args"]
    urls = [arg for arg in args if re.match(r"--(listen|advertise)-(client|peer)-urls|--initial-adv", arg)]

    assert spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    assert {"--client-cert-auth", "--peer-client-cert-auth"} <= set(args)
    assert all("=https://" in url for url in urls)
    assert len(urls) == 4


def test_server_role_is_least_privilege() -> None:
    """The server writes only what it makes, and sees no Secrets."""
    rules = manifest("ClusterRole", "website-api")["rules"]
    verbs = {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}

    assert verbs["namespaces"] == {"get", "list", "watch"}
    assert verbs["deployments"] == verbs["services"] == {"get", "list", "watch", "create", "patch", "delete"}
    assert verbs["events"] == {"create", "patch"}
    assert verbs["websites/finalizers"] == {"update"}
    assert len(verbs) == 5
    assert "*" not in set().union(*verbs.values())


def test_users_roles_are_aggregated() -> None:
    """view reads Websites, edit writes them, and nobody but the server writes status."""
    view, edit = manifest("ClusterRole", "website-view"), manifest("ClusterRole", "website-edit")

    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert "websites/status" not in edit["rules"][0]["resources"]


def test_no_latest_images() -> None:
    """Images are pinned to a version."""
    tags = {image["name"]: image["newTag"] for image in kustomization()["images"]}

    for kind, name in WORKLOADS:
        for container in pod(kind, name)["containers"]:
            image = container["image"]
            assert re.search(r":v?\d+\.\d+\.\d+$", image) or re.fullmatch(r"\d+\.\d+\.\d+", tags[image])


def instructions(name: str) -> list[str]:
    """The arguments of one Dockerfile instruction, wherever it occurs."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{name} ")]


def test_image_runs_as_the_pods_user() -> None:
    """A numeric user other than root, the same as in the Deployment, listening where the Deployment says."""
    user = pod("Deployment", "website-api")["securityContext"]["runAsUser"]

    assert instructions("USER") == [f"{user}:{user}"]
    assert instructions("EXPOSE") == ["10250"]


def test_image_copies_what_exists_and_what_is_not_ignored() -> None:
    """Every path that is copied out of the checkout exists and is let through by .dockerignore."""
    sources = [copy.split()[0] for copy in instructions("COPY") if not copy.startswith("--from")]
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert sorted(sources) == sorted(allowed)


def test_image_has_nothing_but_locked_wheels() -> None:
    """Hashes are required, nothing is compiled, and the last stage installs nothing."""
    build, final = re.split(r"(?m)^FROM ", (ROOT / "Dockerfile").read_text())[1:]

    assert "--require-hashes --only-binary=:all:" in build
    assert "RUN" not in final


def pins(lock: str) -> set[str]:
    return set(re.findall(r"(?m)^([\w.-]+==[^ ]+)", (ROOT / lock).read_text()))


def test_runtime_lock_is_a_part_of_the_lock() -> None:
    """The image runs the versions that were tested, without the tools that tested them."""
    runtime = pins("requirements-runtime.lock")

    assert runtime < pins("requirements.lock")
    assert not {pin.partition("==")[0] for pin in runtime} & {"pytest", "mypy", "ruff", "import-linter", "httpx"}


def test_entrypoint_is_a_module() -> None:
    """What the image starts can be imported."""
    assert instructions("ENTRYPOINT") == ['["python", "-m", "apiserver"]']
    assert find_spec("apiserver.__main__") is not None
