"""kubectl apply becomes kubectl apply --server-side: nobody is in conflict with oneself."""

import orjson
import pytest

from tests.controlplane.kubectl import Kubectl
from tests.e2e.websites import create, manifest, website

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture
def applied(kubectl: Kubectl) -> Kubectl:
    """After a client-side apply of a branch."""
    kubectl("apply", "-f", "-", stdin=manifest(website(branch="one")))
    return kubectl


def test_a_field_of_ones_own_may_change(applied: Kubectl) -> None:
    """What kubectl applied by itself, it may apply by the server, which keeps the annotation up to date."""
    applied("apply", "--server-side", "-f", "-", stdin=manifest(website(branch="two")))
    live = applied.get("website", "kubia")
    assert live["spec"]["branch"] == "two"
    assert orjson.loads(live["metadata"]["annotations"][ANNOTATION])["spec"]["branch"] == "two"


def test_and_back(applied: Kubectl) -> None:
    """A client-side apply afterwards goes from what the annotation says, and removes what is no longer there."""
    applied("apply", "--server-side", "-f", "-", stdin=manifest(website(branch="two")))
    applied("apply", "-f", "-", stdin=manifest(website()))
    assert "branch" not in applied.get("website", "kubia")["spec"]


def test_a_change_of_somebody_else_is_a_conflict(applied: Kubectl) -> None:
    """The annotation does not speak for a field that another one has changed since."""
    applied("patch", "website", "kubia", "--type=merge", "-p", '{"spec":{"branch":"theirs"}}', "--field-manager=theirs")
    refusal = applied.refused("apply", "--server-side", "-f", "-", stdin=manifest(website(branch="two")))
    assert 'conflict with "theirs"' in refusal
    assert ".spec.branch" in refusal


def test_without_an_annotation_there_is_a_conflict(kubectl: Kubectl) -> None:
    """What was created by kubectl without apply is another manager's."""
    create(kubectl)
    refusal = kubectl.refused("apply", "--server-side", "-f", "-", stdin=manifest(website(replicas=3)))
    assert 'conflict with "kubectl-create"' in refusal
