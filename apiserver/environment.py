"""What the server needs from around it, whoever provides it: a cluster (`cluster.py`) or `standalone/`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from apiserver.client import Client
from apiserver.filters.authentication import Authenticator
from apiserver.machinery.authorization import Authorizer
from apiserver.machinery.kind import Kind
from apiserver.registry.store import AdmitCreate, Store
from apiserver.tls import Serving

Task = Callable[[], Awaitable[None]]
"""Runs until it is cancelled."""
Stores = Mapping[tuple[str, str, str], Store]
"""By group, version and plural."""


@dataclass(frozen=True)
class Environment:
    """`kinds` are served beside the server's own; `admit` says what speaks against creating an object of a kind; `tasks`
    run beside the server; `checks` are named conditions of readiness; `close` frees connections at the end."""

    client: Client
    authenticator: Authenticator
    authorizer: Authorizer
    serving: Serving
    admit: Callable[[Kind], AdmitCreate]
    tasks: Callable[[Stores], Sequence[Task]]
    close: Callable[[], Awaitable[None]]
    kinds: tuple[Kind, ...] = ()
    checks: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
