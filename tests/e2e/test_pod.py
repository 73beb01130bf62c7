"""The Pod of a Website, with its containers' own commands run as processes of this machine: a page of the repository
comes out, and what is pushed comes out later.

What a kubelet does for the containers is done here: volumes are folders, ports are free ones, nginx runs as a user
without rights.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apiserver.machinery.errors import Object
from apiserver.settings import Settings
from reconciler.website.children import desired_deployment, options
from tests import programs
from tests.controlplane.process import SOON, Process, eventually, free_port

USER = "65533"
GIT_SYNC = Path(__file__).with_name("git_sync.py")


class Pod:
    """The containers of a Deployment's template. `volumes` holds a folder for each volume."""

    def __init__(self, template: Object, folder: Path) -> None:
        self.containers = {container["name"]: container for container in template["spec"]["containers"]}
        self.volumes = {volume["name"]: folder / volume["name"] for volume in template["spec"]["volumes"]}
        every = [port for container in self.containers.values() for port in container["ports"]]
        self.ports = {port["name"]: free_port() for port in every}
        self._numbers = {str(port["containerPort"]): str(self.ports[port["name"]]) for port in every}
        self._log = folder / "log"
        self.running: dict[str, Process] = {}
        self._log.mkdir()
        for path in self.volumes.values():
            path.mkdir()
            path.chmod(0o777)

    def start(self, name: str, entrypoint: list[str], user: str = "") -> None:
        """`entrypoint` is a program of this machine for what the image would run if the container does not say."""
        container = self.containers[name]
        said = [self._here(word, container) for word in (*container.get("command", ()), *container.get("args", ()))]
        line = said if "command" in container else [*entrypoint, *said]
        given = {variable["name"]: variable["value"] for variable in container.get("env", [])}
        environment = {name: self._here(value, container) for name, value in given.items()}
        base = {"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(self.volumes["git-sync-tmp"])}
        # What a container writes to is its own, whoever it runs as.
        log = self._log / f"{name}.log"
        log.touch()
        log.chmod(0o666)
        self.running[name] = Process(name, [*_as(user), *line], log, base | environment)

    def _here(self, text: str, container: Object) -> str:
        """With paths of volumes and ports as they are on this machine; $$ is $, as the kubelet has it."""
        paths = {mount["mountPath"]: str(self.volumes[mount["name"]]) for mount in container["volumeMounts"]}
        places = self._numbers | paths
        return re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], text.replace("$$", "$"))

    def probe(self, name: str, kind: str) -> bool:
        """Whether the container passes its probe."""
        probe = self.containers[name][kind]
        if "tcpSocket" in probe:
            return _listens(self.ports[probe["tcpSocket"]["port"]])
        action = probe["httpGet"]
        return 200 <= _status(f"http://127.0.0.1:{self.ports[action['port']]}{action['path']}") < 400

    def get(self, path: str) -> httpx.Response:
        """What the Service's clients get."""
        return httpx.get(f"http://127.0.0.1:{self.ports['http']}{path}", timeout=SOON)

    def stop(self) -> None:
        for process in self.running.values():
            process.kill()


def _as(user: str) -> list[str]:
    """Only root may become somebody else; whoever runs the tests otherwise has no rights anyway."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user and os.geteuid() == 0 else []


def _status(url: str) -> int:
    try:
        return httpx.get(url, timeout=SOON).status_code
    except httpx.HTTPError:
        return 0


def _listens(port: int) -> bool:
    return _status(f"http://127.0.0.1:{port}/") != 0


class Repository:
    """A bare repository, served by `git daemon` when it is started."""

    def __init__(self, folder: Path) -> None:
        self._git = programs.find("git")
        self._folder = folder
        self._port = free_port()
        self.url = f"git://127.0.0.1:{self._port}/site.git"
        self._run("init", "--quiet", "--bare", "--initial-branch=main", str(folder / "site.git"))
        self._run("clone", "--quiet", str(folder / "site.git"), str(folder / "work"))

    def commit(self, branch: str = "main", **files: str) -> None:
        """Pushes a commit with these files; "_" in a name is a dot."""
        work = self._folder / "work"
        self._run("-C", str(work), "checkout", "--quiet", "-B", branch)
        for name, content in files.items():
            (work / name.replace("_", ".")).write_text(content)
        self._run("-C", str(work), "add", ".")
        self._run("-C", str(work), *_AUTHOR, "commit", "--quiet", "--message=change")
        self._run("-C", str(work), "push", "--quiet", "origin", branch)

    def link(self, name: str, target: str) -> None:
        (self._folder / "work" / name).symlink_to(target)

    def serve(self) -> Process:
        place = [f"--base-path={self._folder}", "--listen=127.0.0.1", f"--port={self._port}"]
        command = [str(self._git), "daemon", "--reuseaddr", "--export-all", "--informative-errors", *place]
        return Process("git-daemon", command, self._folder / "daemon.log")

    def _run(self, *arguments: str) -> None:
        subprocess.run([str(self._git), *arguments], check=True, capture_output=True)


_AUTHOR = ("-c", "user.name=test", "-c", "user.email=test@example.com")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that another user may enter, unlike pytest's."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def repository(folder: Path) -> Repository:
    (folder / "repository").mkdir()
    return Repository(folder / "repository")


@pytest.fixture
def pods(folder: Path) -> Iterator[list[Pod]]:
    """Those that are ended with the test."""
    started: list[Pod] = []
    yield started
    for pod in started:
        pod.stop()


def start(pods: list[Pod], folder: Path, repository: Repository, **spec: str) -> Pod:
    """The Pod of a Website for the repository, looking at it every 200 ms."""
    programs.find("nginx")
    settings = Settings.load(["--storage=sqlite://:memory:", "--git-sync-period=200ms"])
    meta = {"name": "kubia", "namespace": "ns", "uid": "u1"}
    website = {"metadata": meta, "spec": {"gitRepo": repository.url, "replicas": 1, **spec}}
    (folder / "pod").mkdir()
    pod = Pod(desired_deployment(website, options(settings))["spec"]["template"], folder / "pod")
    pods.append(pod)
    pod.start("nginx", ["/docker-entrypoint.sh"], USER)
    pod.start("git-sync", [sys.executable, str(GIT_SYNC)])
    eventually(lambda: alive(pod), SOON, f"both live; see {folder}")
    return pod


def alive(pod: Pod) -> bool:
    for process in pod.running.values():
        process.check()
    return all(pod.probe(name, "livenessProbe") for name in pod.containers)


def ready(pod: Pod) -> bool:
    return all(pod.probe(name, "readinessProbe") for name in pod.containers)


def test_page_of_the_repository_comes_out(pods: list[Pod], folder: Path, repository: Repository) -> None:
    """Not ready while there is nothing to serve, but alive; then the page; then, after the period, a new commit's."""
    pod = start(pods, folder, repository)
    assert not any(pod.probe(name, "readinessProbe") for name in pod.containers)
    repository.commit(index_html="<h1>first</h1>")
    daemon = repository.serve()
    try:
        eventually(lambda: ready(pod), SOON, f"ready: {pod.running['git-sync'].log}")
        page = pod.get("/")
        assert (page.status_code, page.text) == (200, "<h1>first</h1>")
        assert page.headers["content-type"] == "text/html"
        repository.commit(index_html="<h1>second</h1>", style_css="p {}")
        eventually(lambda: pod.get("/").text == "<h1>second</h1>", SOON, "the new commit is served")
        assert pod.get("/style.css").headers["content-type"] == "text/css"
    finally:
        daemon.kill()
    assert pod.get("/missing").status_code == 404
    assert pod.get("/").text == "<h1>second</h1>"
    assert ready(pod)
    assert strays() == []


def strays() -> list[Path]:
    """What nginx, where it runs as a user of its own, has left in folders that anybody may write to and that are no
    volumes of its: its container's root is read only."""
    folders = map(Path, ("/tmp", "/var/tmp", "/dev/shm", "/run/lock"))
    entries = [entry for folder in folders if folder.is_dir() for entry in folder.iterdir()]
    return [entry for entry in entries if _owner(entry) == int(USER)]


def _owner(path: Path) -> int:
    try:
        return path.lstat().st_uid
    except FileNotFoundError:
        return -1


def test_branch_is_served(pods: list[Pod], folder: Path, repository: Repository) -> None:
    """With a branch, what is on it."""
    repository.commit(index_html="main")
    repository.commit("dev", index_html="dev")
    daemon = repository.serve()
    try:
        pod = start(pods, folder, repository, branch="dev")
        eventually(lambda: ready(pod), SOON, "ready")
        assert pod.get("/").text == "dev"
    finally:
        daemon.kill()


def somebody_elses_file(folder: Path) -> Path:
    """One that everybody may read and that is not of whoever has checked the repository out."""
    if os.geteuid() != 0:
        return Path("/etc/passwd")
    path = folder / "secret"
    path.write_text("secret")
    os.chown(path, 1, 1)
    return path


def test_nothing_but_the_content_is_served(pods: list[Pod], folder: Path, repository: Repository) -> None:
    """Neither git's own files nor what a link in the repository leads to outside of it."""
    repository.link("outside", str(somebody_elses_file(folder)))
    repository.link("home.html", "index.html")
    repository.commit(index_html="page")
    daemon = repository.serve()
    try:
        pod = start(pods, folder, repository)
        eventually(lambda: ready(pod), SOON, "ready")
        assert pod.get("/home.html").text == "page"
        assert [pod.get(path).status_code for path in ("/.git", "/.git/config", "/../.git/config")] == [404] * 3
        assert pod.get("/outside").status_code == 403
        assert pod.get("/readyz").status_code == 404
    finally:
        daemon.kill()
