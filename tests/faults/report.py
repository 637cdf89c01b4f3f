"""Writes docs/reliability.md from the results of the fault tests: nothing in it is typed by hand."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from tests.faults.house import SESSION_S
from tests.faults.rules import RULES
from tests.faults.takeover import BARE

COLUMNS = (
    "scenario",
    "what",
    "runs",
    "faults",
    "contacts",
    "acknowledgements",
    "frames",
    "longest silence",
    "HTTP answers",
    "breaches",
)
TEXT = Path(__file__).with_name("report.md")


def write(kept: Path, page: Path) -> None:
    """Write the page from all results kept."""
    lines = (kept / "results.jsonl").read_text(encoding="utf-8").splitlines()
    results = [json.loads(line) for line in lines]
    text = TEXT.read_text(encoding="utf-8")
    text = text.replace("{scenarios}", "\n".join(_scenarios(results)))
    text = text.replace("{faults}", "\n".join(_faults(results)))
    text = text.replace("{rules}", "\n".join(_rules(results)))
    text = text.replace("{takeovers}", "\n".join(_takeovers(results)))
    page.write_text(text, encoding="utf-8")


def _scenarios(results: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for result in results:
        by_name[result["scenario"]].append(result)
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for name, runs in by_name.items():
        answers: Counter[str] = Counter()
        for each in runs:
            answers.update(each["statuses"])
        shown = ", ".join(f"{status}: {count}" for status, count in sorted(answers.items()))
        breaches = sum(len(finding["breaches"]) for each in runs for finding in each["findings"])
        row = (
            f"`{name}`",
            runs[-1]["says"].rstrip("."),
            len(runs),
            sum(sum(each["injected"].values()) for each in runs),
            sum(each["contacts"] for each in runs),
            sum(each["acknowledgements"] for each in runs),
            sum(each["frames"] for each in runs),
            f"{max(each['longest_silence_s'] for each in runs):g} s",
            shown,
            breaches,
        )
        yield "| " + " | ".join(map(str, row)) + " |"


def _faults(results: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    injected: Counter[str] = Counter()
    for result in results:
        injected.update(result["injected"])
    yield "| fault | times |"
    yield "|---|---|"
    yield from (f"| {fault} | {times} |" for fault, times in sorted(injected.items()))


def _rules(results: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    checked: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    says: dict[str, str] = {}
    for result in results:
        for finding in result["findings"]:
            checked[finding["rule"]] += finding["checked"]
            broken[finding["rule"]] += len(finding["breaches"])
            says[finding["rule"]] = finding["says"]
    yield "| rule | says | checked | breaches |"
    yield "|---|---|---|---|"
    for rule in (*RULES, *(each for each in says if each not in RULES)):
        if rule in says:
            yield f"| {rule} | {says[rule]} | {checked[rule]} | {broken[rule]} |"


def _takeovers(results: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    times: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for service, taken in result.get("takeovers", {}).items():
            times[service] += taken
    yield "| service | takeovers | median | longest | bare clients: median | longest | in session time-outs |"
    yield "|---|---|---|---|---|---|---|"
    for service, taken in times.items():
        bare = times.get(f"{service}, {BARE}")
        if bare is None:
            continue
        row = (
            service,
            len(taken),
            f"{median(taken):.1f} s",
            f"{max(taken):.1f} s",
            f"{median(bare):.1f} s",
            f"{max(bare):.1f} s",
            f"{median(taken) / SESSION_S:.2f}",
        )
        yield "| " + " | ".join(map(str, row)) + " |"
