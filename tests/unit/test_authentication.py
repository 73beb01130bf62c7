"""Who asks: each kind of credential, and what they are together."""

import tracemalloc
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from apiserver.certificates import KeyPair, issue, make_ca
from apiserver.client import ClientError
from apiserver.filters.authentication import (
    Authenticate,
    AuthenticationConfig,
    Authenticator,
    RequestHeaderConfig,
    bearer_token,
)
from apiserver.filters.certificates import Authorities
from apiserver.filters.tokens import Review, ReviewError, read_tokens, reviewed, static_tokens, token_review
from apiserver.http.asgi import Receive, Scope, Send
from apiserver.http.metrics import Metrics
from apiserver.http.respond import send_text
from apiserver.machinery.errors import Object, Unauthorized
from apiserver.machinery.request import ANONYMOUS, User, with_group
from tests.asgi import call, scope_of

CLIENT_CA, PROXY_CA = make_ca("client-ca"), make_ca("front-proxy-ca")
PROXY_NAME = "front-proxy-client"


def der(pair: KeyPair) -> bytes:
    return x509.load_pem_x509_certificate(pair.cert_pem).public_bytes(Encoding.DER)


PROXY = der(issue(PROXY_CA, PROXY_NAME, client=True))
CAROL = [(b"x-remote-user", b"carol")]


def authenticator(review: Review | None = None, **requestheader: tuple[str, ...]) -> Authenticator:
    allowed = requestheader.pop("allowed_names", (PROXY_NAME,))
    proxy = RequestHeaderConfig(PROXY_CA.cert_pem.decode(), allowed, **requestheader)
    return Authenticator(AuthenticationConfig(CLIENT_CA.cert_pem.decode(), proxy), review)


async def nobody(token: str) -> User | None:
    return None


async def bob(token: str) -> User | None:
    return User("bob") if token == "b" else None


async def unreachable(token: str) -> User | None:
    raise ReviewError("no answer")


async def test_headers_of_a_front_proxy() -> None:
    """All values of all group headers count, of the others the first that is not empty; extra keys are unescaped."""
    headers = [
        (b"x-other", b""),
        (b"x-remote-user", b"carol"),
        (b"x-remote-user", b"second"),
        (b"x-remote-group", b"a"),
        (b"x-remote-group", b""),
        (b"x-remote-group", b"b,c"),
        (b"x-remote-uid", b"u"),
        (b"x-remote-extra-example.org%2fscope", b"1"),
        (b"x-remote-extra-example.org%2fscope", b"2"),
    ]
    user = await authenticator(username_headers=("X-Other", "X-Remote-User")).authenticate(PROXY, headers)
    groups = ("a", "b,c", "system:authenticated")
    assert user == User("carol", "u", groups, {"example.org/scope": ("1", "2")})


async def test_much_that_a_front_proxy_passes_on() -> None:
    """What clients add to the headers of a front proxy (it takes out those that name users, and no other X-Remote-) is
    not kept."""
    subject = authenticator()
    tracemalloc.start()
    try:
        for number in range(20):
            other = (b"x-remote-other", b"%d" % number * 100_000)
            assert (await subject.authenticate(PROXY, [*CAROL, other])).name == "carol"
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


async def test_any_name_of_a_front_proxy() -> None:
    """Without allowed names any certificate of the authority is a front proxy."""
    pair = issue(PROXY_CA, "whoever", client=True)
    assert (await authenticator(allowed_names=()).authenticate(der(pair), CAROL)).name == "carol"


@pytest.mark.parametrize(
    "pair",
    [
        issue(PROXY_CA, "whoever", client=True),
        issue(PROXY_CA, PROXY_NAME, server=True, dns=["proxy"]),
        issue(make_ca("front-proxy-ca"), PROXY_NAME, client=True),
        PROXY_CA,
    ],
    ids=["name", "usage", "authority", "authority itself"],
)
async def test_no_front_proxy(pair: KeyPair) -> None:
    """Another name, another use, another authority of the same name: 401."""
    with pytest.raises(Unauthorized):
        await authenticator().authenticate(der(pair), CAROL)


async def test_garbage_certificate() -> None:
    """Bytes that are no certificate are 401."""
    with pytest.raises(Unauthorized):
        await authenticator().authenticate(b"garbage", CAROL)


async def test_silent_front_proxy() -> None:
    """Without a user header the proxy's certificate is judged as a client's: 401."""
    with pytest.raises(Unauthorized):
        await authenticator().authenticate(PROXY, [])


async def test_client_certificate() -> None:
    """Common name and organizations; X-Remote-* beside it mean nothing."""
    user = await authenticator().authenticate(
        der(issue(CLIENT_CA, "dave", organizations=["a", "b"], client=True)), CAROL
    )
    assert (user.name, user.groups) == ("dave", ("a", "b", "system:authenticated"))
    (credential,) = user.extra["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")
    assert len(credential) == len("X509SHA256=") + 64


async def test_valid_credential_after_a_bad_one() -> None:
    """The first that names somebody wins, whatever failed before."""
    stranger = der(issue(make_ca("stranger"), "dave", client=True))
    assert (await authenticator(bob).authenticate(stranger, [], b"Bearer b")).name == "bob"


@pytest.mark.parametrize("review", [nobody, unreachable])
async def test_bad_token(review: Review) -> None:
    """A token of nobody, or one that cannot be checked, is 401 and not anonymous."""
    with pytest.raises(Unauthorized):
        await authenticator(review).authenticate(None, [], b"Bearer x")


async def test_no_credentials() -> None:
    """Nobody was named and nothing was wrong: anonymous, whatever X-Remote-* say."""
    assert await authenticator(bob).authenticate(None, CAROL, b"Basic eA==") is ANONYMOUS


async def test_no_front_proxy_configured() -> None:
    """Without a front proxy the headers mean nothing, with whatever certificate."""
    alone = Authenticator(AuthenticationConfig())
    assert await alone.authenticate(PROXY, CAROL) is ANONYMOUS


async def test_reconfiguration() -> None:
    """A new configuration counts at once; one that is no use changes nothing."""
    subject = authenticator()
    with pytest.raises(ValueError, match="PEM"):
        subject.configure(AuthenticationConfig(client_ca_pem="garbage"))
    assert (await subject.authenticate(PROXY, CAROL)).name == "carol"
    subject.configure(AuthenticationConfig())
    assert await subject.authenticate(PROXY, CAROL) is ANONYMOUS


def test_credentials_are_taken_out() -> None:
    """Authorization, X-Remote-*, Impersonate-* and whatever is configured do not stay in the request."""
    subject = authenticator(username_headers=("X-Forwarded-User",), extra_prefixes=("X-More-",))
    named = [b"x-remote-anything", b"impersonate-user", b"x-forwarded-user", b"x-more-x"]
    tokens = [(b"authorization", b"first"), (b"authorization", b"second")]
    others, identity, authorization = subject.split([*tokens, *((name, b"") for name in (*named, b"accept"))])
    assert [name for name, _ in identity] == named
    assert (others, authorization) == ([(b"accept", b"")], b"first")


@pytest.mark.parametrize(
    ("value", "token"),
    [(b"Bearer x", "x"), (b"bearer x y", "x"), (b"Bearer", ""), (b"Bearer  x", ""), (b"Basic x", ""), (b"", "")],
)
def test_bearer_token(value: bytes, token: str) -> None:
    """The scheme's case does not matter; what follows the token is ignored, as in Go."""
    assert bearer_token(value) == token


@pytest.mark.parametrize(("value", "warned"), [(b"Bearer  b", True), (b"Basic  b", False), (b"Bearer", False)])
async def test_space_before_the_token(value: bytes, warned: bool) -> None:
    """Whose token stands behind two spaces is anonymous, and any answer says why."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_text(send, 403, scope["state"]["user"].name)

    scope = scope_of("/", headers=[(b"authorization", value)])
    answer = await call(Authenticate(app, authenticator(bob), Metrics()), scope)

    assert (answer.code, answer.body) == (403, b"system:anonymous")
    assert (b"contains extra space before the bearer token" in answer.headers.get(b"warning", b"")) is warned


@pytest.mark.parametrize("groups", [("system:authenticated",), ("system:unauthenticated",)])
def test_group_is_added_once(groups: tuple[str, ...]) -> None:
    """Who is said to be authenticated or not stays so."""
    assert with_group(User("x", groups=groups)).groups == groups


def test_expired_certificate() -> None:
    """A certificate is checked again within a minute, and no good after its end."""
    now = [0.0]
    certificate = x509.load_pem_x509_certificate(issue(CLIENT_CA, "dave", client=True, days=1).cert_pem)
    end = certificate.not_valid_after_utc.timestamp()
    authorities = Authorities(CLIENT_CA.cert_pem.decode(), clock=lambda: now[0])
    encoded = certificate.public_bytes(Encoding.DER)
    now[0] = end - 30
    assert not authorities.check(encoded).error
    now[0] = end + 60
    assert "not valid" in authorities.check(encoded).error


def test_intermediate_in_the_bundle() -> None:
    """Every certificate of a bundle is trusted in itself, beside others."""
    authorities = Authorities((PROXY_CA.cert_pem + CLIENT_CA.cert_pem).decode())
    assert not authorities.check(PROXY).error
    assert not authorities.check(der(issue(CLIENT_CA, "dave", client=True))).error


def test_reviewed() -> None:
    """A TokenReview's user counts only when it is authenticated."""
    user = {"username": "bob", "uid": "1", "groups": ["a"], "extra": {"k": ["v"]}}
    assert reviewed({"status": {"authenticated": True, "user": user}}) == User("bob", "1", ("a",), {"k": ("v",)})
    assert reviewed({"status": {"user": user, "error": "expired"}}) is None
    assert reviewed({}) is None


async def test_token_review_is_remembered() -> None:
    """Good and bad tokens are asked about once; the question is a TokenReview."""
    asked: list[Object] = []

    async def post(path: str, body: Object) -> Object:
        asked.append(body)
        good = body["spec"]["token"] == "good"
        return {"status": {"authenticated": good, "user": {"username": "bob"}}}

    review = token_review(post)
    assert [await review(token) for token in ("good", "bad", "good", "bad")] == [User("bob"), None] * 2
    assert [body["spec"] for body in asked] == [{"token": "good"}, {"token": "bad"}]
    assert asked[0]["kind"] == "TokenReview"


async def test_token_review_refused() -> None:
    """An error is nobody's identity, and is not remembered."""
    calls = 0

    async def post(path: str, body: Object) -> Object:
        nonlocal calls
        calls += 1
        raise ClientError(403, "Forbidden", "no")

    review = token_review(post)
    for _ in range(2):
        with pytest.raises(ReviewError, match="no"):
            await review("x")
    assert calls == 2


async def test_token_file(tmp_path: Path) -> None:
    """kube-apiserver's format: groups are optional, blank lines and comments are skipped. Who has a token is
    authenticated."""
    path = tmp_path / "tokens"
    path.write_text('# a comment\n\nt1,bob,1,"a,b"\nt2, eve, 2\n', encoding="utf-8")
    review = static_tokens(read_tokens(path))
    assert await review("t1") == User("bob", "1", ("a", "b", "system:authenticated"))
    assert await review("t2") == User("eve", "2", ("system:authenticated",))
    assert await review("bob") is None


@pytest.mark.parametrize("line", ["t1,bob", ",bob,1", "t1,,1"])
def test_bad_token_file(tmp_path: Path, line: str) -> None:
    """A line without token, user and uid is named by its number, not by its text."""
    path = tmp_path / "tokens"
    path.write_text(f"t0,ann,0\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2") as caught:
        read_tokens(path)
    assert line not in str(caught.value)
