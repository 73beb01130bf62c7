"""The environment that a cluster provides: its kube-apiserver says who may do what and which namespaces there are."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from apiserver.admission.namespaces import InformerNamespaces, NamespaceLifecycle
from apiserver.client import Client
from apiserver.environment import Environment, Stores, Task, admission, serving, trusted_by_flags
from apiserver.filters import authentication_config
from apiserver.filters.authentication import AuthenticationConfig, Authenticator
from apiserver.filters.authorization import subject_access_review_authorizer
from apiserver.filters.tokens import token_review
from apiserver.settings import Settings
from apiserver.tls import Serving
from reconciler.informer import ClientSource, Informer


@asynccontextmanager
async def environment(settings: Settings) -> AsyncIterator[Environment]:
    """Raises ClientError, SetupError, SettingsError, OSError and ValueError with one sentence each."""
    async with AsyncExitStack() as stack:
        client = await _connected(stack, settings.kubeconfig)
        reviewer = await _other(stack, settings.authentication_kubeconfig, settings, client)
        decider = await _other(stack, settings.authorization_kubeconfig, settings, client)
        base = trusted_by_flags(settings)
        config = await _trusted(settings, reviewer, base)
        authenticator = Authenticator(
            config, token_review(reviewer.post, settings.authentication_token_webhook_cache_ttl)
        )
        listener = serving(settings, config.authorities)
        namespaces = Informer(ClientSource(client, "/api/v1/namespaces"), "namespaces")
        lifecycle = NamespaceLifecycle(InformerNamespaces(namespaces, client))

        def tasks(_: Stores) -> Sequence[Task]:
            if settings.authentication_skip_lookup:
                return [namespaces.run, listener.reload_loop]
            trust = partial(_trust, authenticator, listener)
            follow = partial(authentication_config.follow, reviewer, trust, base)
            return [namespaces.run, listener.reload_loop, follow]

        yield Environment(
            client=client,
            authenticator=authenticator,
            authorizer=subject_access_review_authorizer(
                decider.post,
                settings.authorization_always_allow_paths,
                settings.authorization_webhook_cache_authorized_ttl,
                settings.authorization_webhook_cache_unauthorized_ttl,
            ),
            serving=listener,
            admit=partial(admission, lifecycle),
            tasks=tasks,
            checks={"informer-sync": _synced(namespaces)},
        )


async def _connected(stack: AsyncExitStack, kubeconfig: Path | None) -> Client:
    client = await Client.connect(str(kubeconfig) if kubeconfig else "")
    stack.push_async_callback(client.close)
    return client


async def _other(stack: AsyncExitStack, kubeconfig: Path | None, settings: Settings, client: Client) -> Client:
    """A client of its own only where the flags name another kubeconfig."""
    return client if kubeconfig == settings.kubeconfig else await _connected(stack, kubeconfig)


async def _trusted(settings: Settings, reviewer: Client, base: AuthenticationConfig) -> AuthenticationConfig:
    if settings.authentication_skip_lookup:
        return base
    return await authentication_config.load(reviewer, base, settings.authentication_tolerate_lookup_failure)


def _trust(authenticator: Authenticator, listener: Serving, found: AuthenticationConfig) -> None:
    authenticator.configure(found)
    listener.trust(found.authorities)


def _synced(informer: Informer) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        if not informer.has_synced.is_set():
            raise ConnectionError("the host cluster's namespaces have not been listed yet")

    return check
