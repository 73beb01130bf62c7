"""What kubectl does with the published schema: it explains, validates, tries, compares and applies. The same with its
oldest, usual and newest version that is supported, through the aggregator and in standalone mode."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import yaml

from apiserver.kinds.website import KIND
from tests.controlplane.binaries import KUBECTLS
from tests.controlplane.kubectl import Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.e2e.websites import GROUP, REPO, create, manifest, website

NAMED = f"website.{GROUP}/kubia"


@pytest.fixture(params=KUBECTLS, scope="session")
def kubectl_binary(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    name: str = request.param
    return name


def _fields(schema: Any, level: int = 1) -> Iterator[tuple[int, str]]:
    """Level and name of every field below."""
    inner = schema.get("items", schema)
    for name, child in inner.get("properties", {}).items():
        yield level, name
        yield from _fields(child, level + 1)


def test_explain_recursive(kubectl: Kubectl) -> None:
    """`kubectl explain --recursive` shows every field of the schema at its level."""
    out = eventually(lambda: kubectl.run("explain", "website", "--recursive").out, SOON, "the kind is explained")
    shown = {((len(line) - len(line.lstrip())) // 2, line.split("\t")[0].strip()) for line in out.splitlines()}
    fields = list(_fields(KIND.schema))
    assert {"gitRepo", "conditions", "lastTransitionTime"} <= {name for _, name in fields}
    assert set(fields) <= shown


def test_explain_describes(kubectl: Kubectl) -> None:
    """`kubectl explain` has the texts of the models, and the metadata of every kind."""
    schema = KIND.schema["properties"]["spec"]["properties"]["gitRepo"]
    out = eventually(lambda: kubectl.run("explain", "website.spec.gitRepo").out, SOON, "the field is explained")
    assert " ".join(schema["description"].split()) in " ".join(out.split())
    assert "annotations\t<map[string]string>" in kubectl("explain", "website.metadata")


@pytest.mark.parametrize("flag", ["--validate=true", "--validate=strict"])
def test_strict_validation(kubectl: Kubectl, flag: str) -> None:
    """An unknown field is refused, named by its path."""
    error = kubectl.refused("create", flag, "-f", "-", stdin=manifest(website(colour="red")))
    assert 'unknown field "spec.colour"' in error
    assert "NotFound" in kubectl.refused("get", "website", "kubia")


def test_dry_run_of_the_client(kubectl: Kubectl) -> None:
    """`--dry-run=client` says what it would create, and asks nobody to."""
    out = kubectl("create", "--dry-run=client", "-f", "-", stdin=manifest(website()))
    assert out == f"{NAMED} created (dry run)\n"
    shown = yaml.safe_load(kubectl("create", "--dry-run=client", "-o", "yaml", "-f", "-", stdin=manifest(website())))
    assert shown["spec"] == {"gitRepo": REPO}
    assert "NotFound" in kubectl.refused("get", "website", "kubia")


def test_dry_run_of_the_server(kubectl: Kubectl) -> None:
    """`--dry-run=server` fills in defaults and validates, for create, apply and server-side apply."""
    for command in (("create",), ("apply",), ("apply", "--server-side")):
        flags = (*command, "--dry-run=server", "-o", "yaml", "-f", "-")
        assert yaml.safe_load(kubectl(*flags, stdin=manifest(website())))["spec"] == {"gitRepo": REPO, "replicas": 1}
        assert "spec.replicas" in kubectl.refused(*flags, stdin=manifest(website(replicas=-1)))
    assert "NotFound" in kubectl.refused("get", "website", "kubia")


@pytest.mark.parametrize("flags", [(), ("--server-side",)])
def test_diff(kubectl: Kubectl, flags: tuple[str, ...]) -> None:
    """`kubectl diff` ends with 0 for no difference, 1 for one, more for an error; defaults are no difference."""
    kubectl("apply", *flags, "-f", "-", stdin=manifest(website(branch="main")))

    def same() -> bool:
        # Between kubectl's two requests the reconciler may have written status.
        result = kubectl.run("diff", *flags, "-f", "-", stdin=manifest(website(branch="main")))
        return (result.code, result.out) == (0, "")

    eventually(same, SOON, "no difference")
    other = kubectl.run("diff", *flags, "-f", "-", stdin=manifest(website(branch="dev")))
    assert other.code == 1, other.err
    assert ("-  branch: main" in other.out, "+  branch: dev" in other.out) == (True, True)
    assert kubectl.run("diff", *flags, "-f", "-", stdin=manifest(website(replicas=-1))).code > 1


def test_diff_of_what_is_not_there(kubectl: Kubectl) -> None:
    """The whole object is the difference."""
    result = kubectl.run("diff", "-f", "-", stdin=manifest(website()))
    assert (result.code, f"+  gitRepo: {REPO}" in result.out) == (1, True)


def test_from_client_side_to_server_side_apply(kubectl: Kubectl) -> None:
    """The fields of earlier client-side applies are taken over: one that is left out goes."""
    kubectl("apply", "-f", "-", stdin=manifest(website(branch="dev")))
    kubectl("apply", "--server-side", "-f", "-", stdin=manifest(website()))
    item = kubectl.get("website", "kubia", "--show-managed-fields")
    assert item["spec"] == {"gitRepo": REPO, "replicas": 1}
    managers = [(entry["manager"], entry["operation"]) for entry in item["metadata"]["managedFields"]]
    assert ("kubectl", "Apply") in managers
    assert ("kubectl-client-side-apply", "Update") not in managers


def test_conflict_of_two_appliers(kubectl: Kubectl) -> None:
    """Refused by the field's name and its owner, then forced."""
    apply = ("apply", "--server-side", "-f", "-", "--field-manager")
    kubectl(*apply, "one", stdin=manifest(website(branch="main")))
    error = kubectl.refused(*apply, "two", stdin=manifest(website(branch="dev")))
    assert 'Apply failed with 1 conflict: conflict with "one": .spec.branch' in error
    kubectl(*apply, "two", "--force-conflicts", stdin=manifest(website(branch="dev")))
    assert kubectl.get("website", "kubia")["spec"]["branch"] == "dev"


def test_edit(kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kubectl edit` sends what the editor has changed."""
    create(kubectl, branch="main")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i 's/branch: main/branch: dev/'")
    assert kubectl("edit", "website", "kubia") == f"{NAMED} edited\n"
    assert kubectl.get("website", "kubia")["spec"]["branch"] == "dev"


def test_prune(kubectl: Kubectl) -> None:
    """`kubectl apply --prune` deletes what has been applied and is not in the manifest any more."""
    flags = ("--prune", "--selector=app=site", f"--prune-allowlist={GROUP}/v1alpha1/Website")
    kept, gone = _labelled("kept"), _labelled("gone")
    kubectl("apply", *flags, "-f", "-", stdin=manifest(kept, gone))
    assert f"website.{GROUP}/gone pruned" in kubectl("apply", *flags, "-f", "-", stdin=manifest(kept))
    assert kubectl("get", "websites", "-o", "name") == f"website.{GROUP}/kept\n"


def _labelled(name: str) -> Object:
    item = website(name)
    return item | {"metadata": item["metadata"] | {"labels": {"app": "site"}}}


def test_last_applied_is_kept(kubectl: Kubectl) -> None:
    """`kubectl apply view-last-applied` and `set-last-applied` work on the annotation."""
    kubectl("apply", "-f", "-", stdin=manifest(website(branch="dev")))
    seen = orjson.loads(kubectl("apply", "view-last-applied", "website/kubia", "-o", "json"))
    assert seen["spec"] == {"gitRepo": REPO, "branch": "dev"}
    kubectl("apply", "set-last-applied", "-f", "-", stdin=manifest(website()))
    assert "branch" not in kubectl("apply", "view-last-applied", "website/kubia")
