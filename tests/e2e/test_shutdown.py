"""Graceful shutdown on SIGTERM: not ready, watches closed cleanly, running requests finished, exit code 0."""

import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from apiserver.certificates import make_ca
from http2 import frames, hpack
from tests.controlplane import kubeconfig
from tests.controlplane.cluster import TOKENS
from tests.controlplane.process import SOON, Process, eventually
from tests.controlplane.server import ROOT, Server, command, environment
from tests.e2e.conftest import StartServer
from tests.e2e.watching import Watch
from tests.e2e.websites import COLLECTION, website
from tests.hyper import received, request

ENDING = (signal.SIGINT, signal.SIGTERM)
BIG = website("big") | {"metadata": {"name": "big", "annotations": {"x": "x" * 200_000}}}


def test_watches_are_closed_cleanly(own_server: Server) -> None:
    """An open watch ends as a complete HTTP response, and the process with code 0."""
    with Watch(own_server, COLLECTION) as watch:
        own_server.running.signal(signal.SIGTERM)
        assert watch.ended.wait(SOON)
        assert watch.failure is None
    assert own_server.running.wait(SOON) == 0
    assert "Traceback" not in own_server.running.text()


def test_a_running_request_is_finished(own_server: Server) -> None:
    """A request whose body is still on its way when SIGTERM comes is answered; nobody is told "ready" meanwhile."""
    body = orjson.dumps(website())
    with closing(_connect(own_server)) as connection:
        connection.sendall(_head(len(body)) + body[:10])
        # Whoever is answered on a second connection shows that the server has seen the first one's bytes.
        assert own_server.ready()
        own_server.running.signal(signal.SIGTERM)
        eventually(lambda: not own_server.ready(), SOON, "/readyz is no longer ok")
        connection.sendall(body[10:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert own_server.running.wait(SOON) == 0


def test_not_ready_while_it_drains(start_server: StartServer) -> None:
    """With --shutdown-delay-duration it goes on serving, but /readyz says no."""
    server = start_server("slow", "--shutdown-delay-duration=1h")
    server.running.signal(signal.SIGTERM)
    eventually(lambda: server.status("/readyz") == 500, SOON, "/readyz is 500")
    assert server.status("/livez") == 200


def test_drained_in_its_time(start_server: StartServer) -> None:
    """After --shutdown-delay-duration, and not before, it ends."""
    server = start_server("slow", "--shutdown-delay-duration=1s")
    signalled = time.monotonic()
    server.running.signal(signal.SIGTERM)
    assert server.running.wait(SOON) == 0
    assert time.monotonic() - signalled >= 1


def _connect(server: Server, receive_buffer: int = 0, protocol: str = "http/1.1") -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    context.set_alpn_protocols([protocol])
    plain = socket.socket()
    plain.settimeout(SOON)
    if receive_buffer:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    plain.connect(("127.0.0.1", server.port))
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def _head(length: int) -> bytes:
    length_header = f"Content-Length: {length}"
    return _request(f"POST {COLLECTION} HTTP/1.1", "Content-Type: application/json", length_header)


def _request(line: str, *headers: str) -> bytes:
    lines = [line, "Host: localhost", f"Authorization: Bearer {TOKENS['admin'][0]}", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def test_a_client_that_does_not_read_holds_nothing_up(own_server: Server) -> None:
    """A watch whose client has stopped reading is cut: the server still ends by itself, in time."""
    with closing(_connect(own_server, receive_buffer=4096)) as connection, own_server.http() as client:
        connection.sendall(_request(f"GET {COLLECTION}?watch=1 HTTP/1.1"))
        assert connection.recv(1), "the watch is open"
        assert client.post(COLLECTION, json=BIG).status_code == 201
        # More than the buffers between the two can hold.
        for number in range(50):
            change = {"metadata": {"labels": {"number": str(number)}}}
            headers = {"Content-Type": "application/merge-patch+json"}
            assert client.patch(f"{COLLECTION}/big", json=change, headers=headers).status_code == 200
        own_server.running.signal(signal.SIGTERM)
        assert own_server.running.wait(SOON) == 0


def test_a_client_that_has_no_room_holds_nothing_up(own_server: Server) -> None:
    """Over HTTP/2 a client that reads, but never opens an answer's window, loses that answer: the server still ends by
    itself, in time."""
    token = (b"authorization", f"Bearer {TOKENS['admin'][0]}".encode())
    with closing(_connect(own_server, protocol="h2")) as connection, own_server.http() as client:
        assert client.post(COLLECTION, json=BIG).status_code == 201
        ask = hpack.encode(request("GET", f"{COLLECTION}/big", token))
        connection.sendall(frames.PREFACE + frames.settings({}) + frames.headers(1, ask, end=True))
        coming = received(connection)
        next(frame for frame in coming if frame[0] == frames.DATA)
        own_server.running.signal(signal.SIGTERM)
        assert [kind for kind, _, stream, _ in coming if stream == 1][-1] == frames.RST_STREAM
    assert own_server.running.wait(SOON) == 0


@pytest.mark.parametrize("number", ENDING)
def test_ended_while_it_is_imported(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM end a server that has not got further than its imports without a word, with a shell's code."""
    # Not signal.pause: a signal just before it would be noticed after it.
    code = "import time\nprint('importing', flush=True)\nwhile True:\n    time.sleep(0.05)\n"
    (tmp_path / "uvloop.py").write_text(code)
    with _launched(tmp_path, "--help", PYTHONPATH=str(tmp_path)) as process:
        eventually(lambda: process.text() == "importing\n", SOON, "it is being imported")
        process.signal(number)
        assert process.wait(SOON) == 128 + number
        assert process.text() == "importing\n"


@pytest.mark.parametrize("number", ENDING)
def test_ended_before_it_serves(number: signal.Signals, tmp_path: Path) -> None:
    """The same while it waits for the cluster's answer."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.settimeout(SOON)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config = kubeconfig.write(tmp_path / "config", url, make_ca("cluster-ca").cert_pem, TOKENS["admin"][0])
        with _launched(tmp_path, f"--kubeconfig={config}", f"--etcd-servers={url}") as process, silent.accept()[0]:
            process.signal(number)
            assert process.wait(SOON) == 128 + number
            assert process.text() == ""


@contextmanager
def _launched(directory: Path, *flags: str, **variables: str) -> Iterator[Process]:
    own = {**environment(), **variables}
    process = Process("server", command(*flags, f"--cert-dir={directory}"), directory / "log", own, cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
