"""What must exist for a Website."""

import pytest

from apiserver.machinery.errors import Object
from apiserver.settings import Settings
from reconciler.website.children import desired_deployment as desired
from reconciler.website.children import desired_service, options
from tests.unit.reconciling import CHOSEN, website

SELECTOR = {"app.kubernetes.io/instance": "kubia", "app.kubernetes.io/name": "website"}
LABELS = SELECTOR | {"app.kubernetes.io/component": "web-server", "app.kubernetes.io/managed-by": "website-controller"}


def desired_deployment(item: Object) -> Object:
    return desired(item, CHOSEN)


def test_children_are_named_labelled_and_owned() -> None:
    """Both children are called NAME-website, carry the labels and name the Website as their controller."""
    for child in (desired_deployment(website()), desired_service(website())):
        meta = child["metadata"]
        assert (meta["name"], meta["namespace"], meta["labels"]) == ("kubia-website", "ns", LABELS)
        assert meta["ownerReferences"] == [
            {
                "apiVersion": "extensions.example.com/v1alpha1",
                "kind": "Website",
                "name": "kubia",
                "uid": "u1",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]


def test_selector_selects_the_pods() -> None:
    """Deployment, Pod template and Service agree on the labels, which do not depend on the spec."""
    wanted = desired_deployment(website(branch="dev", replicas=7))

    assert wanted["spec"]["selector"]["matchLabels"] == SELECTOR
    assert wanted["spec"]["template"]["metadata"]["labels"] == LABELS
    assert desired_service(website())["spec"]["selector"] == SELECTOR


def containers(wanted: Object) -> dict[str, Object]:
    return {container["name"]: container for container in wanted["spec"]["template"]["spec"]["containers"]}


def test_git_sync_and_nginx_share_the_content() -> None:
    """git-sync publishes a link in the volume that nginx reads, and serves below that link."""
    found = containers(desired_deployment(website()))
    mounts = {name: container["volumeMounts"][0] for name, container in found.items()}

    assert mounts["git-sync"] == {"name": "content", "mountPath": "/content"}
    assert mounts["nginx"] == {"name": "content", "mountPath": "/content", "readOnly": True}
    assert {"--root=/content", "--link=current"} <= set(found["git-sync"]["args"])
    assert "root /content/current;" in found["nginx"]["env"][0]["value"]


def test_repository_and_branch_become_arguments() -> None:
    """The spec's repository and branch go to git-sync; without a branch it follows the repository's default."""
    with_branch = containers(desired_deployment(website(branch="dev")))["git-sync"]["args"]
    without = containers(desired_deployment(website()))["git-sync"]["args"]

    assert with_branch[:2] == ["--repo=https://example.com/repo.git", "--ref=dev"]
    assert {"--depth=1", "--period=30s", "--http-bind=:8081"} <= set(with_branch)
    assert not any(argument.startswith("--ref") for argument in without)


def test_branch_is_no_option_of_git() -> None:
    """git-sync hands its reference to git as it is; one that begins with a dash must not be taken for an option."""
    arguments = containers(desired_deployment(website(branch="--upload-pack=x")))["git-sync"]["args"]

    assert arguments[1] == "--ref=refs/heads/--upload-pack=x"


@pytest.mark.parametrize(("period", "argument"), [("200ms", "0.2s"), ("30s", "30s"), ("1000h", "3600000s")])
def test_period_is_a_duration_of_go(period: str, argument: str) -> None:
    """However long or short it is, git-sync can read it."""
    chosen = options(Settings.load(["--storage=sqlite://:memory:", f"--git-sync-period={period}"]))

    assert f"--period={argument}" in containers(desired(website(), chosen))["git-sync"]["args"]


def test_dollar_signs_are_not_expanded() -> None:
    """$(NAME) in a repository's URL stays as it is: the kubelet turns $$ into $ and expands nothing."""
    arguments = containers(desired_deployment(website(gitRepo="https://example.com/$(HOME)")))["git-sync"]["args"]

    assert arguments[0] == "--repo=https://example.com/$$(HOME)"


def test_pods_are_restricted() -> None:
    """Every container satisfies the Pod Security Standards' profile "restricted" and has a read-only root."""
    wanted = desired_deployment(website())
    pod = wanted["spec"]["template"]["spec"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in containers(wanted).values():
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["readOnlyRootFilesystem"] is True


def test_every_container_is_probed() -> None:
    """Readiness and liveness of both, on ports that they have."""
    for container in containers(desired_deployment(website())).values():
        ports = {port["name"] for port in container["ports"]}
        for probe in ("readinessProbe", "livenessProbe"):
            (action,) = (value for key, value in container[probe].items() if key in ("httpGet", "tcpSocket"))
            assert action["port"] in ports


def test_service_is_a_node_port_to_nginx() -> None:
    """Port 80 of the Service is nginx' port; the cluster chooses the node port."""
    wanted = desired_service(website())["spec"]
    (port,) = wanted["ports"]

    assert wanted["type"] == "NodePort"
    assert (port["port"], port["targetPort"], port.get("nodePort")) == (80, "http", None)
    assert containers(desired_deployment(website()))["nginx"]["ports"][0]["name"] == "http"


def test_images_resources_and_period_are_settings() -> None:
    """Flags choose them; a resource that is not to be limited is left out."""
    flags = ("--nginx-image=n:1", "--git-sync-image=g:2", "--git-sync-period=1m30s", "--nginx-limits=")
    requests = ("--nginx-requests=cpu=0.5", "--nginx-requests=memory=1024Mi")
    loaded = Settings.load(["--storage=sqlite://:memory:", *flags, *requests])
    found = containers(desired(website(), options(loaded)))

    assert (found["nginx"]["image"], found["git-sync"]["image"]) == ("n:1", "g:2")
    assert found["nginx"]["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}}
    assert found["git-sync"]["resources"]["limits"] == {"cpu": "500m", "memory": "512Mi"}
    assert "--period=90s" in found["git-sync"]["args"]
