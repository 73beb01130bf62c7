"""docs/operations.md keeps up with the program."""

import re
from itertools import product
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from apiserver.http.metrics import Metrics
from reconciler.metrics import Instruments
from reconciler.website.status import Seen, desired_status
from tests.unit.reconciling import NOW, deployment, service, website

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("name", sorted(family.name for family in Metrics().registry.collect()))
def test_server_metrics_are_explained(name: str) -> None:
    """Each metric of the server has a line."""
    assert name in TEXT or name.startswith("process_")


def test_what_is_restored_is_the_member_that_runs() -> None:
    """etcdutl is told the names that etcd has in deploy/etcd.yaml."""
    text = (ROOT / "deploy" / "etcd.yaml").read_text().replace("$(POD_NAME)", "website-etcd-0")
    told = re.findall(r"--(?:name|initial-[a-z-]+)=[^ \n]+", TEXT)

    assert len(told) == 4
    assert [flag for flag in told if f"- {flag}\n" not in text] == []


def test_controller_metrics_are_explained() -> None:
    """Each metric of the controllers has a line; names of one family are shortened."""
    registry = CollectorRegistry()
    Instruments(registry)
    names = [family.name for family in registry.collect()]
    short = [name.replace("controller_runtime_reconcile", "...").replace("controller_runtime", "...") for name in names]

    assert names
    assert [name for name, other in zip(names, short, strict=True) if name not in TEXT and other not in TEXT] == []


def test_conditions_and_reasons_are_explained() -> None:
    """Each condition, and each reason that a Deployment's counts can lead to, has a line."""
    words: set[str] = set()
    for replicas, ready, up_to_date, observed in product((0, 2, 3), (0, 1, 2), (0, 2), (0, 1)):
        counts = {"replicas": replicas, "readyReplicas": ready, "updatedReplicas": up_to_date}
        item = website()
        for _ in range(2):
            for child in (deployment(observedGeneration=observed, **counts), {}):
                item["status"] = desired_status(item, Seen(child, service()), NOW)
                words |= {entry[key] for entry in item["status"]["conditions"] for key in ("type", "reason")}

    assert {"ReplicasReady", "RolloutInProgress", "Replacing"} <= words
    assert {word for word in words if f"`{word}`" not in TEXT} == set()
