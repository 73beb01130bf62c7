"""Results as Markdown."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import orjson

from bench.comparison import Spread
from bench.markdown import facts as facts_list
from bench.markdown import table
from bench.reconcile.contenders import KOPF, OURS, RUNTIME, RUNTIME_WORKERS
from bench.reconcile.race import CONNECTIONS, Outcome
from reconciler.website.loop import WORKERS

REQUESTS_GOAL, KOPF_GOAL, RUNTIME_GOAL = 4.0, 5.0, 1.0
_NAMES = (OURS, KOPF, RUNTIME)
_SECTION = "## The reconciler"
Value = Callable[[Outcome], float]

_SETTING = f"""\
Websites are created at once, by {CONNECTIONS} connections to kube-apiserver; each becomes the same Deployment and \
Service, whoever makes them. This server keeps Websites in an etcd of its own and is registered with the aggregator; \
for the other two they are a custom resource of kube-apiserver. Each runs in a fresh cluster, one after the other: \
etcd without fsync, kube-apiserver, kube-controller-manager and kube-scheduler without a limit of their own on \
requests, one node that kwok plays. All three are ServiceAccounts, this server with the rights of deploy/, the others \
as cluster-admin. This server reconciles {WORKERS} Websites at a time; controller-runtime {RUNTIME_WORKERS}, without \
client-go's own limit of requests; Kopf has its defaults and runs all handlers at once. Children of Kopf and of this \
server are made by server-side apply, those of controller-runtime by CreateOrUpdate, as the books of each teach.

kube-apiserver allocates the Services' node ports one after the other, each with questions to its etcd: quickly on an \
idle machine, slowly on one that is busy with Pods. The peers make for each Website its Deployment, then its Service; \
this server makes the Services of all Websites that wait before it makes Deployments. That is most of the difference \
until children exist. The work that Pods are for everybody else in the cluster is the same for all.

Times are seconds from the first create. Requests are those that kube-apiserver has answered to the contender, as \
its audit log has them: reads, writes and Events, without watches; reviews of who asks this server are listed below \
only. This server writes its Events, two a Website, when it has nothing to reconcile, or half a minute later: requests \
and CPU are counted until it has written all. CPU is that of the contender's process; this server's includes serving \
the Websites. Memory is its resident memory at its highest. Given are the median and, in parentheses, the lowest and \
the highest of the rounds.
"""

_ROWS: tuple[tuple[str, Value, str], ...] = (
    ("all Websites created, s", lambda each: each.created, "{:.1f}"),
    ("all children exist, s", lambda each: each.children, "{:.1f}"),
    ("all Websites Ready, s", lambda each: each.ready, "{:.1f}"),
    ("requests per Website", lambda each: each.requests_each, "{:.2f}"),
    ("CPU per Website, ms", lambda each: each.cpu_ms, "{:.1f}"),
    ("CPU of kube-apiserver per Website, ms", lambda each: each.kube_apiserver_cpu_ms, "{:.1f}"),
    ("memory, MiB", lambda each: each.peak_mib, "{:.0f}"),
)


def line(outcome: Outcome) -> str:
    """All figures of one run."""
    return ", ".join(f"{name} {form.format(value(outcome))}" for name, value, form in _ROWS)


def markdown(facts: Mapping[str, str], outcomes: Sequence[Outcome]) -> str:
    """The whole of reconcile.md."""
    return _page(
        f"# {outcomes[0].websites:,} Websites at once",
        "Made by `make bench-reconcile`; the raw figures are in the JSON file beside this one.",
        facts_list(facts),
        _SETTING,
        _figures(outcomes),
        "## Goals",
        _goals(outcomes),
        "## Requests, of a whole run",
        *(f"{name}: {_requests(outcomes, name)}." for name in _measured(outcomes)),
    )


def section(outcomes: Sequence[Outcome]) -> str:
    """What results.md has of it, at its end."""
    return _page(
        f"{_SECTION}: {outcomes[0].websites:,} Websites at once",
        "The median and, in parentheses, the lowest and the highest of the rounds. [reconcile.md](reconcile.md) says "
        "how this is measured, and on which machine.",
        _figures(outcomes),
        _goals(outcomes),
    )


def include(output: Path) -> None:
    """Makes the comparison the last section of results.md, where both have been measured."""
    page, own = output / "results.md", output / "reconcile.json"
    if page.exists() and own.exists():
        outcomes = [Outcome(**each) for each in orjson.loads(own.read_bytes())["outcomes"]]
        others = page.read_text().partition(_SECTION)[0]
        page.write_text(_page(others, section(outcomes)))


def _page(*parts: str) -> str:
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _measured(outcomes: Sequence[Outcome]) -> list[str]:
    return [name for name in _NAMES if any(each.contender == name for each in outcomes)]


def _figures(outcomes: Sequence[Outcome]) -> str:
    names = _measured(outcomes)
    rows = [[text, *(_cell(outcomes, name, value, form) for name in names)] for text, value, form in _ROWS]
    return table(["", *names], rows)


def _spread(outcomes: Sequence[Outcome], name: str, value: Value) -> Spread:
    return Spread.of([value(each) for each in outcomes if each.contender == name])


def _cell(outcomes: Sequence[Outcome], name: str, value: Value, form: str) -> str:
    found = _spread(outcomes, name, value)
    return f"{form.format(found.median)} ({form.format(found.low)}–{form.format(found.high)})"


def _goals(outcomes: Sequence[Outcome]) -> str:
    if len(_measured(outcomes)) < len(_NAMES):
        return "Not all have been measured."
    rows = [_goal("requests per Website", _spread(outcomes, OURS, lambda each: each.requests_each).median, None)]
    for peer, goal in ((KOPF, KOPF_GOAL), (RUNTIME, RUNTIME_GOAL)):
        for what, value in (("children", _children), ("Ready", _ready)):
            times = _spread(outcomes, peer, value).median / _spread(outcomes, OURS, value).median
            rows.append(_goal(f"times faster than {peer}, until {what}", times, goal))
    return table(["", "measured", "goal", "reached"], rows)


def _children(outcome: Outcome) -> float:
    return outcome.children


def _ready(outcome: Outcome) -> float:
    return outcome.ready


def _goal(text: str, found: float, at_least: float | None) -> list[str]:
    """At most REQUESTS_GOAL where there is no least."""
    if at_least is None:
        return [text, f"{found:.2f}", f"at most {REQUESTS_GOAL:g}", "yes" if found <= REQUESTS_GOAL else "no"]
    return [text, f"{found:.2f}", f"at least {at_least:g}", "yes" if found >= at_least else "no"]


def _requests(outcomes: Sequence[Outcome], name: str) -> str:
    last = [each for each in outcomes if each.contender == name][-1]
    return ", ".join(f"{what} {count:,}" for what, count in last.requests.items())
