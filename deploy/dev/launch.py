"""
Starts a supervised process: python launch.py STARTS_FILE command ...

Notes the start, so that `make status` can count restarts, and holds back a process that keeps dying, so that
one which cannot start does not take the processor from the others. A single kill costs no delay.
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

WINDOW_S = 15.0
QUICK_STARTS = 4
PAUSE_S = 3.0


def pause_s(starts: Sequence[float], now: float) -> float:
    """Return how long to wait before the next start, given when the earlier ones were."""
    recent = sum(1 for each in starts if now - each < WINDOW_S)
    return PAUSE_S if recent >= QUICK_STARTS else 0.0


def read_starts(file: Path) -> list[float]:
    return [float(line) for line in file.read_text().split()] if file.exists() else []


def main(words: Sequence[str]) -> None:
    file, command = Path(words[0]), list(words[1:])
    time.sleep(pause_s(read_starts(file), time.time()))
    with file.open("a") as starts:
        starts.write(f"{time.time():.3f}\n")
    os.dup2(1, 2)  # one log, in the order of writing
    os.execvp(command[0], command)  # noqa: S606 - this process becomes the command


if __name__ == "__main__":
    main(sys.argv[1:])
