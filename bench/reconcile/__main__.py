"""The command line: `make bench-reconcile`.

    python -m bench.reconcile [--websites=1000] [--rounds=3] [--only=NAME] [--output=bench]

Clusters keep their data and logs below --directory, which is emptied first.
"""

import argparse
import shutil
import sys
from pathlib import Path

import httpx
import orjson

from bench import machine, programs
from bench.generator import Generator, LoadFailed
from bench.reconcile import programs as peers
from bench.reconcile import race, report
from bench.reconcile.contenders import CONTENDERS
from tests.controlplane.golang import Unavailable, to_stderr
from tests.controlplane.kubectl import KubectlFailed
from tests.controlplane.process import NotInTime, ProcessDied

HERE = Path(__file__).resolve().parent
_TROUBLE = (Unavailable, LoadFailed, ProcessDied, NotInTime, TimeoutError, KubectlFailed, httpx.HTTPError)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.reconcile", description="This reconciler beside its peers.")
    parser.add_argument("--websites", type=int, default=1000, help="created at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each contender (default: %(default)s)")
    parser.add_argument("--only", choices=[each.name for each in CONTENDERS], help="one contender")
    parser.add_argument("--output", type=Path, default=HERE.parent, help="folder of the results (default: bench)")
    parser.add_argument("--directory", type=Path, default=HERE.parents[1] / ".local" / "bench-reconcile")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> None:
    """Raises Unavailable, LoadFailed, ProcessDied, NotInTime, TimeoutError, KubectlFailed, httpx.HTTPError."""
    facts = machine.facts() | peers.versions()
    generator = Generator(programs.load())
    outcomes = []
    for number in range(arguments.rounds):
        for contender in CONTENDERS:
            if arguments.only in (None, contender.name):
                shutil.rmtree(arguments.directory, ignore_errors=True)
                outcomes.append(race.run(generator, contender, arguments.directory, arguments.websites))
                to_stderr(f"round {number + 1}, {contender.name}: {report.line(outcomes[-1])}")
    text = report.markdown(facts, outcomes)
    document = {"facts": facts, "outcomes": [each.document() for each in outcomes]}
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "reconcile.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    (arguments.output / "reconcile.md").write_text(text)
    report.include(arguments.output)
    sys.stdout.write(text)


def main() -> int:
    """The exit code: 1 after a sentence that says what went wrong."""
    try:
        run(_arguments())
    except KeyboardInterrupt:
        to_stderr("stopped")
        return 130
    except _TROUBLE as failure:
        to_stderr(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
