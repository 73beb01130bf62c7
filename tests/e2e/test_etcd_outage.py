"""While etcd is away: what needs it is 503 at once, all else goes on; when it is back, so is the server."""

import time
from functools import partial

import httpx
import pytest

from tests.controlplane.process import SOON, eventually, in_time
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import Server
from tests.e2e.conftest import StartServer
from tests.e2e.watching import Watch
from tests.e2e.websites import API, COLLECTION, website

REFUSED_WITHIN = 3.0
"""Seconds in which a request that needs etcd is answered: a requirement."""
RECOVERED_WITHIN = 5.0
"""Seconds from etcd's return to the first write that succeeds: a requirement."""

NEED_ETCD = [
    ("GET", COLLECTION),
    ("GET", f"{COLLECTION}/before"),
    ("POST", COLLECTION),
    ("PUT", f"{COLLECTION}/before"),
    ("PATCH", f"{COLLECTION}/before"),
    ("DELETE", f"{COLLECTION}/before"),
    ("DELETE", COLLECTION),
]
DISCOVERY = ["/livez", "/version", "/apis", API, "/openapi/v2", f"/openapi/v3{API}"]
GO_ON = [
    *DISCOVERY,
    f"{COLLECTION}?resourceVersion=0",
    f"{COLLECTION}/before?resourceVersion=0",
]


@pytest.mark.parametrize("outage", ["killed", "frozen"])
def test_outage_and_recovery(own_server: Server, own_etcd: SecureEtcd, outage: str) -> None:
    """The whole course of an outage, on one server that is never restarted: refused connections, or no answers."""
    etcd = own_etcd.etcd
    begin, end = (etcd.kill, etcd.start) if outage == "killed" else (etcd.freeze, etcd.thaw)
    with own_server.http() as client, Watch(own_server, COLLECTION) as watch:
        before = client.post(COLLECTION, json=website("before"))
        assert before.status_code == httpx.codes.CREATED, before.text
        watch.wait_for("ADDED", "before", SOON)

        def recovery() -> float:
            """Seconds from etcd's return, after an outage of many requests, until the server writes and is ready."""
            begin()
            _assert_refusals(client, before.json())
            assert {path: client.get(path).status_code for path in GO_ON} == dict.fromkeys(GO_ON, httpx.codes.OK)
            eventually(lambda: not own_server.ready(), SOON, "/readyz is false")
            assert not watch.ended.is_set(), f"the open watch ended: {watch.failure}"
            end()
            back = time.monotonic()
            eventually(lambda: _created(client, "after"), SOON, "a create succeeds again")
            eventually(own_server.ready, SOON, "/readyz is ok again")
            return time.monotonic() - back

        in_time(recovery, RECOVERED_WITHIN)
        watch.wait_for("ADDED", "after", SOON)
        assert client.get(f"{COLLECTION}/before").status_code == httpx.codes.OK


def _created(client: httpx.Client, name: str) -> bool:
    return client.post(COLLECTION, json=website(name)).status_code in (httpx.codes.CREATED, httpx.codes.CONFLICT)


def _assert_refusals(client: httpx.Client, before: dict[str, object]) -> None:
    """Each is 503 ServiceUnavailable with Retry-After, and soon."""
    bodies: dict[str, object] = {"POST": website("during"), "PUT": before, "PATCH": {"spec": {"branch": "dev"}}}
    for method, path in NEED_ETCD:
        in_time(partial(_refusal, client, method, path, bodies.get(method)), REFUSED_WITHIN)


def _refusal(client: httpx.Client, method: str, path: str, body: object) -> float:
    """The seconds that it takes."""
    headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
    started = time.monotonic()
    answer = client.request(method, path, json=body, headers=headers)
    taken = time.monotonic() - started
    found = (answer.status_code, answer.json().get("reason"), "Retry-After" in answer.headers)
    assert found == (httpx.codes.SERVICE_UNAVAILABLE, "ServiceUnavailable", True), f"{method} {path}: {answer.text}"
    return taken


def test_started_without_etcd(start_server: StartServer, own_etcd: SecureEtcd) -> None:
    """A server that starts while etcd is away is alive and not ready, answers discovery, and needs no restart later."""
    own_etcd.kill()
    server = start_server("early", wait=False)
    eventually(lambda: server.status("/livez") == httpx.codes.OK, SOON, "/livez is ok")
    assert not server.ready()
    with server.http() as client:
        assert [client.get(path).status_code for path in DISCOVERY] == [httpx.codes.OK] * len(DISCOVERY)
    own_etcd.start()
    eventually(server.ready, SOON, "/readyz is ok")
