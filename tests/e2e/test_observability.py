"""What an operator sees of a request: a line of the log and the metrics, and no secret in either."""

import orjson
import pytest

from tests.controlplane.cluster import TOKENS
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import APIServerProcess
from tests.e2e.websites import COLLECTION, website


def test_one_line_a_request(registered: APIServerProcess) -> None:
    """The line of a request holds Audit-Id, user, verb, resource, code and latency."""
    with registered.http() as client:
        answer = client.get(COLLECTION, headers={"Audit-Id": "e2e-one-line"})
    assert answer.headers["Audit-Id"] == "e2e-one-line"
    lines = eventually(
        lambda: [line for line in registered.running.text().splitlines() if "e2e-one-line" in line], SOON, "a line"
    )
    assert len(lines) == 1
    for word in ("admin", "list", "websites", "200", "latency"):
        assert word in lines[0], lines[0]


def test_no_secrets_in_the_log(registered: APIServerProcess) -> None:
    """Neither tokens nor bodies are logged, not even those of refused requests."""
    secrets = ["body-that-is-secret", "token-that-is-secret", *(token for token, _ in TOKENS.values())]
    with registered.http() as client:
        client.post(COLLECTION, json=website("Bad_Name", branch=secrets[0]), headers={"Audit-Id": "e2e-secret"})
        client.get(COLLECTION, headers={"Authorization": f"Bearer {secrets[1]}", "Audit-Id": "e2e-secret"})
    eventually(lambda: registered.running.text().count("e2e-secret") >= 2, SOON, "both lines")
    log = registered.running.text()
    assert [secret for secret in secrets if secret in log] == []


@pytest.mark.parametrize(
    "series",
    [
        'apiserver_request_total{code="200"',
        "apiserver_request_duration_seconds_bucket{",
        "apiserver_current_inflight_requests{",
        "process_cpu_seconds_total",
        'leader_election_master_status{name="apiserver-controllers"} 1.0',
        'workqueue_depth{name="website-controller"}',
        'workqueue_unfinished_work_seconds{name="website-controller"}',
        'controller_runtime_max_concurrent_reconciles{controller="website-controller"}',
    ],
)
def test_metrics(registered: APIServerProcess, series: str) -> None:
    """/metrics has the names and labels of kube-apiserver, client-go and, once this process leads, of controllers."""
    with registered.http() as client:
        client.get(COLLECTION)
        eventually(lambda: series in client.get("/metrics").text, SOON, series)


def test_version_is_kubernetes_shaped(registered: APIServerProcess) -> None:
    """/version has the fields that clients read."""
    with registered.http() as client:
        document = orjson.loads(client.get("/version").content)
    assert {"major", "minor", "gitVersion", "platform"} <= document.keys()
