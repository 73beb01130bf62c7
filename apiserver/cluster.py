"""The environment that a cluster provides: its kube-apiserver says who may do what and which namespaces there are."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from apiserver.admission.namespaces import InformerNamespaces, NamespaceLifecycle
from apiserver.client import Client
from apiserver.environment import Environment, Stores, Task
from apiserver.filters import authentication_config
from apiserver.filters.authentication import AuthenticationConfig, Authenticator, RequestHeaderConfig
from apiserver.filters.authorization import subject_access_review_authorizer
from apiserver.filters.tokens import token_review
from apiserver.machinery.errors import Object
from apiserver.machinery.kind import Kind
from apiserver.registry.store import AdmitCreate, admit_all
from apiserver.settings import Settings, SettingsError
from apiserver.standalone import certificates
from apiserver.tls import Serving
from reconciler.informer import ClientSource, Informer


async def environment(settings: Settings) -> Environment:
    """Raises ClientError, authentication_config.SetupError, OSError and ValueError with one sentence each."""
    client = await Client.connect(_path(settings.kubeconfig))
    reviewer = await _other(settings.authentication_kubeconfig, settings, client)
    decider = await _other(settings.authorization_kubeconfig, settings, client)
    base = from_flags(settings)
    config = base
    if not settings.authentication_skip_lookup:
        tolerate = settings.authentication_tolerate_lookup_failure
        config = await authentication_config.load(reviewer, base, tolerate)
    ttl = settings.authentication_token_webhook_cache_ttl
    authenticator = Authenticator(config, token_review(reviewer.post, ttl))
    serving = serving_of(settings, config.authorities)
    informer = Informer(ClientSource(client, "/api/v1/namespaces"), "namespaces")
    lifecycle = NamespaceLifecycle(InformerNamespaces(informer, client))

    def trust(found: AuthenticationConfig) -> None:
        authenticator.configure(found)
        serving.trust(found.authorities)

    def tasks(_: Stores) -> Sequence[Task]:
        follow = partial(authentication_config.follow, reviewer, trust, base)
        return [informer.run, serving.reload_loop, *([] if settings.authentication_skip_lookup else [follow])]

    return Environment(
        client=client,
        authenticator=authenticator,
        authorizer=subject_access_review_authorizer(
            decider.post,
            settings.authorization_always_allow_paths,
            settings.authorization_webhook_cache_authorized_ttl,
            settings.authorization_webhook_cache_unauthorized_ttl,
        ),
        serving=serving,
        admit=partial(admission, lifecycle),
        tasks=tasks,
        checks={"informer-sync": _synced(informer)},
        close=partial(_close, {id(each): each for each in (client, reviewer, decider)}.values()),
    )


def admission(lifecycle: NamespaceLifecycle, kind: Kind) -> AdmitCreate:
    """Objects of a namespaced kind need a namespace that lives."""
    if not kind.namespaced:
        return admit_all

    async def admit(obj: Object) -> None:
        meta = obj["metadata"]
        name = meta.get("name") or meta.get("generateName", "")
        await lifecycle.admit_create(kind.resource, meta["namespace"], name)

    return admit


def _synced(informer: Informer) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if not informer.has_synced.is_set():
            raise ConnectionError("the host cluster's namespaces have not been listed yet")

    return check


async def _close(clients: Iterable[Client]) -> None:
    for client in clients:
        await client.close()


async def _other(kubeconfig: Path | None, settings: Settings, client: Client) -> Client:
    """A client of its own only where the flags name another kubeconfig."""
    return client if kubeconfig == settings.kubeconfig else await Client.connect(_path(kubeconfig))


def _path(file: Path | None) -> str:
    return str(file) if file else ""


def from_flags(settings: Settings) -> AuthenticationConfig:
    """What the command line names itself, which wins over the ConfigMap."""
    client_ca = settings.client_ca_file.read_text() if settings.client_ca_file else ""
    if settings.requestheader_client_ca_file is None:
        return AuthenticationConfig(client_ca)
    proxy = RequestHeaderConfig(
        settings.requestheader_client_ca_file.read_text(),
        settings.requestheader_allowed_names,
        settings.requestheader_username_headers,
        settings.requestheader_uid_headers,
        settings.requestheader_group_headers,
        settings.requestheader_extra_headers_prefix,
    )
    return AuthenticationConfig(client_ca, proxy)


def serving_of(settings: Settings, authorities: Sequence[str]) -> Serving:
    """The pair that the flags name, else one that is made and kept in --cert-dir. Raises SettingsError."""
    cert, key = settings.tls_cert_file, settings.tls_private_key_file
    if cert is None or key is None:
        certificates.ensure(settings.cert_dir)
        cert, key = settings.cert_dir / "serving.crt", settings.cert_dir / "serving.key"
    try:
        return Serving(str(cert), str(key), authorities)
    except OSError as error:
        problem = f"{cert} and {key} are no usable certificate and key ({error})"
        raise SettingsError(f"{problem}: name a PEM pair in --tls-cert-file and --tls-private-key-file") from error
