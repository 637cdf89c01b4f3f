"""
Inject every fault, check every rule, write the report: python -m tests.faults [--only NAME,..] [--seed N]

Results are kept under .local/faults, one line of JSON each; docs/reliability.md is made from them.
"""

import argparse
import asyncio
import json
import shutil
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.dev.settings import ROOT
from tests.faults import report, scenarios
from tests.faults.house import House, opened
from tests.faults.running import LONG, SHORT, Size, run
from tests.faults.scenarios import Scenario

KEPT = ROOT / ".local" / "faults"


def main() -> int:
    known = scenarios.everything()
    parser = argparse.ArgumentParser(prog="faults", description="Faults under load.")
    parser.add_argument("--only", default="", help="some of them, by comma: " + ", ".join(known))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1, help="how often, each time with the next seed")
    parser.add_argument("--short", action="store_true", help="fewer people")
    chosen = parser.parse_args()
    names = [name.strip() for name in chosen.only.split(",") if name.strip()] or list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"there is no {', '.join(unknown)}")
    KEPT.mkdir(parents=True, exist_ok=True)
    size = SHORT if chosen.short else LONG
    # Asked to end, it leaves nothing running and nothing mounted.
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    broken = 0
    with TemporaryDirectory(prefix="faults-") as folder, opened(Path(folder), small_disk=True) as house:
        for seed in range(chosen.seed, chosen.seed + chosen.rounds):
            for name in names:
                broken += _one(house, known[name], seed, size)
    report.write(KEPT, ROOT / "docs" / "reliability.md")
    return 1 if broken else 0


def _one(house: House, scenario: Scenario, seed: int, size: Size) -> int:
    try:
        result = asyncio.run(run(house, scenario, seed, size, KEPT))
    except Exception:  # noqa: BLE001 - the edge of the process: the other faults are still tried
        _keep_evidence(house, scenario, seed)
        sys.stdout.write(
            f"{scenario.name:<22} seed {seed} did not run to its end\n{traceback.format_exc()}\n"
        )
        return 1
    with (KEPT / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write(result.as_json() + "\n")
    checked = sum(each.checked for each in result.findings)
    sys.stdout.write(
        f"{result.scenario:<22} seed {seed}: {sum(result.injected.values())} faults, "
        f"{result.contacts} contacts, {checked} checks, {len(result.breaches)} breaches, "
        f"{result.took_s:g} s\n"
    )
    if result.breaches:
        _keep_evidence(house, scenario, seed)
    for breach in result.breaches[:20]:
        sys.stdout.write(f"    {breach}\n")
    sys.stdout.flush()
    return len(result.breaches)


def _keep_evidence(house: House, scenario: Scenario, seed: int) -> None:
    """Copy the processes' logs and all records, to find out what went wrong when the house is gone."""
    folder = KEPT / f"{scenario.name}-{seed}"
    shutil.copytree(house.stack.folder / "logs", folder / "logs", dirs_exist_ok=True)
    with (folder / "records.jsonl").open("w", encoding="utf-8") as file:
        for row in asyncio.run(house.rows()):
            line = {**asdict(row), "value": row.value[:4000].decode("utf-8", "replace")}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
