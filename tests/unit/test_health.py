"""Health, version and metrics, as kube-apiserver says them."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from apiserver.endpoints.health import HEALTHZ, READYZ, HealthChecks, router, standard_checks
from apiserver.http.drain import Drain
from apiserver.http.metrics import Metrics


class Server:
    """The routes, with a storage that may be away."""

    def __init__(self) -> None:
        self.drain, self.fault = Drain(), ""
        self.checks = standard_checks(self.drain)
        self.checks.register("etcd", self._storage, (HEALTHZ, READYZ))
        app = FastAPI(redirect_slashes=False)
        app.include_router(router(self.checks, Metrics(), "1.2.3"))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")

    async def _storage(self) -> None:
        if self.fault:
            raise RuntimeError(self.fault)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    async with found.client:
        yield found


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/livez/ping", "/readyz/etcd"])
async def test_healthy(server: Server, method: str, path: str) -> None:
    """All is well: ok without a newline, by any method."""
    answer = await server.client.request(method, path)
    assert (answer.status_code, answer.text) == (200, "ok")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_verbose(server: Server) -> None:
    """?verbose lists the checks."""
    answer = await server.client.get("/readyz?verbose")
    assert answer.text == "[+]ping ok\n[+]log ok\n[+]shutdown ok\n[+]etcd ok\nreadyz check passed\n"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_excluded(server: Server) -> None:
    """?exclude skips checks, and names those that there are not."""
    server.fault = "away"
    answer = await server.client.get("/readyz?verbose&exclude=etcd&exclude=b&exclude=a")
    lines = '[+]etcd excluded: ok\nwarn: some health checks cannot be excluded: no matches for "a","b"\n'
    assert answer.text == f"[+]ping ok\n[+]log ok\n[+]shutdown ok\n{lines}readyz check passed\n"


async def test_storage_away(server: Server) -> None:
    """Not ready and not healthy, but alive: a restart would not bring the storage back."""
    server.fault = "away"
    codes = [(await server.client.get(path)).status_code for path in ("/readyz", "/healthz", "/livez", "/livez/etcd")]
    assert codes == [500, 500, 200, 404]


async def test_failure_in_words(server: Server) -> None:
    """A failure is always verbose and keeps its reason to itself; the check's own path tells it."""
    server.fault = "etcd is away"
    answer = await server.client.get("/readyz")
    assert (
        answer.text == "[+]ping ok\n[+]log ok\n[+]shutdown ok\n[-]etcd failed: reason withheld\nreadyz check failed\n"
    )
    answer = await server.client.get("/readyz/etcd")
    assert (answer.status_code, answer.text) == (500, "internal server error: etcd is away\n")


async def test_shutting_down(server: Server) -> None:
    """From the announcement on the server is not ready, but alive."""
    server.drain.announce()
    assert (await server.client.get("/readyz/shutdown")).text == "internal server error: process is shutting down\n"
    assert (await server.client.get("/livez")).status_code == 200


async def test_check_without_an_answer() -> None:
    """A check that does not return in time has failed."""

    async def hangs() -> None:
        await asyncio.Event().wait()

    checks = HealthChecks(timeout=0.001)
    checks.register("stuck", hangs)
    (result,) = await checks.run("livez")
    assert result.error == "no answer in time"


async def test_version(server: Server) -> None:
    """version.Info, indented."""
    answer = await server.client.get("/version")
    assert answer.json()["gitVersion"] == "v1.2.3"
    assert answer.text.startswith('{\n  "major": "1",\n  "minor": "2",')


async def test_metrics(server: Server) -> None:
    """Prometheus' text."""
    answer = await server.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE apiserver_request_total counter" in answer.text
