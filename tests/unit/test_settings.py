"""Flags and environment: what is accepted, what each default is, and one clear sentence for everything else."""

import logging
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from apiserver.settings import VERSION, Settings, SettingsError

ROOT = Path(__file__).parents[2]
ETCD = "--etcd-servers=http://127.0.0.1:2379"


def refusal(*argv: str) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load(argv)
    return str(caught.value)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("5m", 300), ("1m30s", 90), ("250ms", 0.25)])
def test_durations_are_held_in_seconds(text: str, seconds: float) -> None:
    """Durations are written as Go writes them."""
    assert Settings.load([ETCD, f"--shutdown-delay-duration={text}"]).shutdown_delay_duration == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "5 m", "-5m", "5x", "1m 30s", "1mm"])
def test_bad_durations(text: str) -> None:
    """Anything else is refused, negative durations too."""
    assert "30s, 5m or 1h30m" in refusal(ETCD, f"--request-timeout={text}")


def test_defaults_for_a_cluster() -> None:
    """With etcd named, everything else has the defaults of k8s.io/apiserver's servers."""
    loaded = Settings.load([ETCD])

    assert (loaded.storage, loaded.sqlite_path, loaded.etcd_prefix) == ("etcd", "", "/registry")
    assert (loaded.bind_address, loaded.secure_port) == ("0.0.0.0", 443)  # noqa: S104 - the default of kube-apiserver
    assert loaded.cert_dir == Path("apiserver.local.config/certificates")
    assert loaded.authorization_always_allow_paths == ("/healthz", "/readyz", "/livez")
    assert (loaded.max_requests_inflight, loaded.max_mutating_requests_inflight) == (400, 200)
    assert (loaded.request_timeout, loaded.min_request_timeout, loaded.etcd_compaction_interval) == (60, 1800, 300)
    assert loaded.requestheader_username_headers == ("x-remote-user",)


def test_defaults_for_standalone(tmp_path: Path) -> None:
    """Standalone listens on loopback only and keeps everything below --data-dir."""
    loaded = Settings.load(["--standalone", f"--data-dir={tmp_path}/new"])

    assert (loaded.bind_address, loaded.secure_port) == ("127.0.0.1", 8443)
    assert loaded.sqlite_path == f"{tmp_path}/new/storage.db"
    assert loaded.cert_dir == tmp_path / "new" / "certificates"
    assert loaded.leader_elect_resource_namespace == "kube-system"


def test_standalone_can_keep_its_data_in_etcd() -> None:
    """--standalone is about the cluster, not about the storage."""
    assert Settings.load(["--standalone", ETCD]).storage == "etcd"


@pytest.mark.parametrize(
    ("storage", "path"),
    [("sqlite://:memory:", ":memory:"), ("sqlite:///some.db", "some.db"), ("sqlite:////tmp/some.db", "/tmp/some.db")],
)
def test_sqlite_paths(storage: str, path: str) -> None:
    """Three slashes begin a relative path, four an absolute one, as in SQLAlchemy's URLs."""
    assert Settings.load([f"--storage={storage}"]).sqlite_path == path


def test_lists_and_repeated_flags() -> None:
    """A list is separated by commas and a repeated list adds; of anything else the last one counts."""
    loaded = Settings.load(
        ["--etcd-servers=http://a:1, http://b:2/", "--etcd-servers", "http://c:3", "--secure-port=1", "--secure-port=2"]
    )

    assert loaded.etcd_servers == ("http://a:1", "http://b:2", "http://c:3")
    assert loaded.secure_port == 2


def test_switches() -> None:
    """A switch needs no value, and takes one, as with pflag."""
    election = ["--leader-elect", "--leader-elect-resource-namespace=ns"]

    assert Settings.load([ETCD, *election]).leader_elect
    assert not Settings.load([ETCD, *election, "--leader-elect=false"]).leader_elect


def test_kubeconfig_serves_authentication_and_authorization_too(tmp_path: Path) -> None:
    """One --kubeconfig is enough; each purpose can have its own."""
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    one = Settings.load([ETCD, f"--kubeconfig={tmp_path}/a"])
    two = Settings.load([ETCD, f"--kubeconfig={tmp_path}/a", f"--authorization-kubeconfig={tmp_path}/b"])

    assert one.authentication_kubeconfig == one.authorization_kubeconfig == tmp_path / "a"
    assert (two.authentication_kubeconfig, two.authorization_kubeconfig) == (tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("flag", "website", "gadget"),
    [
        ("*", True, True),
        ("true", True, True),
        ("false", False, False),
        ("gadget", False, True),
        ("*,-gadget", True, False),
        ("-gadget", False, False),
    ],
)
def test_controllers(flag: str, website: bool, gadget: bool) -> None:
    """kube-controller-manager's rule: the first entry that names a controller decides, then whether there is a `*`."""
    loaded = Settings.load([ETCD, f"--controllers={flag}"])

    assert (loaded.runs("website"), loaded.runs("gadget")) == (website, gadget)


def test_verbosity() -> None:
    """-v 4 is what operators of Kubernetes type for debug output."""
    assert Settings.load([ETCD]).logging_level == logging.INFO
    assert Settings.load([ETCD, "-v=4"]).logging_level == logging.DEBUG
    assert Settings.load([ETCD, "--v", "2", "--log-level=error"]).logging_level == logging.ERROR


def test_environment() -> None:
    """Every flag has a variable, an empty one counts as unset, the flag wins, and errors name the variable."""
    program = """
import sys
from apiserver.settings import Settings, SettingsError
loaded = Settings.load(["--secure-port=7"])
assert loaded.etcd_servers == ("http://a:1", "http://b:2"), loaded
assert (loaded.secure_port, loaded.request_timeout, loaded.log_level) == (7, 90.0, "info"), loaded
try:
    Settings.load([])
except SettingsError as error:
    assert str(error).startswith("APISERVER_SECURE_PORT=none: input should be a valid integer"), error
else:
    raise AssertionError
"""
    variables = {
        "APISERVER_ETCD_SERVERS": "http://a:1,http://b:2",
        "APISERVER_SECURE_PORT": "none",
        "APISERVER_REQUEST_TIMEOUT": "1m30s",
        "APISERVER_LOG_LEVEL": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ([], "--etcd-servers is required unless --standalone or --storage is given"),
        (["--etcd-server=x"], "unknown flag --etcd-server: did you mean --etcd-servers? --help lists the flags"),
        (["--zzz"], "unknown flag --zzz: --help lists the flags"),
        (["zzz"], "'zzz' is no flag: every argument is a --flag or its value; --help lists the flags"),
        (["--secure-port"], "--secure-port: expected one argument; --help lists the flags"),
        ([ETCD, "--secure-port=0"], "--secure-port=0: input should be greater than or equal to 1"),
        ([ETCD, "--bind-address=here"], "--bind-address=here: must be an IP address of this machine, or 0.0.0.0 or ::"),
        ([ETCD, "--request-timeout=5"], "--request-timeout=5: must be a duration such as 30s, 5m or 1h30m"),
        ([ETCD, "--client-ca-file=/no/file"], "--client-ca-file=/no/file: cannot be read (No such file or directory)"),
        ([ETCD, "--client-ca-file=/"], "--client-ca-file=/: cannot be read (Is a directory)"),
        (["--etcd-servers=etcd"], "--etcd-servers=etcd: must be URLs such as https://etcd-0:2379"),
        (["--etcd-servers=http://a:1,https://b:2"], "all https or all http"),
        (["--storage=mysql"], "--storage=mysql: must be etcd, sqlite:///relative/path,"),
        (["--storage=etcd"], "--etcd-servers is required unless"),
        ([ETCD, "--storage=sqlite://:memory:"], "exclude each other: give one of them"),
        (["--storage=sqlite:////etc/passwd/x/y"], "/etc/passwd is not a folder in which this process may write"),
        (["--standalone", "--data-dir=/etc/passwd"], "name another --data-dir"),
        ([ETCD, "--cert-dir=/etc/passwd"], "give --tls-cert-file, or name another --cert-dir"),
        ([ETCD, f"--etcd-certfile={__file__}"], "--etcd-certfile and --etcd-keyfile belong together"),
        ([ETCD, f"--tls-private-key-file={__file__}"], "--tls-cert-file and --tls-private-key-file belong together"),
        (["--standalone", f"--etcd-cafile={__file__}"], "--etcd-cafile has no effect without --etcd-servers"),
        (
            ["--standalone", f"--kubeconfig={__file__}"],
            "--kubeconfig is about a cluster, and --standalone runs without",
        ),
        ([ETCD, f"--token-auth-file={__file__}"], "--token-auth-file has an effect with --standalone only"),
        ([ETCD, "--requestheader-allowed-names=a"], "has no effect without --requestheader-client-ca-file"),
        (
            [ETCD, "--leader-elect"],
            "--leader-elect-resource-namespace is required with --leader-elect outside of a pod",
        ),
        (["--standalone", "--leader-elect", "--leader-elect-renew-deadline=20s"], "must each be longer than the next"),
    ],
)
def test_refusals(argv: list[str], sentence: str) -> None:
    """Whatever is wrong, one sentence says so and what to do."""
    message = refusal(*argv)

    assert sentence in message
    assert "\n" not in message


def test_settings_are_frozen() -> None:
    """Nobody changes a setting after the start."""
    loaded = Settings.load([ETCD])

    with pytest.raises(ValueError, match="frozen"):
        loaded.secure_port = 1


def test_help_lists_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names all flags with a description, and how to set them in the environment."""
    with pytest.raises(SystemExit) as ended:
        Settings.load(["--help"])
    shown = capsys.readouterr().out

    assert ended.value.code == 0
    assert "APISERVER_ETCD_SERVERS" in shown
    assert [name for name in Settings.model_fields if f"--{name.replace('_', '-')}" not in shown] == []
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the project's version."""
    with pytest.raises(SystemExit):
        Settings.load(["--version"])

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert capsys.readouterr().out.strip() == VERSION == project["project"]["version"]


@pytest.mark.parametrize("text", ["cpu", "cpu=x", "disk=1Gi", "cpu=100m memory=1Gi", "cpu=-1"])
def test_bad_quantities(text: str) -> None:
    """What a container may use is given as to `kubectl set resources`; anything else is refused with an example."""
    assert "cpu=100m,memory=64Mi" in refusal(ETCD, f"--nginx-limits={text}")


def test_quantities_are_held_as_kubernetes_gives_them_back() -> None:
    """Another way to write an amount would be a difference for ever."""
    loaded = Settings.load([ETCD, "--git-sync-requests=cpu=0.25, memory=0.25Gi"])

    assert loaded.git_sync_requests == {"cpu": "250m", "memory": "256Mi"}


def test_requests_above_limits_are_refused() -> None:
    """A cluster would take no Pod like that. Amounts are compared, not texts; what is not limited may be requested."""
    refused = refusal(ETCD, "--nginx-requests=memory=1Gi", "--nginx-limits=memory=1000Mi")

    assert "--nginx-requests has memory=1Gi, --nginx-limits only memory=1000Mi" in refused
    assert Settings.load([ETCD, "--nginx-requests=memory=1Gi,cpu=0.5", "--nginx-limits=memory=1024Mi,cpu=500m"])
    assert Settings.load([ETCD, "--git-sync-requests=memory=9Gi", "--git-sync-limits=cpu=1"])
