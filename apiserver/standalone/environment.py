"""The environment without a cluster: own certificates and users, host kinds served by this server itself, and the
controllers that a cluster would run for them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from apiserver import certificates
from apiserver.admission.namespaces import NamespaceLifecycle, StoreNamespaces
from apiserver.client import Client
from apiserver.environment import Environment, Stores, Task, admission, serving, trusted_by_flags
from apiserver.filters.authentication import AuthenticationConfig, Authenticator
from apiserver.filters.authorization import masters_only
from apiserver.filters.tokens import read_tokens, static_tokens
from apiserver.machinery.errors import APIError
from apiserver.machinery.kind import Kind
from apiserver.machinery.request import User
from apiserver.registry.store import AdmitCreate, Store
from apiserver.settings import Settings, SettingsError
from apiserver.standalone import namespaces
from apiserver.standalone.events import EventMirror
from apiserver.standalone.garbage_collector import GarbageCollector
from apiserver.standalone.kinds import HOST_KINDS, NAMESPACES
from apiserver.standalone.kubeconfig import admin_kubeconfig
from storage.interface import Storage, StorageError

# A cluster's collector hears of a change later than the client that made it, who sees what it waits for.
_COLLECTOR_LAG = 0.5


@asynccontextmanager
async def environment(settings: Settings, storage: Storage) -> AsyncIterator[Environment]:
    """Writes certificates and kubeconfig below --data-dir. Raises SettingsError, OSError, ClientError."""
    identities = certificates.ensure(settings.cert_dir)
    kubeconfig = settings.data_dir / "kubeconfig"
    url = f"https://127.0.0.1:{settings.secure_port}"
    certificates.write(kubeconfig, admin_kubeconfig(url, identities.ca, identities.admin).encode(), private=True)
    flags = trusted_by_flags(settings)
    config = AuthenticationConfig(identities.ca.cert_pem.decode() + flags.client_ca_pem, flags.requestheader)
    authenticator = Authenticator(config, static_tokens(_tokens(settings)))
    listener = serving(settings, config.authorities)
    own = Store(NAMESPACES, storage, settings.etcd_prefix)
    await _begin(own, storage)
    lifecycle = NamespaceLifecycle(StoreNamespaces(own))
    client = await Client.connect(str(kubeconfig))
    try:
        yield Environment(
            client=client,
            authenticator=authenticator,
            authorizer=masters_only(settings.authorization_always_allow_paths),
            serving=listener,
            admit=partial(_admission, lifecycle),
            tasks=partial(_tasks, listener.reload_loop),
            kinds=HOST_KINDS,
        )
    finally:
        await client.close()


async def _begin(own: Store, storage: Storage) -> None:
    """Before anything is served: a client that finds the server ready finds the first namespaces too, and no revision
    from before them."""
    with suppress(APIError, StorageError):
        if created := await namespaces.create_initial(own):
            await storage.compact(created)


def _tokens(settings: Settings) -> dict[bytes, User]:
    try:
        return read_tokens(settings.token_auth_file) if settings.token_auth_file else {}
    except ValueError as error:
        raise SettingsError(f"--token-auth-file: {error}") from error


def _admission(lifecycle: NamespaceLifecycle, kind: Kind) -> AdmitCreate:
    return namespaces.admit if kind is NAMESPACES else admission(lifecycle, kind)


def _tasks(reload: Task, stores: Stores) -> Sequence[Task]:
    every = list(stores.values())
    ours = stores["", "v1", "namespaces"]

    return [
        partial(namespaces.ensure_initial, ours),
        namespaces.NamespaceController(ours, every).run,
        GarbageCollector(every, _COLLECTOR_LAG).run,
        EventMirror(stores["events.k8s.io", "v1", "events"], stores["", "v1", "events"]).run,
        reload,
    ]
