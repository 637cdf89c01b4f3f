"""Simulate days: python -m tests.simulation --seeds 1-5000"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.simulation import script
from tests.simulation.day import Result, run, run_seed
from tests.simulation.mutations import MUTATIONS, planted
from tests.simulation.shrinking import shrink

FOLDER = Path(".local/simulation")
CHUNK = 10
SAY_EVERY_S = 10.0
HISTORY_SHOWN = 400


@dataclass
class Sum:
    """What all days together came to."""

    days: int = 0
    events: int = 0
    virtual_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    failed: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        self.days += 1
        self.events += result.events
        self.virtual_s += result.virtual_s
        self.faults += result.faults
        self.checked += result.checked
        if result.violation is not None:
            self.failed.append(result)


def main() -> int:
    given = _arguments()
    if given.mutations:
        return find_mutations()
    if given.history:
        with planted(given.mutation):
            result = run(script.read(Path(given.history)))
        tell(result, given.mutation)
        return int(result.violation is not None)
    seeds = list(_seeds(given.seeds))
    total, started = Sum(), time.monotonic()
    said = started
    for result in days(seeds, given.mutation, given.jobs):
        total.add(result)
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            print(
                f"  {total.days} days, {total.days / (said - started):.1f}/s, {len(total.failed)} failed",
                flush=True,
            )
        if len(total.failed) >= given.failures or (
            given.budget and time.monotonic() - started > given.budget
        ):
            break
    report(total, time.monotonic() - started)
    for result in total.failed[: given.shown]:
        with planted(given.mutation):
            tell(shrink(result) if given.shrink else result, given.mutation)
    return int(bool(total.failed))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="1-200", help="one seed, or the first and the last: 1-5000")
    parser.add_argument(
        "--budget", type=float, default=0, help="seconds after which no new day begins; 0: none"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes that simulate side by side")
    parser.add_argument("--mutation", default="", choices=["", *MUTATIONS], help="plant a bug")
    parser.add_argument(
        "--mutations", action="store_true", help="plant each bug and show which seed finds it"
    )
    parser.add_argument("--history", default="", help="replay the day of a file")
    parser.add_argument(
        "--no-shrink", dest="shrink", action="store_false", help="do not cut failing days down"
    )
    parser.add_argument("--failures", type=int, default=5, help="stop after so many failing days")
    parser.add_argument("--shown", type=int, default=1, help="how many failing days to show")
    return parser.parse_args()


def _seeds(text: str) -> Iterable[int]:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def days(seeds: list[int], mutation: str, jobs: int) -> Iterator[Result]:
    """Yield what became of each day."""
    chunks = [(seeds[start : start + CHUNK], mutation) for start in range(0, len(seeds), CHUNK)]
    if jobs <= 1:
        for chunk in chunks:
            yield from _days(chunk)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        try:
            for results in pool.map(_list_of_days, chunks):
                yield from results
        finally:
            pool.shutdown(cancel_futures=True)


def _days(chunk: tuple[list[int], str]) -> Iterator[Result]:
    seeds, mutation = chunk
    with planted(mutation):
        for seed in seeds:
            result = run_seed(seed)
            if result.violation is None:
                result.history = []
            yield result


def _list_of_days(chunk: tuple[list[int], str]) -> list[Result]:
    return list(_days(chunk))


def find(name: str, first: int, last: int) -> Result | None:
    """Return the first of the days between two seeds that shows a planted bug."""
    with planted(name):
        for seed in range(first, last + 1):
            result = run_seed(seed)
            if result.violation is not None:
                return result
    return None


def find_mutations() -> int:
    """Plant every bug, and print which rule showed it with which seed."""
    print(f"{'bug':<34} {'seed':>5} {'days':>5}  rule")
    missed = 0
    for name, mutation in MUTATIONS.items():
        result = find(name, 1, 200)
        missed += result is None
        seed = result.script.seed if result else 0
        rule = result.violation.rule if result and result.violation else "NOT FOUND"
        print(f"{name:<34} {seed:>5} {seed:>5}  {rule:<28} {mutation.what}", flush=True)
    return int(missed > 0)


def report(total: Sum, took_s: float) -> None:
    """Print what was simulated and checked."""
    print(f"days {total.days} ({total.days / max(took_s, 0.001):.1f}/s), {total.virtual_s / 3600:.1f} h")
    print(f"events on topics {total.events}")
    print(
        f"faults {sum(total.faults.values())}: "
        + ", ".join(f"{k} {n}" for k, n in sorted(total.faults.items()))
    )
    print(f"checks {sum(total.checked.values())}:")
    for rule, n in sorted(total.checked.items()):
        print(f"  {rule:<28} {n}")
    print(f"violations {len(total.failed)}")
    for result in total.failed:
        print(f"  seed {result.script.seed}: {result.violation}")


def tell(result: Result, mutation: str) -> None:
    """Print a day's history, and how to have it again."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{result.script.seed}.json"
    script.write(result.script, file)
    bug = f" MUTATION={mutation}" if mutation else ""
    lines = [line for line in result.history if " saved " not in line]
    print(f"\n--- the day of seed {result.script.seed}, {result.script.size} acts and faults")
    for person in result.script.people:
        print(
            f"  {person.kind} {json.dumps({**person.traits, 'acts': person.acts}, ensure_ascii=False)[:300]}"
        )
    print("--- what happened")
    print("\n".join(lines[-HISTORY_SHOWN:]))
    print(f"--- {result.violation or 'no violation'}; digest {result.digest[:16]}")
    print(
        f"--- the whole day again: make simulate SEEDS={result.script.seed}{bug}\n"
        f"--- this part of it: make simulate HISTORY={file}{bug}"
    )


if __name__ == "__main__":
    sys.exit(main())
