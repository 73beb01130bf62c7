"""The README's examples, run as they stand there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import SOON, eventually
from tests.controlplane.server import ROOT, Standalone, with_kinds

README = (ROOT / "README.md").read_text()


@pytest.fixture
def extended(tmp_path: Path) -> Iterator[Standalone]:
    """A server with the README's second kind in its folder of kinds."""
    server = Standalone(tmp_path / "run")
    server.root = with_kinds(tmp_path, {"tile": _block("python")})
    with server:
        yield server


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def _commands() -> list[list[str]]:
    """Everything behind `kubectl` in the part about the two commands."""
    part = README.partition("## Two commands")[2].partition("## Deploying")[0]
    found = re.findall(r"(?:^    (?:\$ )?|`)kubectl ([^\n`]+)", part, re.MULTILINE)
    return [shlex.split(command) for command in found]


def test_the_manifest_is_the_example() -> None:
    """The YAML that is shown and examples/website.yaml say the same."""
    example = yaml.safe_load((ROOT / "examples" / "website.yaml").read_text())
    assert yaml.safe_load(_block("yaml"))["spec"] == example["spec"]


def test_the_commands_work(standalone: Standalone, binaries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of "Two commands" does what the text around it says."""
    monkeypatch.chdir(ROOT)
    kubectl = standalone.kubectl(binaries)
    commands = _commands()
    assert len(commands) >= 7
    for command in commands:
        if "examples/invalid.yaml" in command:
            assert "spec.gitRepo: Required value" in kubectl.refused(*command)
        elif "-w" in command:
            with kubectl.stream(*command) as stream:
                stream.wait_for("kubia", SOON)
        else:
            kubectl(*command)
    kubectl("delete", "website", "kubia")


def test_another_kind_is_one_file(extended: Standalone, binaries: Path) -> None:
    """The README's Tile is served, defaulted, validated, explained and printed."""
    kubectl = extended.kubectl(binaries)
    eventually(lambda: "tiles" in kubectl("api-resources", "--cached=false"), SOON, "the kind is discovered")
    _create_tile(kubectl, "floor", "{size: 3}")
    assert kubectl.get("tile", "floor")["spec"] == {"color": "red", "size": 3}
    assert kubectl("get", "ti", "floor").split()[:5] == ["NAME", "COLOR", "AGE", "floor", "red"]
    assert "What a tile looks like." in kubectl("explain", "tile.spec")
    refusal = kubectl.refused("create", "-f", "-", stdin=_tile("wall", "{size: 10, color: pink}"))
    assert 'spec.color: Unsupported value: "pink": supported values: "red", "green", "blue"' in refusal
    assert "spec.size in body should be less than or equal to 9" in refusal


def _create_tile(kubectl: Kubectl, name: str, spec: str) -> None:
    kubectl("create", "-f", "-", stdin=_tile(name, spec))


def _tile(name: str, spec: str) -> str:
    head = "apiVersion: extensions.example.com/v1alpha1\nkind: Tile\n"
    return f"{head}metadata: {{name: {name}, namespace: default}}\nspec: {spec}\n"
