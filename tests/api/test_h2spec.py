"""The server's HTTP/2 against h2spec, the conformance suite for RFC 7540 and 7541."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.api.test_trust import running
from tests.controlplane import golang

PACKAGE = "github.com/summerwind/h2spec/cmd/h2spec"
WITHIN = 60
"""Seconds for an answer of the server, on a busy machine."""
CASES = 146
"""Of h2spec 2.2.1, those included that it calls strict."""


@pytest.fixture(scope="module")
def h2spec(pytestconfig: pytest.Config) -> Path:
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        return golang.program("h2spec", "h2spec", golang.to_stderr, package=PACKAGE)


def test_h2spec(h2spec: Path, tmp_path: Path) -> None:
    """Every case passes, over TLS. The application answers when it has the whole request: one that does so before is
    right, too, but then what a case sends late is dropped and not judged. h2spec cannot say who it is, and nobody keeps
    a connection."""
    report = tmp_path / "report.xml"
    how = ["--tls", "--insecure", "--strict", f"--timeout={WITHIN}", f"--junit-report={report}"]
    with running(tmp_path, assumed=[(b"authorization", b"Bearer secret-of-bob")]) as server:
        command: list[str | Path] = [h2spec, *how, f"--port={server.port}", "--path=/who"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - of a program that we have built
    failed = [case.attrib for case in cases if any(child.tag in ("failure", "error", "skipped") for child in case)]
    assert not failed, done.stdout
    assert (len(cases), done.returncode) == (CASES, 0), done.stdout
