"""Run the benches: python -m bench [--only G1,G3]"""

import argparse
import asyncio
import importlib
import logging
import traceback

import uvloop

from bench.harness import Figure, say, stage

BENCHES = {
    "G1": "bench.g01_ingest",
    "G2": "bench.g02_batch_ingest",
    "G3": "bench.g03_bus",
    "G4": "bench.g04_journal",
    "G5": "bench.g05_sessions",
    "G6": "bench.g06_state_change",
    "G7": "bench.g07_match",
    "G8": "bench.g08_assign",
    "G9": "bench.g09_quality",
    "G10": "bench.g10_offer",
    "G11": "bench.g11_rpc",
    "G13": "bench.g13_auth",
    "G14": "bench.g14_recovery",
    "G15": "bench.g15_audit",
    "G16": "bench.g16_other_gateway",
}


async def run(names: list[str]) -> int:
    """Run the benches named, print what they found, and return the exit code: 1 when one of them failed."""
    figures: list[Figure] = []
    broken: list[str] = []
    for name in names:
        bench = importlib.import_module(BENCHES[name])
        say(f"== {bench.__doc__}")
        try:
            async with stage() as servers:
                found: list[Figure] = await bench.run(servers)
        except Exception:  # noqa: BLE001 - the edge of the process: the other benches still run
            say(traceback.format_exc())
            broken.append(name)
            continue
        for figure in found:
            say(figure.as_json())
        figures.extend(found)
    _summary(figures, broken)
    return 1 if broken else 0


def _summary(figures: list[Figure], broken: list[str]) -> None:
    say(f"\n{'bench':<6}{'median':>8}{'min':>8}{'max':>8}{'target':>10}  {'':<7}beside")
    for each in figures:
        verdict = "meets" if each.ok else "MISSES"
        say(
            f"{each.bench:<6}{each.ratio:>8.2f}{min(each.ratios):>8.2f}{max(each.ratios):>8.2f}"
            f"{each.bar:>10}  {verdict:<7}{each.versus}"
        )
    for name in broken:
        say(f"{name:<6}  did not run to its end")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure beside the simplest code.")
    parser.add_argument("--only", default="", help="some of them, by comma: " + ",".join(BENCHES))
    chosen = [name.strip().upper() for name in parser.parse_args().only.split(",") if name.strip()]
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # FastStream stops while it commits
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(chosen or list(BENCHES)))


if __name__ == "__main__":
    raise SystemExit(main())
