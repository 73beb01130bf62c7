"""The steps of a user with kubectl: the same with its oldest, usual and newest version that is supported, through the
aggregator and in standalone mode."""

import orjson
import pytest
import yaml

from tests.controlplane.binaries import KUBECTLS
from tests.controlplane.kubectl import UNTIL_SOON, Kubectl, Object
from tests.controlplane.process import SOON, eventually
from tests.e2e.websites import GROUP, REPO, create, manifest, website


@pytest.fixture(params=KUBECTLS, scope="session")
def kubectl_binary(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    name: str = request.param
    return name


def test_create_says_what_it_created(kubectl: Kubectl) -> None:
    """`kubectl create -f` creates a Website and prints its name."""
    out = kubectl("create", "-f", "-", stdin=manifest(website()))
    assert out == f"website.{GROUP}/kubia created\n"


def test_get_prints_the_columns(kubectl: Kubectl) -> None:
    """`kubectl get` prints the table NAME REPO READY AGE."""
    create(kubectl)
    header, row = kubectl("get", "websites").splitlines()
    assert header.split() == ["NAME", "REPO", "READY", "AGE"]
    assert row.split()[:2] == ["kubia", REPO]
    assert row.split()[-1].endswith("s")


def test_get_as_yaml(kubectl: Kubectl) -> None:
    """`kubectl get -o yaml` shows the whole object, defaults filled in."""
    create(kubectl)
    item: Object = yaml.safe_load(kubectl("get", "website", "kubia", "-o", "yaml"))
    assert (item["apiVersion"], item["kind"]) == (f"{GROUP}/v1alpha1", "Website")
    assert item["spec"] == {"gitRepo": REPO, "replicas": 1}
    assert item["metadata"]["generation"] == 1
    assert {"uid", "creationTimestamp", "resourceVersion", "namespace"} <= item["metadata"].keys()


def test_get_by_short_name_and_category(kubectl: Kubectl) -> None:
    """`kubectl get ws` and `kubectl get all` find Websites."""
    create(kubectl)
    assert "kubia" in kubectl("get", "ws")
    assert f"website.{GROUP}/kubia" in kubectl("get", "all", "-o", "name")


def test_api_resources(kubectl: Kubectl) -> None:
    """`kubectl api-resources` lists the kind with its short name."""
    rows = kubectl("api-resources", f"--api-group={GROUP}", "--no-headers").splitlines()
    assert [row.split() for row in rows] == [["websites", "ws", f"{GROUP}/v1alpha1", "true", "Website"]]


def test_describe(kubectl: Kubectl) -> None:
    """`kubectl describe` prints the fields."""
    create(kubectl)
    out = kubectl("describe", "website", "kubia")
    assert "Name:         kubia" in out
    assert REPO in out


def test_explain(kubectl: Kubectl) -> None:
    """`kubectl explain website.spec.gitRepo` knows the field, its type, and that it is required."""

    def explained() -> str:
        # The cluster's OpenAPI document is put together by the aggregator, in its own time.
        return kubectl.run("explain", "website.spec.gitRepo").out

    out = eventually(explained, SOON, "the field is explained")
    assert "FIELD: gitRepo <string>" in out
    rows = [row.split() for row in kubectl("explain", "website.spec").splitlines()]
    assert ["gitRepo", "<string>", "-required-"] in rows


def test_list_across_namespaces(kubectl: Kubectl) -> None:
    """`kubectl get -A` shows the namespace of each Website."""
    create(kubectl)
    rows = [row.split() for row in kubectl("get", "websites", "-A", "--no-headers").splitlines()]
    assert [kubectl.namespace, "kubia"] in [row[:2] for row in rows]


def test_label_and_select(kubectl: Kubectl) -> None:
    """`kubectl label` sets a label that `get -l` selects by."""
    create(kubectl, "one")
    create(kubectl, "two")
    assert kubectl("label", "website", "one", "tier=front") == f"website.{GROUP}/one labeled\n"
    assert kubectl("get", "websites", "-l", "tier=front", "-o", "name") == f"website.{GROUP}/one\n"
    assert kubectl("get", "websites", "-l", "tier!=front", "-o", "name") == f"website.{GROUP}/two\n"


def test_field_selector(kubectl: Kubectl) -> None:
    """`kubectl get --field-selector metadata.name=` selects one."""
    create(kubectl, "one")
    create(kubectl, "two")
    assert kubectl("get", "websites", "--field-selector=metadata.name=two", "-o", "name") == f"website.{GROUP}/two\n"


def test_list_in_chunks(kubectl: Kubectl) -> None:
    """`kubectl get --chunk-size` pages through everything once."""
    names = ["a", "b", "c", "d", "e"]
    kubectl("create", "-f", "-", stdin=manifest(*(website(name) for name in names)))
    out = kubectl("get", "websites", "--chunk-size=2", "-o", "name")
    assert out.split() == [f"website.{GROUP}/{name}" for name in names]


def test_annotate(kubectl: Kubectl) -> None:
    """`kubectl annotate` sets an annotation and takes it away; the generation stays."""
    create(kubectl)
    kubectl("annotate", "website", "kubia", "note=hello")
    item = kubectl.get("website", "kubia")
    assert (item["metadata"]["annotations"]["note"], item["metadata"]["generation"]) == ("hello", 1)
    kubectl("annotate", "website", "kubia", "note-")
    assert "note" not in kubectl.get("website", "kubia")["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("kind", "patch"),
    [("merge", '{"spec":{"branch":"dev"}}'), ("json", '[{"op":"add","path":"/spec/branch","value":"dev"}]')],
)
def test_patch(kubectl: Kubectl, kind: str, patch: str) -> None:
    """`kubectl patch` changes a field, by merge patch and by JSON patch; the generation grows."""
    create(kubectl)
    out = kubectl("patch", "website", "kubia", f"--type={kind}", f"--patch={patch}")
    assert out == f"website.{GROUP}/kubia patched\n"
    item = kubectl.get("website", "kubia")
    assert (item["spec"]["branch"], item["metadata"]["generation"]) == ("dev", 2)


def test_strategic_merge_patch_is_no_type_for_it(kubectl: Kubectl) -> None:
    """A strategic merge patch is refused, as for custom resources: kubectl knows from the OpenAPI document."""
    create(kubectl)
    error = kubectl.refused("patch", "website", "kubia", "--type=strategic", '--patch={"spec":{"branch":"dev"}}')
    assert "application/strategic-merge-patch+json is not supported" in error


def test_replace_and_its_conflict(kubectl: Kubectl) -> None:
    """`kubectl replace` writes the whole object; with an old resourceVersion it is a Conflict."""
    item = create(kubectl)
    changed = item | {"spec": item["spec"] | {"branch": "dev"}}
    eventually(lambda: _replaced(kubectl, changed), SOON, "replaced without a conflict with the reconciler")
    assert kubectl.get("website", "kubia")["spec"]["branch"] == "dev"
    error = kubectl.refused("replace", "-f", "-", stdin=orjson.dumps(item).decode())
    assert "Error from server (Conflict)" in error
    assert "the object has been modified; please apply your changes to the latest version and try again" in error


def _replaced(kubectl: Kubectl, changed: Object) -> bool:
    """Between read and replace the reconciler may have written status: then the latest version is the one to change."""
    latest = kubectl.get("website", "kubia")
    document = changed | {"metadata": latest["metadata"]}
    return kubectl.run("replace", "-f", "-", stdin=orjson.dumps(document).decode()).code == 0


def test_watch_shows_each_change(kubectl: Kubectl) -> None:
    """`kubectl get -w` prints a line as things happen: added, modified, deleted."""
    with kubectl.stream("get", "websites", "--watch", "--output-watch-events") as stream:
        create(kubectl)
        stream.wait_for("ADDED", SOON)
        kubectl("label", "website", "kubia", "tier=front")
        stream.wait_for("MODIFIED", SOON)
        kubectl("delete", "website", "kubia")
        line = stream.wait_for("DELETED", SOON)
    assert line.split()[1:3] == ["kubia", REPO]


def test_scale(kubectl: Kubectl) -> None:
    """`kubectl scale` changes spec.replicas, and the Deployment follows."""
    create(kubectl)
    assert kubectl("scale", "website/kubia", "--replicas=3") == f"website.{GROUP}/kubia scaled\n"
    assert kubectl.get("website", "kubia")["spec"]["replicas"] == 3

    def followed() -> bool:
        return kubectl.run("get", "deployment", "kubia-website", "-o", "jsonpath={.spec.replicas}").out == "3"

    eventually(followed, SOON, "the Deployment has 3 replicas")


def test_wait_for_a_condition(kubectl: Kubectl) -> None:
    """`kubectl wait` sees a condition and a field of status: no kubelet runs, so Ready is False."""
    create(kubectl)
    kubectl("wait", "website/kubia", "--for=condition=Ready=False", UNTIL_SOON)
    kubectl("wait", "website/kubia", "--for=jsonpath={.status.observedGeneration}=1", UNTIL_SOON)


def test_wait_for_delete_and_finalizers(kubectl: Kubectl) -> None:
    """A finalizer keeps a deleted Website; `kubectl wait --for=delete` ends when the finalizer goes."""
    held = website()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    kubectl("create", "-f", "-", stdin=manifest(held))
    kubectl("delete", "website", "kubia", "--wait=false")
    assert "deletionTimestamp" in kubectl.get("website", "kubia")["metadata"]
    with kubectl.stream("wait", "website/kubia", "--for=delete", UNTIL_SOON) as stream:
        kubectl("patch", "website", "kubia", "--type=merge", '--patch={"metadata":{"finalizers":null}}')
        assert stream.process.wait(SOON) == 0
    assert "NotFound" in kubectl.refused("get", "website", "kubia")


def test_delete(kubectl: Kubectl) -> None:
    """`kubectl delete` deletes, waits for it, and get says NotFound in Kubernetes' words."""
    create(kubectl)
    assert "deleted" in kubectl("delete", "website", "kubia")
    error = kubectl.refused("get", "website", "kubia")
    assert error == f'Error from server (NotFound): websites.{GROUP} "kubia" not found\n'


def test_delete_all(kubectl: Kubectl) -> None:
    """`kubectl delete --all` and deletion by label leave what they should."""
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        create(kubectl, name)
        kubectl("label", "website", name, f"tier={tier}")
    kubectl("delete", "websites", "-l", "tier=x")
    assert kubectl("get", "websites", "-o", "name") == f"website.{GROUP}/c\n"
    kubectl("delete", "websites", "--all")
    assert kubectl("get", "websites", "-o", "name") == ""


def test_delete_collection(kubectl: Kubectl) -> None:
    """One DELETE of the collection deletes what its selector selects."""
    create(kubectl, "a")
    create(kubectl, "b")
    kubectl("label", "website", "a", "tier=x")
    kubectl("delete", "--raw", f"/apis/{GROUP}/v1alpha1/namespaces/{kubectl.namespace}/websites?labelSelector=tier%3Dx")
    eventually(lambda: kubectl("get", "websites", "-o", "name") == f"website.{GROUP}/b\n", SOON, "only b is left")


def test_apply(kubectl: Kubectl) -> None:
    """`kubectl apply` creates, says unchanged, then configured; a field taken out of the manifest goes."""
    assert kubectl("apply", "-f", "-", stdin=manifest(website(branch="dev"))).endswith("kubia created\n")
    assert kubectl("apply", "-f", "-", stdin=manifest(website(branch="dev"))).endswith("kubia unchanged\n")
    assert kubectl("apply", "-f", "-", stdin=manifest(website(replicas=2))).endswith("kubia configured\n")
    assert kubectl.get("website", "kubia")["spec"] == {"gitRepo": REPO, "replicas": 2}


def test_server_side_apply(kubectl: Kubectl) -> None:
    """`kubectl apply --server-side` creates and merges, and records its fields."""
    out = kubectl("apply", "--server-side", "-f", "-", stdin=manifest(website(branch="dev")))
    assert out == f"website.{GROUP}/kubia serverside-applied\n"
    kubectl("apply", "--server-side", "-f", "-", stdin=manifest(website(branch="main")))
    item = kubectl.get("website", "kubia", "--show-managed-fields")
    assert item["spec"] == {"gitRepo": REPO, "branch": "main", "replicas": 1}
    entry = next(entry for entry in item["metadata"]["managedFields"] if entry["manager"] == "kubectl")
    assert entry["operation"] == "Apply"
    assert entry["fieldsV1"]["f:spec"] == {"f:gitRepo": {}, "f:branch": {}}


def test_diff_and_dry_run(kubectl: Kubectl) -> None:
    """`kubectl diff` and `--dry-run=server` show what would happen, and nothing does."""
    out = kubectl("create", "--dry-run=server", "-f", "-", stdin=manifest(website()))
    assert out == f"website.{GROUP}/kubia created (server dry run)\n"
    assert "NotFound" in kubectl.refused("get", "website", "kubia")
    kubectl("apply", "-f", "-", stdin=manifest(website()))
    # Between kubectl's two requests the reconciler may have written status.
    eventually(lambda: kubectl.run("diff", "-f", "-", stdin=manifest(website())).code == 0, SOON, "no difference")
    result = kubectl.run("diff", "-f", "-", stdin=manifest(website(branch="dev")))
    assert (result.code, "+  branch: dev" in result.out) == (1, True), result.out + result.err
    assert "branch" not in kubectl.get("website", "kubia")["spec"]


def test_generate_name(kubectl: Kubectl) -> None:
    """`metadata.generateName` makes names."""
    item = website()
    item["metadata"] = {"generateName": "site-"}
    names = {kubectl("create", "-f", "-", "-o", "name", stdin=manifest(item)).strip() for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith(f"website.{GROUP}/site-") for name in names)


def test_status_subresource(kubectl: Kubectl) -> None:
    """Status is written through its subresource only, and that leaves spec and generation alone."""
    create(kubectl)
    kubectl("patch", "website", "kubia", "--type=merge", '--patch={"status":{"url":"http://ignored"}}')
    assert kubectl.get("website", "kubia").get("status", {}).get("url") != "http://ignored"
    condition = {"type": "Tested", "status": "True", "reason": "Yes", "message": ""}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    patch = orjson.dumps({"status": {"conditions": [condition]}, "spec": {"branch": "ignored"}}).decode()
    flags = ("--subresource=status", "--type=merge", f"--patch={patch}", "-o", "json")
    item: Object = orjson.loads(kubectl("patch", "website", "kubia", *flags))
    assert item["status"]["conditions"] == [condition]
    assert "branch" not in item["spec"]
    assert item["metadata"]["generation"] == 1


def test_deleting_a_namespace_that_holds_websites_finishes(kubectl: Kubectl) -> None:
    """The namespace goes, and the Websites with it."""
    for name in ("one", "two"):
        create(kubectl, name)
    kubectl("delete", "namespace", kubectl.namespace, UNTIL_SOON)
    left = kubectl("get", "websites", "-A", "-o", "jsonpath={.items[*].metadata.namespace}")
    assert kubectl.namespace not in left.split()
