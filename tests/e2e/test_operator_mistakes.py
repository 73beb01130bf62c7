"""Mistakes of an operator end in one sentence that says what to do: no traceback, a code other than 0."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import SOON, eventually
from tests.controlplane.secure_etcd import SecureEtcd
from tests.controlplane.server import ROOT, APIServerProcess, Standalone, command, environment, with_kinds
from tests.e2e.conftest import StartServer


def _sentence(*flags: str, root: Path = ROOT) -> str:
    """What the server in `root` says when it cannot start with these flags."""
    done = subprocess.run(
        command(*flags), cwd=root, env=environment(), capture_output=True, text=True, timeout=SOON, check=False
    )
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr + done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--standalon"], "unknown flag --standalon: did you mean --standalone?"),
        ([], "--etcd-servers is required"),
        (["--standalone", "--secure-port=no"], "--secure-port"),
        (["--etcd-servers=https://127.0.0.1:1", "--etcd-cafile=/nowhere/ca.crt"], "--etcd-cafile=/nowhere/ca.crt"),
        (["--etcd-servers=https://127.0.0.1:1", "--kubeconfig=/nowhere/config"], "--kubeconfig=/nowhere/config"),
        (["--standalone", "--controllers=*,-websites"], "there is no controller 'websites'; there are website"),
        (["--standalone", "--data-dir=/dev/null/data"], "--data-dir"),
        (["--standalone", "--tls-cert-file=/etc/hostname"], "--tls-private-key-file"),
    ],
)
def test_wrong_flags(flags: list[str], words: str) -> None:
    """A flag that is wrong is named."""
    assert words in _sentence(*flags)


def test_file_that_is_no_certificate(tmp_path: Path) -> None:
    """A certificate file without a certificate is named."""
    (tmp_path / "tls").write_text("nothing\n")
    pair = (f"--tls-cert-file={tmp_path / 'tls'}", f"--tls-private-key-file={tmp_path / 'tls'}")
    assert str(tmp_path / "tls") in _sentence("--standalone", f"--data-dir={tmp_path / 'data'}", *pair)


def test_port_in_use(standalone: Standalone, tmp_path: Path) -> None:
    """A port that somebody else listens on is named."""
    flags = ("--standalone", f"--data-dir={tmp_path}", f"--secure-port={standalone.port}")
    assert str(standalone.port) in _sentence(*flags)


def test_a_kind_that_cannot_be_served(tmp_path: Path) -> None:
    """A mistake in a kind's own file is told to its author as an operator's is."""
    kind = "Kind('example.com', 'v1', 'Tile', 'tiles', short_names='ti')"
    root = with_kinds(tmp_path, {"tile": f"from apiserver.machinery.kind import Kind\nKIND = {kind}\n"})
    said = _sentence("--standalone", f"--data-dir={tmp_path / 'data'}", root=root)
    assert said.startswith("error: kind Tile of example.com/v1: short_names must be a tuple")


def test_a_controller_of_a_kind_that_is_not_served(tmp_path: Path) -> None:
    """The author of a reconciler is told which kind is missing; without the controller the server starts."""
    root = with_kinds(tmp_path, {})
    (root / "reconciler" / "tiler.py").write_text(
        "from apiserver.machinery.kind import Kind\nfrom reconciler.controller import Registration\n"
        "CONTROLLER = Registration('tiler', Kind('example.com', 'v1', 'Tile', 'tiles'), None)\n"
    )
    said = _sentence("--standalone", f"--data-dir={tmp_path / 'data'}", root=root)
    assert said.startswith("error: controller tiler: kind Tile of example.com/v1 is not served: ")
    assert said.endswith("or leave the controller out with --controllers=*,-tiler")
    server = Standalone(tmp_path / "without", "--controllers=*,-tiler")
    server.root = root
    with server:
        assert server.running.exit_code is None


def test_broken_kubeconfig(tmp_path: Path) -> None:
    """A kubeconfig that is none is named."""
    config = tmp_path / "config"
    config.write_text("nothing\n")
    assert str(config) in _sentence("--etcd-servers=http://127.0.0.1:1", f"--kubeconfig={config}")


def test_no_rights(control_plane: ControlPlane, own_etcd: SecureEtcd, tmp_path: Path) -> None:
    """An identity without the rights of deploy/rbac.yaml: it ends, and names what it may not read."""
    server = APIServerProcess("powerless", tmp_path, control_plane, own_etcd)
    mine, alice = server.flags, control_plane.kubeconfig("alice")
    theirs = [f"{flag.partition('=')[0]}={alice}" if "kubeconfig=" in flag else flag for flag in mine]
    sentence = _sentence(*theirs, f"--secure-port={server.port}")
    assert "extension-apiserver-authentication" in sentence


def test_etcd_that_does_not_trust_us(control_plane: ControlPlane, own_etcd: SecureEtcd, tmp_path: Path) -> None:
    """Without its client certificate etcd lets nobody in: never ready, and no traceback."""
    server = APIServerProcess("stranger", tmp_path, control_plane, own_etcd, "--controllers=false")
    server.flags = tuple(flag for flag in server.flags if not flag.startswith(("--etcd-certfile", "--etcd-keyfile")))
    _never_ready(server)


def test_etcd_away_at_the_start(start_server: StartServer, own_etcd: SecureEtcd) -> None:
    """etcd away: one line of the log says so, no traceback, never ready."""
    own_etcd.kill()
    _never_ready(start_server("alone", wait=False), launched=True)


def _never_ready(server: APIServerProcess, launched: bool = False) -> None:
    """It either ends with a code other than 0, or is alive and not ready; and says which etcd it misses."""
    process = server.running if launched else server.launch()
    with ExitStack() as after:
        after.callback(server.kill)
        eventually(lambda: process.exit_code is not None or server.status("/livez") == 200, SOON, "ended or alive")
        assert process.exit_code != 0
        assert not server.ready()
        eventually(lambda: "etcd" in process.text(), SOON, "the log names etcd")
        assert "Traceback" not in process.text()
