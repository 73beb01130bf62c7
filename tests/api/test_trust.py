"""Who is believed, over real TLS: nothing but the right certificate or token gives anybody a name."""

import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from apiserver.certificates import KeyPair, issue
from apiserver.http.connection import MAX_HEADER_BYTES
from tests.api.trusting import Running

FORGED = {"X-Remote-User": "mallory", "X-Remote-Group": "system:masters"}
SECRET = {"Authorization": "Bearer secret-of-bob"}
ROOT = {"Authorization": "Bearer secret-of-root"}
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
UNAUTHORIZED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "Unauthorized",
    "reason": "Unauthorized",
    "code": 401,
}


@contextmanager
def running(folder: Path, http2: bool = False, assumed: Sequence[tuple[bytes, bytes]] = ()) -> Iterator[Running]:
    server = Running(folder, http2, assumed)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module", params=["HTTP/1.1", "HTTP/2"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("trust"), request.param == "HTTP/2") as server:
        yield server


@pytest.fixture(scope="module")
def http1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """For what is HTTP/1.1's: tests/api/test_http2.py says it of HTTP/2."""
    with running(tmp_path_factory.mktemp("http1")) as server:
        yield server


def seen(server: Running, pair: KeyPair | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """What the application saw of a GET."""
    with server.client(pair) as client:
        answer = client.get("/who", headers=headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def front_proxy(server: Running, common_name: str = "front-proxy-client") -> KeyPair:
    return issue(server.authorities.front_proxy, common_name, client=True)


def test_no_credentials(server: Running) -> None:
    """Without any credential one is system:anonymous."""
    found = seen(server)
    assert (found["user"], found["groups"]) == ("system:anonymous", ["system:unauthenticated"])


def test_forged_headers_without_certificate(server: Running) -> None:
    """X-Remote-* without a certificate name nobody, and the application does not see them."""
    found = seen(server, headers=FORGED)
    assert found["user"] == "system:anonymous"
    assert not [name for name in found["headers"] if name.startswith("x-remote")]


def test_front_proxy_names_the_user(server: Running) -> None:
    """The front proxy's certificate makes its headers count, all of them."""
    headers = {"X-Remote-User": "carol", "X-Remote-Uid": "u-1", "X-Remote-Group": "dev", "X-Remote-Extra-A%2fB": "x"}
    found = seen(server, front_proxy(server), headers)
    assert (found["user"], found["uid"], found["groups"]) == ("carol", "u-1", ["dev", "system:authenticated"])
    assert found["extra"] == {"a/b": ["x"]}


def test_front_proxy_with_another_name(server: Running) -> None:
    """The right authority but a common name that is not allowed: 401."""
    with server.client(front_proxy(server, "someone-else")) as client:
        answer = client.get("/who", headers=FORGED)
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


def test_client_certificate_is_no_front_proxy(server: Running) -> None:
    """A client certificate with the proxy's common name names its own subject, whatever its headers say."""
    pair = issue(server.authorities.client, "front-proxy-client", organizations=["dev"], client=True)
    found = seen(server, pair, FORGED)
    assert (found["user"], found["groups"]) == ("front-proxy-client", ["dev", "system:authenticated"])


def test_client_certificate(server: Running) -> None:
    """The subject is the user; the certificate's digest says which credential it was."""
    found = seen(server, issue(server.authorities.client, "dave", client=True))
    assert found["user"] == "dave"
    assert found["extra"]["authentication.kubernetes.io/credential-id"][0].startswith("X509SHA256=")


def test_front_proxy_certificate_is_no_client_certificate(server: Running) -> None:
    """Without headers the proxy's certificate names nobody: 401."""
    with server.client(front_proxy(server)) as client:
        assert client.get("/who").status_code == 401


def test_serving_certificate_is_no_client_certificate(server: Running) -> None:
    """A certificate that is meant for servers is refused."""
    pair = issue(server.authorities.front_proxy, "front-proxy-client", dns=["proxy"], server=True)
    with server.client(pair) as client, pytest.raises((httpx.TransportError, ssl.SSLError)):
        client.get("/who", headers=FORGED)


def test_certificate_of_an_unknown_authority(server: Running) -> None:
    """It does not get through the handshake."""
    pair = issue(server.authorities.stranger, "front-proxy-client", organizations=["system:masters"], client=True)
    with server.client(pair) as client, pytest.raises((httpx.TransportError, ssl.SSLError)):
        client.get("/who", headers=FORGED)


def test_authority_comes_and_goes(tmp_path: Path) -> None:
    """A new authority counts at once; a withdrawn one vouches for nobody, although the handshake still knows it."""
    with running(tmp_path) as server:
        before = server.authorities.config
        after = replace(before, client_ca_pem=server.authorities.stranger.cert_pem.decode())
        pair = issue(server.authorities.stranger, "dave", client=True)
        server.server_loop(lambda: server.configure(after))
        assert seen(server, pair)["user"] == "dave"
        server.server_loop(lambda: server.configure(before))
        with server.client(pair) as client:
            assert client.get("/who").status_code == 401


def test_serving_certificate_is_replaced(tmp_path: Path) -> None:
    """New connections get the new certificate, and client certificates are still asked for."""
    with running(tmp_path) as server:
        seen(server)
        server.replace_certificate()
        with server.connection() as connection:
            certificate = connection.getpeercert() or {}
        assert certificate["subject"] == ((("commonName", "renewed"),),)
        assert seen(server, issue(server.authorities.client, "dave", client=True))["user"] == "dave"


def test_token(server: Running) -> None:
    """A token names its user, and the application does not see it."""
    found = seen(server, headers=SECRET)
    assert (found["user"], found["uid"], found["groups"]) == ("bob", "uid-1", ["dev", "ops", "system:authenticated"])
    assert "authorization" not in found["headers"]


def test_wrong_token(server: Running) -> None:
    """A token that nobody has is 401, not anonymous."""
    with server.client() as client:
        answer = client.get("/who", headers={"Authorization": "Bearer guessed"})
    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


def test_denied(server: Running) -> None:
    """Who is known but not allowed gets 403 in Kubernetes' words."""
    with server.client(issue(server.authorities.client, "alice", client=True)) as client:
        answer = client.get(WIDGETS)
    denial = 'User "alice" cannot list resource "widgets" in API group "example.com" in the namespace "default"'
    assert answer.status_code == 403
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["message"] == f"widgets.example.com is forbidden: {denial}"
    assert answer.json()["details"] == {"group": "example.com", "kind": "widgets"}


def test_impersonation(server: Running) -> None:
    """Who may impersonate becomes the other user; who may not is refused."""
    found = seen(server, headers={**ROOT, "Impersonate-User": "eve", "Impersonate-Group": "dev"})
    assert (found["user"], found["groups"]) == ("eve", ["dev", "system:authenticated"])
    with server.client(issue(server.authorities.client, "alice", client=True)) as client:
        answer = client.get("/who", headers={"Impersonate-User": "bob"})
    denial = 'forbidden: User "alice" cannot impersonate-on:user-info:get path "/who"'
    assert (answer.status_code, answer.json()["message"]) == (403, denial)


def test_universal_headers(server: Running) -> None:
    """Every answer, an error too, has an Audit-Id and must not be cached."""
    with server.client() as client:
        answer = client.get("/who", headers={"Authorization": "Bearer guessed", "Audit-Id": "given"})
    assert (answer.headers["audit-id"], answer.headers["cache-control"]) == ("given", "no-cache, private")


def test_headers_too_large(http1: Running) -> None:
    """Headers that do not end within the limit are cut off with 431."""
    with http1.connection() as connection:
        connection.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n")
        _send_ignoring_refusal(connection, b"A: " + b"x" * (MAX_HEADER_BYTES + 1024 * 1024))
        assert _received(connection) in (b"", b"HTTP/1.1 431 Request Header Fields Too Large")


def _send_ignoring_refusal(connection: ssl.SSLSocket, data: bytes) -> None:
    try:
        connection.sendall(data)
    except OSError:
        return


def _received(connection: ssl.SSLSocket) -> bytes:
    """The status line; nothing if the server's reset overtook it."""
    try:
        return connection.recv(4096).partition(b"\r\n")[0]
    except OSError:
        return b""


def test_trailers_are_no_headers(http1: Running) -> None:
    """What follows a chunked body adds nothing to who asks, not even from the front proxy."""
    head = b"POST /who HTTP/1.1\r\nHost: x\r\nX-Remote-User: bob\r\nTransfer-Encoding: chunked\r\n"
    head += b"Connection: close\r\n\r\n"
    trailers = b"X-Remote-Group: system:masters\r\nAuthorization: Bearer secret\r\nX-Other: 1\r\n"
    with http1.connection(front_proxy(http1)) as connection:
        connection.sendall(head + b"0\r\n" + trailers + b"\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (body["user"], body["groups"]) == ("bob", ["system:authenticated"])
    assert not {"x-other", "authorization", "x-remote-group"} & set(body["headers"])


def test_an_unread_body_ends_the_connection(http1: Running) -> None:
    """A request that was answered before its body came keeps no connection."""
    with http1.connection() as connection:
        head = b"POST /who HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer guessed\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 401 ")


def test_large_headers(http1: Running) -> None:
    """Headers far above what other servers take are fine: kubectl sends large ones."""
    with http1.client() as client:
        assert client.get("/who", headers={"A": "x" * 512 * 1024}).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_body_too_large(http1: Running, chunked: bool) -> None:
    """More than 3 MiB is 413, declared or not."""
    data = b"x" * (3 * 1024 * 1024 + 1)
    with http1.client() as client:
        answer = client.post(WIDGETS, content=iter([data[:1000], data[1000:]]) if chunked else data)
    assert (answer.status_code, answer.json()["message"]) == (413, "Request entity too large: limit is 3145728")


def test_largest_body(server: Running) -> None:
    """3 MiB are taken."""
    with server.client() as client:
        assert client.post(WIDGETS, content=b"x" * 3 * 1024 * 1024).json()["size"] == 3 * 1024 * 1024


def test_timeout(server: Running) -> None:
    """A request that takes longer than its ?timeout is 504, in Go's odd form."""
    with server.client() as client:
        answer = client.get("/hold", params={"timeout": "20ms"})
    server.backend.held.acquire()
    assert (answer.status_code, answer.headers["content-type"]) == (504, "text/plain; charset=utf-8")
    assert list(answer.json()) == ["metadata", "status", "message", "reason", "details", "code"]
    assert answer.json()["message"] == "Timeout: request did not complete within the allotted timeout"


def test_panic(server: Running) -> None:
    """A fault of a handler is 500, and the connection lives on."""
    with server.client() as client:
        answer = client.get("/panic")
        assert client.get("/who").status_code == 200
    assert answer.status_code == 500
    assert answer.text == "This request caused apiserver to panic. Look in the logs for details.\n"


def test_too_many_requests(tmp_path: Path) -> None:
    """Above the limit readers get 429, except system:masters and watches; writers are counted apart."""
    with running(tmp_path) as server, server.client() as client:
        holders = [threading.Thread(target=client.get, args=["/hold"]) for _ in range(2)]
        for holder in holders:
            holder.start()
        for _ in holders:
            server.backend.held.acquire()
        refused = client.get("/who")
        assert client.get("/who", headers=ROOT).status_code == 200
        assert client.post(WIDGETS).status_code == 200
        with client.stream("GET", f"{WIDGETS}?watch=1") as watch:
            assert watch.status_code == 200
            server.server_loop(server.drain.begin)
        server.server_loop(server.backend.release)
        for holder in holders:
            holder.join()
        assert client.get("/who").status_code == 200
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.text == "Too many requests, please try again later.\n"


def test_shutdown(tmp_path: Path) -> None:
    """When a shutdown begins watches end in order, and running requests are finished."""
    answers: list[httpx.Response] = []
    with running(tmp_path) as server, server.client() as client:
        with client.stream("GET", f"{WIDGETS}?watch=1") as watch:
            lines = watch.iter_lines()
            assert next(lines) == "begun"
            holder = threading.Thread(target=lambda: answers.append(client.get("/hold")))
            holder.start()
            server.backend.held.acquire()
            server.server_loop(server.drain.begin)
            assert list(lines) == ["ended"]
        closing = client.get("/who")
        assert (closing.status_code, closing.headers["connection"]) == (200, "close")
        server.server_loop(server.backend.release)
        holder.join()
    assert answers[0].status_code == 200


def test_access_log(server: Running) -> None:
    """One line a request, with who and what, and no secret."""
    seen(server, headers={**SECRET, "User-Agent": "agent/1", "Audit-Id": "logged"})
    entry = server.logged("logged")
    assert (entry["user"], entry["path"], entry["code"], entry["user_agent"]) == ("bob", "/who", 200, "agent/1")
    assert "secret-of-bob" not in json.dumps(entry, default=str)
