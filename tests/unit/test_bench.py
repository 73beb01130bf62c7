"""What the benchmark makes of its figures."""

import os
from xml.etree import ElementTree

from bench.chart import Bar, Group, Line, bars, lines
from bench.comparison import Measurement, Spread, cpu, p99, ratio, typical
from bench.generator import Figures
from bench.machine import resident_mib
from bench.markdown import median_text, ratio_text, table
from bench.operations import TABLE
from bench.report import markdown, plot
from bench.table import Results
from bench.targets import AGGREGATOR, ETCD, KUBE, SAMPLE, SERVER, SQLITE


def _figures(cpu_us: int, p99_ms: float = 2.0) -> Figures:
    return Figures(100, 100, 50.0, 650, 1.0, p99_ms, {SERVER: cpu_us, AGGREGATOR: 7}, 10, 0.5)


def _measured(target: str, *cpu_us: int) -> list[Measurement]:
    return [Measurement("GET", target, number, _figures(each)) for number, each in enumerate(cpu_us)]


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the machine was slow for both counts like any other."""
    measured = _measured(SAMPLE, 400, 4000, 500) + _measured(ETCD, 100, 1000, 100)
    assert ratio(measured, "GET", SAMPLE, ETCD) == Spread(4.0, 4.0, 5.0)


def test_a_round_without_a_partner_is_left_out() -> None:
    """What has not been compared has no ratio."""
    measured = _measured(SAMPLE, 400, 800) + _measured(ETCD, 100)
    assert ratio(measured, "GET", SAMPLE, ETCD) == Spread(4.0, 4.0, 4.0)
    assert ratio(measured, "GET", SAMPLE, SQLITE) is None
    assert ratio(measured, "LIST", SAMPLE, ETCD) is None


def test_a_clock_that_did_not_tick_divides_nothing_by_zero() -> None:
    """CPU is counted in steps of 10 ms."""
    found = ratio(_measured(SAMPLE, 4) + _measured(ETCD, 0), "GET", SAMPLE, ETCD)
    assert found is not None
    assert found.median > 1000


def test_typical_is_the_median() -> None:
    """One bad round changes nothing."""
    measured = _measured(ETCD, 100, 110, 9000)
    assert typical(measured, "GET", ETCD, cpu) == Spread(110, 100, 9000)
    assert typical(measured, "GET", ETCD, p99) == Spread(2.0, 2.0, 2.0)
    assert typical(measured, "GET", KUBE, cpu) is None


def test_the_generators_report_becomes_figures() -> None:
    """Members that nobody asks for are ignored."""
    text = b"""{"operations": 3, "numbers": 4, "seconds": 2, "per_second": 1.5, "bytes_per_operation": 650, "p50_ms": 1,
        "p99_ms": 2, "cpu_us_per_operation": {"server": 5}, "client_cpu_us_per_operation": 6, "client_cores": 0.25}"""
    assert Figures.of(text) == Figures(3, 4, 1.5, 650, 1, 2, {"server": 5}, 6, 0.25)


def test_markdown_cells() -> None:
    """Two digits that matter; a dash where nothing was measured."""
    assert ratio_text(Spread(4.46, 0.5, 12.3)) == "**4.5x** (0.50–12)"
    assert ratio_text(None) == "-"
    assert median_text(Spread(1234.5, 1, 2), "{:,.0f} µs") == "1,234 µs"
    assert median_text(None, "{}") == "-"
    assert table(["a", "b"], [["c", "1"]]) == "| a | b |\n| --- | ---: |\n| c | 1 |"


def _results() -> Results:
    costs = {KUBE: 900, SAMPLE: 460, ETCD: 100, SQLITE: 46}
    direct = [Measurement(each.name, name, 0, _figures(costs[name])) for each in TABLE for name in costs]
    memory = {KUBE: 400.0, SAMPLE: 120.0, ETCD: 60.0, SQLITE: 80.0}
    setting = {"objects": 10, "seconds": 1.0, "rounds": 1}
    return Results({"machine": "a loom"}, setting, tuple(direct), tuple(direct), memory, memory)


def test_results_say_what_is_reached() -> None:
    """A goal is reached by the median ratio of sample-apiserver's CPU to this server's on etcd."""
    text = markdown(_results(), "results.svg")
    get = next(line for line in text.splitlines() if line.startswith("| GET one"))
    assert get.endswith("| 900 µs | 460 µs | 100 µs | 46 µs | **4.6x** (4.6–4.6) | **10x** (10–10) | 4.5x | yes |")
    listed = next(line for line in text.splitlines() if line.startswith("| LIST all |"))
    assert listed.endswith("| 15x | no |")
    assert "| filled | 400 | 120 | 60 | 80 | 2.0x | 1.5x | 2x | yes |" in text
    assert "- machine: a loom" in text


def test_the_plot_has_a_bar_for_each_ratio_and_a_mark_for_each_goal() -> None:
    """Two servers of ours an operation, and every operation of the table."""
    picture = ElementTree.fromstring(plot(_results().direct))
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {each.name for each in TABLE} <= set(texts)
    assert texts.count("4.6x") == texts.count("10x") - 1 == len(TABLE)  # 10x is a tick, too
    marks = [line for line in picture.iter("{http://www.w3.org/2000/svg}line") if "stroke-dasharray" in line.attrib]
    assert len(marks) == len([each for each in TABLE if each.goal])


def test_bars_are_as_long_as_their_logarithms() -> None:
    """A tenfold ratio is one step away from 1, a hundredfold one is two."""
    drawn = [Bar("a", 1, 1, 1, "red"), Bar("b", 10, 10, 10, "blue"), Bar("c", 100, 100, 100, "green")]
    picture = ElementTree.fromstring(bars([Group("g", drawn)], "title"))
    rectangles = picture.iter("{http://www.w3.org/2000/svg}rect")
    lengths = {each.get("fill"): float(each.get("width", 0)) for each in rectangles if each.get("height") == "12"}
    assert lengths["red"] == 0
    assert lengths["green"] == 2 * lengths["blue"] > 0


def test_lines_pass_through_their_points() -> None:
    """One dot a point, further right and higher up as values grow."""
    picture = ElementTree.fromstring(lines([("panel", [Line("a", [(1, 5), (10, 50), (100, 500)], "red")])]))
    dots = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in picture.iter() if "cx" in each.attrib]
    assert len(dots) == 3
    assert dots == sorted(dots)
    assert [y for _, y in dots] == sorted((y for _, y in dots), reverse=True)


def test_resident_memory_of_a_living_process() -> None:
    """In MiB: a Python is some tens of them."""
    assert 5 < resident_mib(os.getpid()) < 5000
