"""The benchmark's command line: `make bench`.

    python -m bench [--objects=10000] [--rounds=5] [--seconds=1] [--growth] [--output=bench]

Servers keep their data and logs below --directory, which is emptied first.
"""

import argparse
import shutil
import sys
from pathlib import Path

import httpx
import orjson

from bench import growth, programs, report, table
from bench.generator import Generator, LoadFailed
from bench.operations import Pace
from bench.reconcile import report as reconciler
from tests.controlplane.golang import Unavailable, to_stderr
from tests.controlplane.process import NotInTime, ProcessDied

HERE = Path(__file__).resolve().parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="This server beside its peers.")
    parser.add_argument("--growth", action="store_true", help="how cost grows with objects, watchers and connections")
    parser.add_argument("--objects", type=int, help="in each server (default: 10000; the most of --growth: 100000)")
    parser.add_argument("--rounds", type=int, default=5, help="of each operation (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one measurement (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=HERE, help="folder of the results (default: bench)")
    parser.add_argument("--directory", type=Path, default=HERE.parent / ".local" / "bench", help="of data and logs")
    return parser.parse_args()


def _write(output: Path, name: str, document: object, text: str, picture: str) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{name}.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    (output / f"{name}.md").write_text(text)
    (output / f"{name}.svg").write_text(picture)


def run(arguments: argparse.Namespace) -> None:
    """Raises Unavailable, LoadFailed, ProcessDied, NotInTime, httpx.HTTPError."""
    shutil.rmtree(arguments.directory, ignore_errors=True)
    generator = Generator(programs.load())
    programs.sample_apiserver()
    pace = Pace(arguments.seconds, arguments.seconds / 4, arguments.rounds)
    if arguments.growth:
        grown = growth.run(generator, arguments.directory, arguments.objects or 100_000, pace, to_stderr)
        text = growth.markdown(grown, "growth.svg")
        _write(arguments.output, "growth", grown.document(), text, growth.plot(grown))
        return
    results = table.run(generator, arguments.directory, arguments.objects or 10_000, pace, to_stderr)
    text = report.markdown(results, "results.svg")
    _write(arguments.output, "results", results.document(), text, report.plot(results.direct))
    reconciler.include(arguments.output)
    sys.stdout.write(text)


def main() -> int:
    """The exit code: 1 after a sentence that says what went wrong."""
    try:
        run(_arguments())
    except KeyboardInterrupt:
        to_stderr("stopped")
        return 130
    except (Unavailable, LoadFailed, ProcessDied, NotInTime, httpx.HTTPError) as failure:
        to_stderr(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
