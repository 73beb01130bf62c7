"""The comparison of reconcilers: its figures, and that all are asked for the same."""

import subprocess
import sys
from pathlib import Path

import orjson
import pytest

import bench
from apiserver.settings import Settings
from bench.machine import cpu_seconds, peak_mib, resident_mib
from bench.reconcile.cluster import Audit
from bench.reconcile.contenders import KOPF, OURS, RUNTIME, children
from bench.reconcile.race import Outcome
from bench.reconcile.report import include, markdown, section
from reconciler.website.children import desired_deployment, desired_service, options


def _outcome(contender: str, seconds: float, requests: int) -> Outcome:
    return Outcome(contender, 100, 1.0, seconds, 2 * seconds, {"create events": requests}, 3.0, 50.0, 100.0)


def test_goals_are_of_medians() -> None:
    """Times are compared by the medians of the rounds; four requests for each Website are enough, five are not."""
    ours = [_outcome(OURS, seconds, 400) for seconds in (10.0, 20.0, 90.0)]
    others = [_outcome(KOPF, 110.0, 500), _outcome(RUNTIME, 19.0, 400)]
    text = markdown({}, [*ours, *others])
    assert "| requests per Website | 4.00 | at most 4 | yes |" in text
    assert "| times faster than Kopf, until children | 5.50 | at least 5 | yes |" in text
    assert "| times faster than controller-runtime, until Ready | 0.95 | at least 1 | no |" in text
    assert "| requests per Website | 5.00 | at most 4 | no |" in markdown({}, [_outcome(OURS, 1.0, 500), *others])


def test_results_have_the_comparison(tmp_path: Path) -> None:
    """results.md ends with the table of reconcile.json, whichever of the two was measured last."""
    page, own = tmp_path / "results.md", tmp_path / "reconcile.json"
    page.write_text("# Benchmark\n\n## CPU\n")
    include(tmp_path)
    assert page.read_text() == "# Benchmark\n\n## CPU\n"
    for requests in (500, 400):
        outcomes = [_outcome(name, 10.0, requests) for name in (OURS, KOPF, RUNTIME)]
        own.write_bytes(orjson.dumps({"outcomes": [each.document() for each in outcomes]}))
        include(tmp_path)
        assert page.read_text() == f"# Benchmark\n\n## CPU\n\n{section(outcomes)}"
        assert f"| requests per Website | {requests / 100:.2f} (" in page.read_text()


def test_measured_results_have_the_comparison() -> None:
    """The table in bench/results.md is that of bench/reconcile.md."""
    results, own = ((Path(bench.__file__).parent / name).read_text() for name in ("results.md", "reconcile.md"))
    rows = [line for line in own.splitlines() if line.startswith("| ")]
    assert rows
    assert [row for row in rows if row not in results] == []


def test_peers_make_the_same_children() -> None:
    """The template, filled in, is what this reconciler applies, but for the ownerReference."""
    metadata, repo = {"name": "kubia", "namespace": "default", "uid": "u"}, "https://example.com/site.git"
    site = {"metadata": metadata, "spec": {"gitRepo": repo, "replicas": 1}}
    text = orjson.dumps(children()).decode()
    for mark, value in (("@NAMESPACE@", "default"), ("@NAME@", "kubia"), ("@REPO@", repo)):
        text = text.replace(mark, value)
    wanted = {
        "deployment": desired_deployment(site, options(Settings.load(["--standalone"]))),
        "service": desired_service(site),
    }
    for child in wanted.values():
        assert child["metadata"].pop("ownerReferences")
    assert orjson.loads(text) == wanted


def test_requests_are_those_of_the_contender(tmp_path: Path) -> None:
    """Of the audit log: its user's, from the start on, watches and what came before excepted, with subresources."""
    audit = Audit(tmp_path / "audit", "me", "websites")
    log = Path(audit.flags[1].partition("=")[2])

    def line(user: str, verb: str, at: str, **subject: str) -> bytes:
        event = {"user": {"username": user}, "verb": verb, "requestReceivedTimestamp": at, "objectRef": subject}
        return orjson.dumps(event) + b"\n"

    log.write_bytes(
        line("me", "create", "2026-01-01T00:00:01.000000Z", resource="events")
        + line("me", "create", "2026-01-01T00:00:02.000000Z", resource="events")
        + line("me", "patch", "2026-01-01T00:00:03.000000Z", resource="websites", subresource="status")
        + line("me", "watch", "2026-01-01T00:00:03.000000Z", resource="events")
        + line("other", "create", "2026-01-01T00:00:03.000000Z", resource="events")
    )
    assert audit.requests("2026-01-01T00:00:02.000000Z") == {"create events": 1, "patch websites/status": 1}


def test_a_process_is_measured() -> None:
    """Its CPU is what it says itself, its memory was never higher than at its peak."""
    busy = "import os\nwhile sum(os.times()[:4]) < 0.2: pass\nprint(sum(os.times()[:4]), flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = float(process.stdout.readline())
        assert cpu_seconds(process.pid) == pytest.approx(said, abs=0.1)
        resident = resident_mib(process.pid)
        assert peak_mib(process.pid) >= resident > 0
        process.kill()
