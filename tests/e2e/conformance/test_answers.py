"""Answers are those that were recorded from kube-apiserver: code, media type, warnings and every member of the body."""

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.e2e.conformance import golden
from tests.e2e.conformance.cases import CASES
from tests.e2e.conformance.differences import difference
from tests.e2e.conformance.exchange import Answers
from tests.e2e.conformance.record import kube_apiserver


@pytest.mark.parametrize("case", CASES)
def test_answers(case: str, target: str, answers: Answers) -> None:
    """Each request of the case is answered as kube-apiserver answered it; what is listed as different is different."""
    for number, (wanted, got) in enumerate(zip(golden.load(case), answers[case].result(), strict=True)):
        why = difference(case, number, target)
        if why is None:
            assert got == wanted, f"step {number}: {got.request}"
        elif why.always:
            assert got != wanted, f"step {number} does not differ any more: {why.reason}"


@pytest.mark.parametrize("case", CASES)
def test_kube_apiserver(case: str, reference: Answers) -> None:
    """The recorded answers are those of a live kube-apiserver."""
    assert reference[case].result() == golden.load(case)


def test_version(quiet_cluster: ControlPlane) -> None:
    """All were recorded from the version that this control plane has."""
    with kube_apiserver(quiet_cluster) as server:
        assert golden.versions() == {server.kubernetes()}
