"""Ask what if: python -m services.routing.whatif QUESTION"""

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from libs.documents import load, validated
from libs.events.base import AnyEvent
from libs.settings import Settings
from libs.wire import Unreadable
from services.routing.whatif import reading
from services.routing.whatif.report import as_bytes
from services.routing.whatif.simulation import Simulation, simulate


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="whatif", description="Play a period as it is, and changed.")
    parser.add_argument("question", type=Path, help="YAML or JSON; docs/what-if.md says what stands in it")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--events", type=Path, help="of a recorded period: CloudEvents in JSON, one a line")
    source.add_argument("--tenant", default="", help="read the recorded period from the topics")
    parser.add_argument("--out", type=Path, help="write the report to this file, not to the screen")
    parser.add_argument("--quiet", action="store_true", help="do not say how far it is")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """Answer one question; return 0, or 2 where the question or its events cannot be understood."""
    options = arguments(given)
    document, problems = load(options.question.read_text())
    asked = None
    if not problems:
        asked, problems = validated(Simulation, document)
    if asked is None:
        return _refused(*(f"{problem.path}: {problem.en}" for problem in problems))
    if asked.recorded and not (options.events or options.tenant):
        return _refused("a recorded period needs --events or --tenant")
    try:
        events = _events(asked, options)
        report = as_bytes(simulate(asked, events, progress=_silent if options.quiet else _say))
    except Unreadable as error:
        return _refused(f"{options.events}: {error}")
    if options.out:
        options.out.write_bytes(report)
    else:
        print(report.decode())
    return 0


def _events(asked: Simulation, options: argparse.Namespace) -> Iterable[AnyEvent]:
    if asked.recorded is None:
        return ()
    if options.events:
        return reading.of_lines(options.events)
    return asyncio.run(reading.of_topics(Settings(), options.tenant, asked.recorded.end))


def _refused(*why: str) -> int:
    for each in why:
        print(each, file=sys.stderr)
    return 2


def _say(done: int, of: int) -> None:
    print(f"\r{done} of {of} plays", end="\n" if done == of else "", file=sys.stderr, flush=True)


def _silent(done: int, of: int) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
