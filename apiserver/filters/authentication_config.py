"""Whom to trust, as kube-apiserver says it in ConfigMap kube-system/extension-apiserver-authentication (wire.md 2.1).

What the command line names itself wins over the ConfigMap, the front proxy and the client authorities each as a whole.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

import orjson
from cryptography import x509

from apiserver.client import ClientError
from apiserver.filters.authentication import AuthenticationConfig, RequestHeaderConfig
from apiserver.machinery.errors import Object

NAME = "extension-apiserver-authentication"
PATH = "/api/v1/namespaces/kube-system/configmaps"
_FIELD_SELECTOR = f"metadata.name={NAME}"
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0

logger = logging.getLogger(__name__)


class ConfigMaps(Protocol):
    """What is needed of `apiserver.client.Client`."""

    async def get(self, path: str, **query: str) -> Object: ...

    def watch(self, path: str, **query: str) -> AsyncIterator[tuple[str, Object]]: ...


class SetupError(Exception):
    """The server must not start like this; the message is one sentence that tells the operator what to do."""


def parse(config_map: Object | None, base: AuthenticationConfig) -> AuthenticationConfig:
    """`base` completed by the ConfigMap; None when there is none. Raises ValueError for contents that are no use."""
    data = (config_map or {}).get("data") or {}
    client_ca = base.client_ca_pem or _bundle(data, "client-ca-file")
    return AuthenticationConfig(client_ca, base.requestheader or _front_proxy(data))


def _front_proxy(data: dict[str, str]) -> RequestHeaderConfig | None:
    ca_pem = _bundle(data, "requestheader-client-ca-file")
    if not ca_pem:
        return None
    return RequestHeaderConfig(
        ca_pem,
        allowed_names=_strings(data, "requestheader-allowed-names"),
        username_headers=_strings(data, "requestheader-username-headers"),
        uid_headers=_strings(data, "requestheader-uid-headers"),
        group_headers=_strings(data, "requestheader-group-headers"),
        extra_prefixes=_strings(data, "requestheader-extra-headers-prefix"),
    )


def _bundle(data: dict[str, str], key: str) -> str:
    pem = data.get(key, "")
    if pem.strip():
        try:
            x509.load_pem_x509_certificates(pem.encode())
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
    return pem if pem.strip() else ""


def _strings(data: dict[str, str], key: str) -> tuple[str, ...]:
    values = orjson.loads(data.get(key) or "[]")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{key}: expected a JSON array of strings")
    return tuple(values)


async def load(client: ConfigMaps, base: AuthenticationConfig, tolerate: bool = False) -> AuthenticationConfig:
    """The configuration to start with. Raises SetupError when it cannot be read, unless `tolerate`."""
    try:
        found, _ = await _list(client)
        if found is None:
            logger.warning("there is no ConfigMap kube-system/%s: only what the command line names is trusted", NAME)
        return parse(found, base)
    except (ClientError, ValueError) as error:
        if not tolerate:
            raise SetupError(_advice(error)) from error
        logger.warning("%s", _advice(error))
        return base


def _advice(error: Exception) -> str:
    subject = f"ConfigMap kube-system/{NAME} cannot be used ({error})"
    if isinstance(error, ClientError) and error.status == 403:
        return (
            f"{subject}: bind this server's account to Role kube-system/{NAME}-reader, or start with "
            "--authentication-skip-lookup or --authentication-tolerate-lookup-failure"
        )
    return f"{subject}: start with --authentication-tolerate-lookup-failure to go on without"


async def _list(client: ConfigMaps) -> tuple[Object | None, str]:
    """The ConfigMap, and the revision from which to watch it."""
    found = await client.get(PATH, fieldSelector=_FIELD_SELECTOR)
    items = found.get("items") or [None]
    return items[0], found["metadata"]["resourceVersion"]


async def follow(
    client: ConfigMaps,
    apply: Callable[[AuthenticationConfig], None],
    base: AuthenticationConfig,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Calls `apply` with each configuration that differs from the one before, for ever; whatever cannot be read or used
    is logged, and the one before stays."""
    pause = _FIRST_PAUSE
    follower = _Follower(apply, base)
    while True:
        try:
            found, revision = await _list(client)
            follower.see(found)
            pause = _FIRST_PAUSE
            await _watch(client, revision, follower)
        except ClientError as error:
            logger.warning("ConfigMap kube-system/%s: %s", NAME, error)
            pause = min(pause * 2, _LONGEST_PAUSE)
        await sleep(pause * (0.5 + random.random() / 2))  # noqa: S311 - spreads load


async def _watch(client: ConfigMaps, revision: str, follower: "_Follower") -> None:
    stream = client.watch(PATH, fieldSelector=_FIELD_SELECTOR, resourceVersion=revision)
    async with aclosing(stream) as events:  # type: ignore[type-var]
        async for kind, found in events:
            if kind in ("ADDED", "MODIFIED", "DELETED"):
                follower.see(found if kind != "DELETED" else None)


class _Follower:
    """`_last`: what was applied last."""

    def __init__(self, apply: Callable[[AuthenticationConfig], None], base: AuthenticationConfig) -> None:
        self._apply, self._base = apply, base
        self._last: AuthenticationConfig | None = None

    def see(self, found: Object | None) -> None:
        try:
            config = parse(found, self._base)
            if config != self._last:
                self._apply(config)
                self._last = config
        except (ValueError, OSError) as error:
            logger.error("ConfigMap kube-system/%s is not used: %s", NAME, error)
