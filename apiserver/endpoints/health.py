"""/healthz, /livez, /readyz (wire.md 8.1), /metrics and /version.

/livez says whether a restart could help: it does not fail because the storage is away, as that of kube-apiserver does.
"""

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from apiserver.http.asgi import METHODS
from apiserver.http.drain import Drain
from apiserver.http.metrics import Metrics
from apiserver.machinery.encoding import encode_ordered, indent
from apiserver.machinery.errors import quoted
from apiserver.machinery.request import parse_query

HEALTHZ, LIVEZ, READYZ = "healthz", "livez", "readyz"
PROBES = (HEALTHZ, LIVEZ, READYZ)
_TEXT = "text/plain; charset=utf-8"
_NOSNIFF = {"X-Content-Type-Options": "nosniff"}
_METHODS = list(METHODS)

Check = Callable[[], Awaitable[None]]
"""Raises what is wrong; only the log and the check's own path tell it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """`error`: "" when the check passed."""

    name: str
    error: str = ""


class HealthChecks:
    """Checks by name, in the order of their registration; each may take `timeout` seconds."""

    def __init__(self, timeout: float = 2.0) -> None:
        self._timeout = timeout
        self._checks: dict[str, dict[str, Check]] = {probe: {} for probe in PROBES}

    def register(self, name: str, check: Check, probes: Collection[str] = PROBES) -> None:
        for probe in probes:
            self._checks[probe][name] = check

    def names(self, probe: str) -> list[str]:
        return list(self._checks[probe])

    async def run(self, probe: str, excluded: Collection[str] = ()) -> list[Result]:
        """All of the probe's checks but the excluded ones, at once."""
        wanted = {name: check for name, check in self._checks[probe].items() if name not in excluded}
        return await asyncio.gather(*(self._run(name, check) for name, check in wanted.items()))

    async def run_one(self, probe: str, name: str) -> Result | None:
        """None: there is no such check."""
        check = self._checks[probe].get(name)
        return None if check is None else await self._run(name, check)

    async def _run(self, name: str, check: Check) -> Result:
        try:
            async with asyncio.timeout(self._timeout):
                await check()
        except TimeoutError:
            return Result(name, "no answer in time")
        except Exception as error:
            return Result(name, str(error) or type(error).__name__)
        return Result(name)


async def passes() -> None:
    """The checks ping and log: whoever answers them is there."""


def not_draining(drain: Drain) -> Check:
    """The check `shutdown` of /readyz."""

    async def check() -> None:
        if drain.announced:
            raise RuntimeError("process is shutting down")

    return check


def standard_checks(drain: Drain) -> HealthChecks:
    """ping, log and shutdown; the storage's and the informers' are added by who has them."""
    checks = HealthChecks()
    checks.register("ping", passes)
    checks.register("log", passes)
    checks.register("shutdown", not_draining(drain), (READYZ,))
    return checks


def report(probe: str, names: Collection[str], results: Mapping[str, Result], excluded: Collection[str]) -> str:
    """The lines of a verbose answer, but the last."""
    lines = []
    for name in names:
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok\n")
        else:
            lines.append(f"[-]{name} failed: reason withheld\n" if results[name].error else f"[+]{name} ok\n")
    unknown = sorted(set(excluded) - set(names))
    if unknown:
        matches = ",".join(quoted(name) for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {matches}\n")
    return "".join(lines)


def _text(code: int, text: str) -> Response:
    return Response(text, code, _NOSNIFF, _TEXT)


async def _probe(checks: HealthChecks, probe: str, query: Mapping[str, list[str]]) -> Response:
    excluded = {name for name in query.get("exclude", ()) if name}
    results = {result.name: result for result in await checks.run(probe, excluded)}
    text = report(probe, checks.names(probe), results, excluded)
    failed = [result for result in results.values() if result.error]
    if failed:
        logger.warning("%s check failed: %s", probe, "; ".join(f"{result.name}: {result.error}" for result in failed))
        return _text(500, f"{text}{probe} check failed\n")
    return _text(200, f"{text}{probe} check passed\n" if "verbose" in query else "ok")


async def _single(checks: HealthChecks, probe: str, name: str) -> Response:
    result = await checks.run_one(probe, name)
    if result is None:
        return _text(404, "404 page not found\n")
    if result.error:
        return _text(500, f"internal server error: {result.error}\n")
    return Response("ok", media_type=_TEXT)


def version_info(version: str) -> dict[str, str]:
    """version.Info of this program."""
    major, minor, *_ = [*version.split("."), "", ""]
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": minor,
        "gitVersion": f"v{version}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system().lower()}/{machine}",
    }


def router(checks: HealthChecks, metrics: Metrics, version: str) -> APIRouter:
    """The routes of this module."""
    routes = APIRouter(include_in_schema=False)
    for probe in PROBES:
        _add_probe(routes, checks, probe)
    answer = indent(encode_ordered(version_info(version)))

    @routes.get("/version")
    @routes.get("/version/")
    async def show_version() -> Response:
        return Response(answer, media_type="application/json")

    @routes.get("/metrics")
    async def show_metrics() -> Response:
        metrics.count_objects()
        data = await asyncio.to_thread(generate_latest, metrics.registry)
        return Response(data, media_type=CONTENT_TYPE_LATEST)

    return routes


def _add_probe(routes: APIRouter, checks: HealthChecks, probe: str) -> None:
    @routes.api_route(f"/{probe}", methods=_METHODS)
    async def show_all(request: Request) -> Response:
        return await _probe(checks, probe, parse_query(request.scope["query_string"]))

    @routes.api_route(f"/{probe}/{{name:path}}", methods=_METHODS)
    async def show_one(name: str) -> Response:
        return await _single(checks, probe, name)
