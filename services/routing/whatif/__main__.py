"""Ask what if: python -m services.routing.whatif QUESTION"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from libs.documents import load, validated
from services.routing.whatif.report import as_bytes
from services.routing.whatif.simulation import Simulation, simulate


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="whatif", description="Play a period as it is, and changed.")
    parser.add_argument("question", type=Path, help="YAML or JSON; docs/what-if.md says what stands in it")
    parser.add_argument("--out", type=Path, help="write the report to this file, not to the screen")
    parser.add_argument("--quiet", action="store_true", help="do not say how far it is")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Answer one question; return 0, or 2 where the question cannot be understood."""
    options = arguments(given)
    document, problems = load(options.question.read_text())
    asked = None
    if not problems:
        asked, problems = validated(Simulation, document)
    if asked is None:
        for problem in problems:
            print(f"{problem.path}: {problem.en}", file=sys.stderr)
        return 2
    report = as_bytes(simulate(asked, progress=_silent if options.quiet else _say))
    if options.out:
        options.out.write_bytes(report)
    else:
        print(report.decode())
    return 0


def _say(done: int, of: int) -> None:
    print(f"\r{done} of {of} days played", end="\n" if done == of else "", file=sys.stderr, flush=True)


def _silent(done: int, of: int) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
