"""The composition root: settings, storage, kinds, filters and controllers, put together and run."""

import asyncio
import os
import signal
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import cast

import uvicorn
from fastapi import FastAPI
from prometheus_client import Gauge

import reconciler
from apiserver import cluster, kinds, tls
from apiserver.endpoints import documents, health
from apiserver.endpoints.router import ResourceRouter, route_of
from apiserver.endpoints.watch import WatchEndpoint
from apiserver.environment import Environment, Stores, Task
from apiserver.filters.authentication import Authenticate
from apiserver.filters.authorization import Authorize
from apiserver.filters.limits import Deadline, InFlight
from apiserver.filters.observe import Observe
from apiserver.http.asgi import Application
from apiserver.http.drain import Cuttable, Drain, cut_stalled
from apiserver.http.metrics import Metrics
from apiserver.machinery import kindcheck
from apiserver.machinery.kind import Kind
from apiserver.machinery.kindcheck import KindError
from apiserver.registry.store import Store
from apiserver.settings import VERSION, Settings, SettingsError
from apiserver.standalone import environment as standalone
from reconciler.controller import Context, Registration
from reconciler.leader import Candidate, Fence, Timing, run_as_leader
from reconciler.metrics import Instruments
from storage.cacher import Cacher
from storage.compaction import compaction_loop
from storage.etcd import EtcdStorage
from storage.interface import Storage, Unavailable
from storage.sqlite import MEMORY, SQLiteStorage

_DRAIN_SECONDS = 5
_KEEPALIVE = {"TCP_KEEPIDLE": 180, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 9}
"""As kube-apiserver's, where the system has them: after so many seconds of silence a client is asked whether it is
there, so often, and so many times."""


async def serve(settings: Settings) -> None:
    """Runs the server until SIGTERM or SIGINT, which are SystemExit with a shell's code for them before it listens.
    Raises SettingsError, SetupError, ClientError, StorageError and OSError, each with one sentence for the operator;
    KindError with one for a kind's author."""
    _on_signals(lambda number: sys.exit(128 + number))
    _check_controllers(settings)
    own = kinds.discover()
    kindcheck.check(own)
    async with _storage(settings) as storage:
        cacher = Cacher(storage, f"{settings.etcd_prefix}/")
        async with _environment(settings, cacher) as environment:
            served = (*own, *environment.kinds)
            kindcheck.check(served)
            stores = build_stores(served, cacher, settings.etcd_prefix, environment)
            drain = Drain()
            metrics = Metrics(stores.keys())
            environment.client.observe(metrics.host_request)
            app = application(settings, environment, stores, cacher, storage, drain, metrics)
            config = tls.server_config(app, environment.serving)
            server = _Server(settings, config, drain)
            work = [cacher.run, *environment.tasks(stores), *_compaction(storage, settings)]
            # In standalone mode the controllers speak to this server. They end at once, so that another leads soon.
            controllers = [
                partial(_until, server.ending, task)
                for task in _controllers(settings, environment, stores, Instruments(metrics.registry))
            ]
            later = [partial(_after, server.listening, task) for task in controllers]
            await _beside([*work, *later], server, listen(settings))


def _on_signals(end: Callable[[int], None]) -> None:
    """Calls `end` with the number of what tells the server to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)


async def _beside(work: Sequence[Task], server: uvicorn.Server, listener: socket.socket) -> None:
    """Serves while the tasks run; they end with it."""
    async with asyncio.TaskGroup() as background:
        running = [background.create_task(_run(task)) for task in work]
        await server.serve([listener])
        for task in running:
            task.cancel()


async def _run(task: Task) -> None:
    await task()


async def _after(event: asyncio.Event, task: Task) -> None:
    await event.wait()
    await task()


async def _until(event: asyncio.Event, task: Task) -> None:
    async with asyncio.TaskGroup() as group:
        running = group.create_task(_run(task))
        await event.wait()
        running.cancel()


@asynccontextmanager
async def _storage(settings: Settings) -> AsyncIterator[Storage]:
    storage: Storage
    if settings.sqlite_path:
        _make_folder_of(settings.sqlite_path)
        storage = await SQLiteStorage.open(settings.sqlite_path)
    else:
        files = (settings.etcd_cafile, settings.etcd_certfile, settings.etcd_keyfile)
        ca_file, cert_file, key_file = (str(file) if file else "" for file in files)
        storage = await EtcdStorage.connect(
            settings.etcd_servers, ca_file=ca_file, cert_file=cert_file, key_file=key_file
        )
    try:
        yield storage
    finally:
        await storage.close()


def _make_folder_of(path: str) -> None:
    if path == MEMORY:
        return
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = f"{Path(path).parent} cannot be made ({error.strerror})"
        raise SettingsError(f"{problem}: name another --data-dir or --storage") from error


def _environment(settings: Settings, storage: Storage) -> AbstractAsyncContextManager[Environment]:
    return standalone.environment(settings, storage) if settings.standalone else cluster.environment(settings)


def build_stores(served: Sequence[Kind], storage: Storage, root: str, environment: Environment) -> Stores:
    """A Store for each kind, with the environment's admission."""
    return {
        (kind.group, kind.version, kind.plural): Store(kind, storage, root, environment.admit(kind)) for kind in served
    }


def application(
    settings: Settings,
    environment: Environment,
    stores: Stores,
    cacher: Cacher,
    storage: Storage,
    drain: Drain,
    metrics: Metrics,
) -> Application:
    """The ASGI application: filters around the front door, FastAPI behind it for whatever is no resource."""
    for store in stores.values():
        metrics.track_objects(str(store.kind.resource), partial(cacher.count, store.prefix))
    served = [store.kind for store in stores.values()]
    rest = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    rest.add_exception_handler(404, documents.no_page)
    rest.add_exception_handler(405, documents.no_method)
    rest.include_router(documents.router(served, f"{settings.bind_address}:{settings.secure_port}"))
    rest.include_router(health.router(_checks(environment, cacher, storage, drain), metrics, VERSION))
    documents.add_index(rest)
    watch = WatchEndpoint(drain, settings.min_request_timeout, metrics.watch_events.counter)
    app: Application = ResourceRouter({key: route_of(store, watch) for key, store in stores.items()}, rest)
    app = Authorize(app, environment.authorizer, metrics)
    app = InFlight(app, metrics, settings.max_requests_inflight, settings.max_mutating_requests_inflight)
    app = Authenticate(app, environment.authenticator, metrics)
    app = Deadline(app, settings.request_timeout)
    return Observe(app, metrics, drain)


def _checks(environment: Environment, cacher: Cacher, storage: Storage, drain: Drain) -> health.HealthChecks:
    """Readiness needs the storage; liveness does not, since a restart would not bring it back."""

    async def cached() -> None:
        if not cacher.ready:
            raise Unavailable("the storage has not been listed yet")

    checks = health.standard_checks(drain)
    checks.register("etcd", storage.check, (health.HEALTHZ,))
    checks.register("etcd-readiness", storage.check, (health.READYZ,))
    checks.register("poststarthook/storage-readiness", cached, (health.HEALTHZ, health.READYZ))
    for name, check in environment.checks.items():
        checks.register(name, check, (health.READYZ,))
    return checks


def _compaction(storage: Storage, settings: Settings) -> list[Task]:
    interval = settings.etcd_compaction_interval
    return [partial(compaction_loop, storage, interval)] if interval else []


def _controllers(settings: Settings, environment: Environment, stores: Stores, instruments: Instruments) -> list[Task]:
    """All controllers as one task, which only the leader runs when replicas elect one."""
    fence = Fence()
    permit = fence.check if settings.leader_elect else _always
    client = environment.client.fenced(permit)
    runs = [
        found.build(Context(_store_of(found, stores), client, permit, settings, instruments))
        for found in reconciler.discover()
        if settings.runs(found.name)
    ]
    if not runs or not settings.leader_elect:
        return runs
    timing = Timing(
        settings.leader_elect_lease_duration, settings.leader_elect_renew_deadline, settings.leader_elect_retry_period
    )
    namespace, name = settings.leader_elect_resource_namespace, settings.leader_elect_resource_name
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    candidate = Candidate(environment.client, namespace, name, identity, timing)
    leads = instruments.leads.labels(name)
    return [partial(run_as_leader, candidate, fence, partial(_lead, runs, leads))]


def _store_of(found: Registration, stores: Stores) -> Store:
    """Raises KindError when this server does not serve the controller's kind."""
    kind = found.kind
    if store := stores.get((kind.group, kind.version, kind.plural)):
        return store
    problem = f"controller {found.name}: kind {kind.kind} of {kind.api_version} is not served"
    without = f"leave the controller out with --controllers=*,-{found.name}"
    raise KindError(f"{problem}: export it from a module of apiserver/kinds, or {without}")


def _check_controllers(settings: Settings) -> None:
    """Raises SettingsError for a name that no controller has."""
    known = [found.name for found in reconciler.discover()]
    for name in (entry.removeprefix("-") for entry in settings.controllers):
        if name not in ("*", *known):
            problem = f"--controllers={','.join(settings.controllers)}: there is no controller {name!r}"
            raise SettingsError(f"{problem}; there are {', '.join(known)}")


def _always() -> None:
    """Who is alone may always write."""


async def _lead(runs: Sequence[Task], leads: Gauge) -> None:
    leads.set(1)
    try:
        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(_run(run))
    finally:
        leads.set(0)


def listen(settings: Settings) -> socket.socket:
    """Its connections look for clients that vanish without a word, as a watch's may. Raises SettingsError when the port
    cannot be had."""
    host, port = settings.bind_address, settings.secure_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048, dualstack_ipv6=host == "::")
    except OSError as error:
        problem = f"cannot listen on {host} port {port} ({os.strerror(error.errno or 0)})"
        raise SettingsError(f"{problem}: name another --secure-port or --bind-address") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return listener


class _Server(uvicorn.Server):
    """uvicorn, ended by `drain`'s steps: not ready, then watches closed and requests finished, but for those whose
    clients take nothing."""

    def __init__(self, settings: Settings, config: uvicorn.Config, drain: Drain) -> None:
        config.timeout_graceful_shutdown = int(settings.request_timeout) + _DRAIN_SECONDS
        super().__init__(config)
        self._settings, self._drain = settings, drain
        self._ending: asyncio.Task[None] | None = None
        self.listening, self.ending = asyncio.Event(), asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        _on_signals(self._stop)
        yield

    def _stop(self, _: int) -> None:
        """The first signal ends in order, a second one at once."""
        if self._ending is not None:
            self.force_exit = self.should_exit = True
            return
        self._drain.announce()
        self.ending.set()
        self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        await asyncio.sleep(self._settings.shutdown_delay_duration)
        self._drain.begin()
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cut = asyncio.create_task(cut_stalled(cast(Collection[Cuttable], self.server_state.connections)))
        try:
            await super().shutdown(sockets)
        finally:
            cut.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()
        if self._settings.standalone:
            sys.stdout.write(_welcome(self._settings))
            sys.stdout.flush()


def _welcome(settings: Settings) -> str:
    kubeconfig = settings.data_dir / "kubeconfig"
    url = f"https://{settings.bind_address}:{settings.secure_port}"
    own = kinds.discover()
    examples = [path for kind in own if (path := Path("examples", f"{kind.singular}.yaml")).exists()]
    commands = (
        f"export KUBECONFIG={kubeconfig}",
        *(f"kubectl create -f {path}" for path in examples),
        f"kubectl get {','.join(kind.plural for kind in own)},deployments,services",
    )
    return f"Serving on {url}. In another terminal, try:\n" + "".join(f"    {command}\n" for command in commands)
