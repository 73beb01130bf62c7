"""Bearer tokens: reviewed by the host cluster, or read from a file. A token itself is never kept, nor logged."""

import csv
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from apiserver.client import ClientError
from apiserver.filters.lookup import Lookups, persistent
from apiserver.machinery.errors import Object
from apiserver.machinery.request import User, with_group

Review = Callable[[str], Awaitable[User | None]]
"""Whose token it is, None when nobody's. Raises ReviewError."""
Post = Callable[[str, Object], Awaitable[Object]]
"""`Client.post`."""

_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
_REMEMBERED = 4096


class ReviewError(Exception):
    """Nobody could say whose token it is."""


def token_review(post: Post, ttl: float = 10.0) -> Review:
    """Asks by TokenReview. Either answer is good for `ttl` seconds."""
    lookups: Lookups[bytes, User | None] = Lookups(lambda _: ttl, _REMEMBERED)

    async def ask(token: str) -> User | None:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        return reviewed(await persistent(lambda: post(_REVIEWS, body)))

    async def review(token: str) -> User | None:
        try:
            return await lookups.get(_digest(token), lambda: ask(token))
        except ClientError as error:
            raise ReviewError(f"token review failed: {error}") from error
        except TimeoutError as error:
            raise ReviewError("token review failed: no answer in time") from error

    return review


def reviewed(review: Object) -> User | None:
    """The user of a TokenReview's answer."""
    status = review.get("status", {})
    if not status.get("authenticated"):
        return None
    user = status.get("user", {})
    extra = {key: tuple(values) for key, values in (user.get("extra") or {}).items()}
    return User(user.get("username", ""), user.get("uid", ""), tuple(user.get("groups") or ()), extra)


def static_tokens(users: Mapping[bytes, User]) -> Review:
    """Knows the tokens of `read_tokens` and no other."""

    async def review(token: str) -> User | None:
        return users.get(_digest(token))

    return review


def read_tokens(path: Path) -> dict[bytes, User]:
    """Users by the digest of their token, from lines of token,user,uid,"group,group" (kube-apiserver's
    --token-auth-file). Raises OSError, and ValueError naming the line."""
    users = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, skipinitialspace=True)
        for row in rows:
            if not row or row[0].startswith("#"):
                continue
            if len(row) < 3 or not row[0] or not row[1]:
                raise ValueError(f'{path} line {rows.line_num}: expected token,user,uid and perhaps "group,group"')
            groups = row[3].split(",") if len(row) > 3 else []
            named = User(row[1], row[2], tuple(group.strip() for group in groups if group.strip()))
            users[_digest(row[0])] = with_group(named)
    return users


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
