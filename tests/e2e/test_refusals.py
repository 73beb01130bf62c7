"""What is refused, and in which words: the same through the aggregator and in standalone mode."""

import httpx
import orjson
import pytest

from tests.controlplane.kubectl import Kubectl
from tests.e2e.conftest import Target
from tests.e2e.websites import API, GROUP, create, manifest, website


def _refused(kubectl: Kubectl, name: str = "kubia", **spec: object) -> str:
    return kubectl.refused("create", "-f", "-", stdin=manifest(website(name, **spec)))


def test_missing_repository(kubectl: Kubectl) -> None:
    """A manifest without gitRepo is refused with `spec.gitRepo: Required value`."""
    error = _refused(kubectl, gitRepo=None, branch="dev")
    assert error == 'The Website "kubia" is invalid: spec.gitRepo: Required value\n'


def test_every_wrong_field_is_named(kubectl: Kubectl) -> None:
    """Several wrong fields are one cause each."""
    error = _refused(kubectl, gitRepo="not a url", replicas=101)
    assert "* spec.gitRepo: Invalid value:" in error
    assert "* spec.replicas: Invalid value: 101" in error


@pytest.mark.parametrize(
    "repository", ["https://x.example/a", "http://x.example/a", "ssh://git@x.example/a", "git://x.example/a"]
)
def test_allowed_schemes(kubectl: Kubectl, repository: str) -> None:
    """The four schemes of the issue are allowed."""
    assert create(kubectl, gitRepo=repository)["spec"]["gitRepo"] == repository


@pytest.mark.parametrize("name", ["a" * 56, "with.dot", "1st"])
def test_names_that_no_service_can_have(kubectl: Kubectl, name: str) -> None:
    """A name of which `<name>-website` is no Service name is refused with a sentence that says so."""
    error = _refused(kubectl, name)
    assert "metadata.name: Invalid value:" in error
    assert "service" in error.lower()


def test_longest_name(kubectl: Kubectl) -> None:
    """55 characters are fine: 63 with the suffix."""
    create(kubectl, "a" * 55)


def test_bad_name(kubectl: Kubectl) -> None:
    """The generic name rule comes in Kubernetes' words."""
    assert "a lowercase RFC 1123 subdomain must consist of lower case" in _refused(kubectl, "Bad_Name")


def test_already_exists(kubectl: Kubectl) -> None:
    """A second create of a name is AlreadyExists."""
    create(kubectl)
    words = f'websites.{GROUP} "kubia" already exists'
    assert _refused(kubectl) == f'Error from server (AlreadyExists): error when creating "STDIN": {words}\n'


def test_unknown_field_strict(kubectl: Kubectl) -> None:
    """kubectl's default validation refuses an unknown field by its path."""
    assert 'strict decoding error: unknown field "spec.foo"' in _refused(kubectl, foo=1)


def test_unknown_field_warned(kubectl: Kubectl) -> None:
    """`--validate=warn` warns of it and drops it."""
    result = kubectl.run("create", "--validate=warn", "-f", "-", stdin=manifest(website(foo=1)))
    assert (result.code, result.err) == (0, 'Warning: unknown field "spec.foo"\n')
    assert "foo" not in kubectl.get("website", "kubia")["spec"]


def test_unknown_field_ignored(kubectl: Kubectl) -> None:
    """`--validate=ignore` drops it and says nothing."""
    result = kubectl.run("create", "--validate=ignore", "-f", "-", stdin=manifest(website(foo=1)))
    assert (result.code, result.err) == (0, "")


def test_missing_namespace(kubectl: Kubectl) -> None:
    """Creating in a namespace that does not exist is 404 of the namespace."""
    error = _refused(kubectl.within("nowhere"))
    assert 'namespaces "nowhere" not found' in error
    assert "NotFound" in error


def test_user_without_rights(target: Target) -> None:
    """alice may do nothing: 403 Forbidden in Kubernetes' words, and discovery still answers her."""
    with target.http("alice") as client:
        answer = client.get(f"{API}/namespaces/default/websites")
        body = orjson.loads(answer.content)
        assert client.get(API).status_code == httpx.codes.OK
    expected = f'User "alice" cannot list resource "websites" in API group "{GROUP}" in the namespace "default"'
    assert (answer.status_code, body["reason"]) == (httpx.codes.FORBIDDEN, "Forbidden")
    assert body["message"] == f"websites.{GROUP} is forbidden: {expected}"


def test_user_without_rights_cannot_create(target: Target) -> None:
    """Writing is refused too."""
    with target.http("alice") as client:
        answer = client.post(f"{API}/namespaces/default/websites", json=website())
    assert answer.status_code == httpx.codes.FORBIDDEN


def test_nobody_is_unauthorized(target: Target) -> None:
    """A token that nobody has issued is 401."""
    with target.http() as client:
        answer = client.get(f"{API}/websites", headers={"Authorization": "Bearer forged"})
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_body_of_more_than_3_mib(target: Target) -> None:
    """A body over 3 MiB is 413."""
    item = website() | {"status": {"url": "x" * (3 * 1024 * 1024 + 1)}}
    with target.http() as client:
        answer = client.post(f"{API}/namespaces/default/websites", json=item)
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
