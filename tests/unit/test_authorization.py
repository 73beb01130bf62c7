"""May they: the order of the rules, the question to the cluster, and the words of a refusal."""

import asyncio
import re

import pytest

from apiserver.client import ClientError
from apiserver.filters.authorization import (
    Authorize,
    decided,
    masters_only,
    path_matcher,
    review_of,
    subject_access_review_authorizer,
)
from apiserver.filters.impersonation import assumed, permissions, wanted_user, ways, with_groups
from apiserver.filters.lookup import Lookups, persistent
from apiserver.http.asgi import Receive, Scope, Send
from apiserver.http.metrics import Metrics
from apiserver.http.respond import send_text
from apiserver.machinery.authorization import AuthorizationError, Decision, forbidden
from apiserver.machinery.errors import Forbidden, Object
from apiserver.machinery.request import ANONYMOUS, RequestInfo, User, parse_request
from tests.asgi import Answer, call, scope_of

ALICE = User("alice", "u", ("dev", "system:authenticated"), {"scope": ("a", "b")})
ROOT = User("root", groups=("system:masters",))
ITEMS = "/apis/example.com/v1/namespaces/default/widgets"


def info_of(target: str, method: str = "GET") -> RequestInfo:
    path, _, query = target.partition("?")
    return parse_request(method, path, query.encode())


class Cluster:
    """Answers SubjectAccessReviews; an Exception is raised instead."""

    def __init__(self, *answers: Object | Exception) -> None:
        self._answers, self.asked = list(answers), list[Object]()

    async def post(self, path: str, body: Object) -> Object:
        assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        self.asked.append(body)
        await asyncio.sleep(0)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"status": answer}


YES, NO = {"allowed": True}, {"allowed": False, "reason": "no RBAC policy matched"}


async def test_masters_and_open_paths_are_not_asked_about() -> None:
    """system:masters, and the three roots of health for anyone; a path below them is asked about."""
    cluster = Cluster(NO)
    authorize = subject_access_review_authorizer(cluster.post)
    assert (await authorize(ROOT, info_of(ITEMS))).allowed
    assert (await authorize(ANONYMOUS, info_of("/healthz"))).allowed
    assert not cluster.asked
    assert await authorize(ANONYMOUS, info_of("/healthz/etcd")) == Decision(False, "no RBAC policy matched")
    assert len(cluster.asked) == 1


@pytest.mark.parametrize(
    ("path", "matches"),
    [("/healthz", True), ("/healthz/etcd", False), ("/open/", True), ("/open/x", True), ("/", False)],
)
def test_path_patterns(path: str, matches: bool) -> None:
    """Exact, or a prefix where the pattern ends with a star."""
    assert path_matcher(["/healthz", "open/*"])(path) is matches


async def test_answers_are_remembered() -> None:
    """The same question is asked once; another user, verb, name or selector is another question."""
    cluster = Cluster(YES, *[NO] * 5)
    authorize = subject_access_review_authorizer(cluster.post)
    for _ in range(2):
        assert (await authorize(ALICE, info_of(ITEMS))).allowed
    others = (f"{ITEMS}/x", f"{ITEMS}?watch=1", f"{ITEMS}?labelSelector=a", f"{ITEMS}?fieldSelector=a%3Db")
    for target in others:
        assert not (await authorize(ALICE, info_of(target))).allowed
    assert not (await authorize(User("alice"), info_of(ITEMS))).allowed
    assert len(cluster.asked) == 6


async def test_long_questions_are_not_remembered() -> None:
    """A client cannot fill the memory with names of its own making."""
    cluster = Cluster(NO, NO)
    authorize = subject_access_review_authorizer(cluster.post)
    for _ in range(2):
        await authorize(ALICE, info_of(f"{ITEMS}/{'x' * 10_000}"))
    assert len(cluster.asked) == 2


async def test_error() -> None:
    """An answer that cannot be had is an error, and asked for again."""
    cluster = Cluster(ClientError(403, "Forbidden", "may not ask"), YES)
    authorize = subject_access_review_authorizer(cluster.post)
    with pytest.raises(AuthorizationError, match="may not ask"):
        await authorize(ALICE, info_of(ITEMS))
    assert (await authorize(ALICE, info_of(ITEMS))).allowed


def test_review_of_a_resource() -> None:
    """Attributes as SubjectAccessReview has them; what is empty is left out."""
    target = f"{ITEMS}/x/status?labelSelector=ignored%3Dfor-update"
    assert review_of(ALICE, info_of(target, "PUT"))["spec"] == {
        "user": "alice",
        "uid": "u",
        "groups": ["dev", "system:authenticated"],
        "extra": {"scope": ["a", "b"]},
        "resourceAttributes": {
            "namespace": "default",
            "verb": "update",
            "group": "example.com",
            "version": "v1",
            "resource": "widgets",
            "subresource": "status",
            "name": "x",
        },
    }


def test_review_of_a_selection() -> None:
    """Selectors of collections are part of the question, unless they cannot be parsed, or take long to be."""
    attributes = review_of(ALICE, info_of(f"{ITEMS}?labelSelector=a+in+(b,c),!d&fieldSelector=spec.x!%3D1"))["spec"][
        "resourceAttributes"
    ]
    assert attributes["labelSelector"]["requirements"] == [
        {"key": "a", "operator": "In", "values": ["b", "c"]},
        {"key": "d", "operator": "DoesNotExist"},
    ]
    assert attributes["fieldSelector"]["requirements"] == [{"key": "spec.x", "operator": "NotIn", "values": ["1"]}]
    for query in ("labelSelector=,&fieldSelector=x", "labelSelector=" + "a," * 5000 + "a"):
        attributes = review_of(ALICE, info_of(f"{ITEMS}?{query}"))["spec"]["resourceAttributes"]
        assert not {"labelSelector", "fieldSelector"} & set(attributes)


def test_review_of_a_path() -> None:
    """Anything else is asked about by path and method."""
    spec = review_of(User("x"), info_of("/metrics", "POST"))["spec"]
    assert spec == {"user": "x", "nonResourceAttributes": {"path": "/metrics", "verb": "post"}}


def test_denied_wins() -> None:
    """An answer that says both denies."""
    assert decided({"status": {"allowed": True, "denied": True, "reason": "r"}}) == Decision(False, "r")
    assert decided({}) == Decision(False)


@pytest.mark.parametrize(
    ("user", "target", "method", "allowed"),
    [
        (ALICE, "/apis", "GET", True),
        (ALICE, "/openapi/v3/apis/example.com/v1", "GET", True),
        (ALICE, "/version", "GET", True),
        (ALICE, "/apis", "POST", False),
        (ALICE, "/metrics", "GET", False),
        (ALICE, ITEMS, "GET", False),
        (ANONYMOUS, "/apis", "GET", False),
        (ANONYMOUS, "/version", "GET", True),
        (ANONYMOUS, "/readyz", "GET", True),
        (ROOT, ITEMS, "DELETE", True),
    ],
)
async def test_standalone(user: User, target: str, method: str, allowed: bool) -> None:
    """Without a cluster: system:masters everything, others what the discovery roles give."""
    assert (await masters_only()(user, info_of(target, method))).allowed is allowed


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (
            f"{ITEMS}/x/scale",
            'widgets.example.com "x" is forbidden: User "alice" cannot get resource "widgets/scale" in API group '
            '"example.com" in the namespace "default": why <b>',
        ),
        (
            "/api/v1/nodes",
            'nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" '
            "at the cluster scope: why <b>",
        ),
        ("/x&y", 'forbidden: User "alice" cannot get path "/x&amp;y": why <b>'),
    ],
)
def test_words_of_a_refusal(target: str, text: str) -> None:
    """kube-apiserver's words; only what comes before the reason is escaped."""
    assert forbidden(ALICE, info_of(target), "why <b>").message == text


def test_details_of_a_refusal() -> None:
    """A resource is named, a path has none."""
    assert forbidden(ALICE, info_of(f"{ITEMS}/x")).details == {"name": "x", "group": "example.com", "kind": "widgets"}
    assert forbidden(ALICE, info_of("/x")).details == {}


async def through(user: User, authorizer_error: bool = False, *headers: tuple[bytes, bytes]) -> tuple[Answer, Scope]:
    """A request through the filter; `user` may do what is not DELETE."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_text(send, 200, scope["state"]["user"].name)

    async def authorize(asking: User, info: RequestInfo) -> Decision:
        if authorizer_error:
            raise AuthorizationError("no answer")
        return Decision(asking.name == "root" or not info.verb.startswith(("impersonate", "delete")))

    scope = scope_of("/x?a=<b>", headers=[(b"accept", b"application/yaml")])
    scope["state"] = {"user": user, "info": info_of("/x?a=<b>"), "impersonate": list(headers)}
    return await call(Authorize(app, authorize, Metrics()), scope), scope


async def test_filter_allows() -> None:
    """Who may, gets through, and handlers can ask again."""
    answer, scope = await through(ALICE)
    assert (answer.code, answer.body) == (200, b"alice")
    assert not (await scope["state"]["authorize"](ALICE, info_of("/x", "DELETE"))).allowed


async def test_filter_cannot_decide() -> None:
    """Nobody could decide: 500 text with the request's address, escaped."""
    answer, _ = await through(ALICE, True)
    assert (answer.code, answer.body) == (500, b'Internal Server Error: "/x?a=&lt;b&gt;": no answer\n')


async def test_filter_impersonates() -> None:
    """Who may impersonate is somebody else from there on."""
    answer, scope = await through(ROOT, False, (b"impersonate-user", b"eve"))
    assert (answer.body, scope["state"]["impersonated_by"]) == (b"eve", "root")


async def test_filter_refuses_to_impersonate() -> None:
    """Who may not is refused, in the format that was asked for; nobody gets more than they asked for."""
    answer, _ = await through(ALICE, False, (b"impersonate-user", b"root"))
    assert (answer.code, answer.headers[b"content-type"]) == (403, b"application/yaml")
    assert (await through(ROOT, False, (b"impersonate-group", b"dev")))[0].code == 400


def test_impersonation_needs_every_permission() -> None:
    """The user, each group, each value of extra, and the uid."""
    wanted = wanted_user(
        [
            (b"impersonate-user", b"system:serviceaccount:ns:sa"),
            (b"impersonate-group", b"g"),
            (b"impersonate-extra-a%2fb", b"v"),
            (b"impersonate-uid", b"1"),
        ]
    )
    assert wanted is not None
    asked = [(each.group, each.resource, each.subresource, each.namespace, each.name) for each in permissions(wanted)]
    assert asked == [
        ("", "serviceaccounts", "", "ns", "sa"),
        ("authentication.k8s.io", "uids", "", "", "1"),
        ("", "groups", "", "", "g"),
        ("authentication.k8s.io", "userextras", "a/b", "", "v"),
    ]


NODE_AGENT = User("system:serviceaccount:ns:agent", extra={"authentication.kubernetes.io/node-name": ("n",), "x": ()})
ACCOUNT = "system:serviceaccount:ns:sa"
KEYS = ("authentication.kubernetes.io/node-name", "x")


@pytest.mark.parametrize(
    ("asking", "wanted", "verbs"),
    [
        (ALICE, User("eve"), ["impersonate-on:user-info:list", "impersonate:user-info"]),
        (ALICE, User(ACCOUNT), ["impersonate-on:serviceaccount:list", "impersonate:serviceaccount"]),
        (ALICE, User(ACCOUNT, "uid"), ["impersonate", "impersonate"]),
        (ALICE, User("system:node:n"), ["impersonate-on:arbitrary-node:list", "impersonate:arbitrary-node"]),
        (NODE_AGENT, User("system:node:n"), ["impersonate-on:associated-node:list", "impersonate:associated-node"]),
        (NODE_AGENT, User("system:node:m"), ["impersonate-on:arbitrary-node:list", "impersonate:arbitrary-node"]),
    ],
)
def test_narrowest_way_to_impersonate(asking: User, wanted: User, verbs: list[str]) -> None:
    """What is for one sort of users and one request comes first, what is for everything last."""
    found = list(ways(asking, wanted, info_of(ITEMS)))

    assert [each.verb for each in found[0].permissions] == verbs
    assert {each.verb for each in found[-1].permissions} == {"impersonate"}


def test_impersonated_node() -> None:
    """Whose node it is may be said of all nodes at once, by what is known of its account; a node is in system:nodes."""
    way = next(ways(NODE_AGENT, User("system:node:n"), info_of(ITEMS)))

    assert [(each.resource, each.name) for each in way.permissions] == [("widgets", ""), ("nodes", "*")]
    assert way.asking.extra == {"authentication.kubernetes.io/associated-node-keys": KEYS}
    assert way.user.groups == ("system:nodes", "system:authenticated")


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (User("eve", groups=("g", "system:masters")), "impersonating the system:masters group is not allowed"),
        (User("eve", groups=("",)), "impersonating the empty string group is not allowed"),
        (User("eve", extra={"": ("v",)}), "impersonating the empty string key in extra is not allowed"),
        (User("eve", extra={"a.b/C": ("v",)}), 'impersonating a non-lowercase key in extra is not allowed: "a.b/C"'),
        (User("eve", extra={"a.b/c": ("",)}), "impersonating the empty string value in extra is not allowed"),
        (User("eve", extra={"scopes": ("v",)}), 'must be a domain-prefixed path (such as "acme.io/foo")'),
        (User("eve", extra={"a_b/c": ("v",)}), "a lowercase RFC 1123 subdomain must consist of"),
        (User("eve", extra={"a.b/c d": ("v",)}), "Invalid path"),
    ],
)
async def test_never_impersonated_with_constraints(wanted: User, fault: str) -> None:
    """Who may impersonate under constraints does not become the cluster's owner, or somebody whose extra misleads."""

    async def constrained(_: User, info: RequestInfo) -> Decision:
        return Decision(info.verb != "impersonate")

    headers = [(b"impersonate-user", wanted.name.encode())]
    headers += [(b"impersonate-group", group.encode()) for group in wanted.groups]
    headers += [(f"impersonate-extra-{key}".encode(), values[0].encode()) for key, values in wanted.extra.items()]
    with pytest.raises(Forbidden, match=re.escape(fault)):
        await assumed(constrained, ALICE, headers, info_of(ITEMS))


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("eve", ("system:authenticated",)),
        ("system:anonymous", ("system:unauthenticated",)),
        (
            "system:serviceaccount:ns:sa",
            ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
        ),
    ],
)
def test_groups_of_the_impersonated(name: str, groups: tuple[str, ...]) -> None:
    """Groups that such a user always has."""
    assert with_groups(User(name)).groups == groups


async def test_concurrent_questions_are_one() -> None:
    """Callers of one key share a question, also when the first of them goes away."""
    gate, calls = asyncio.Event(), 0

    async def ask() -> int:
        nonlocal calls
        calls += 1
        await gate.wait()
        return calls

    lookups: Lookups[str, int] = Lookups(lambda _: 10.0, 10)
    first, second = (asyncio.create_task(lookups.get("k", ask)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert await second == 1
    assert await lookups.get("k", ask) == 1


async def test_answers_grow_old() -> None:
    """An answer is good for its lifetime; the one used longest ago goes first; some are never kept."""
    now, calls = [0.0], list[str]()
    lookups: Lookups[str, str] = Lookups(lambda answer: 0.0 if answer == "never" else 10.0, 2, clock=lambda: now[0])

    async def get(key: str, keep: bool = True) -> None:
        async def ask() -> str:
            calls.append(key)
            return key

        await lookups.get(key, ask, keep)

    for key in ("a", "b", "a", "c", "a", "b", "never", "never"):
        await get(key)
    assert calls == ["a", "b", "c", "b", "never", "never"]
    now[0] = 10.0
    await get("b")
    await get("d", keep=False)
    await get("d")
    assert calls[6:] == ["b", "d", "d"]


async def test_question_without_an_answer() -> None:
    """A question has its time."""
    lookups: Lookups[str, None] = Lookups(lambda _: 1.0, 1, timeout=0.001)

    async def ask() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await lookups.get("k", ask)


async def test_persistence() -> None:
    """What may pass is tried five times with growing pauses; a refusal is not tried again."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    cluster = Cluster(*[ClientError(0, "", "down")] * 5)
    with pytest.raises(ClientError):
        await persistent(lambda: cluster.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {}), pause)
    assert len(cluster.asked) == 5
    assert pauses == sorted(pauses)
    with pytest.raises(ClientError):
        await persistent(
            lambda: Cluster(ClientError(403, "", "")).post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {}),
            pause,
        )
    assert len(pauses) == 4
