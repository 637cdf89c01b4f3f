"""
Run a process by a wrong clock: python -m tests.faults.skewing services.routing 8 -8

The clock is off by each of the seconds in turn and jumps from one to the next every second; with one
number it is simply ahead, or behind.
"""

import runpy
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from libs import clock

JUMPS_EVERY_S = 1.0


def wrong(now: clock.Now, offsets_s: Sequence[float], monotonic: Callable[[], float]) -> clock.Now:
    """Return a clock that is off by one of the offsets."""

    def wrong_now() -> datetime:
        return now() + timedelta(seconds=offsets_s[int(monotonic() / JUMPS_EVERY_S) % len(offsets_s)])

    return wrong_now


def main() -> None:
    module, *offsets = sys.argv[1:]
    setattr(clock, "now", wrong(clock.now, [float(each) for each in offsets], time.monotonic))  # noqa: B010
    sys.argv = [module]
    runpy.run_module(f"{module}.__main__", run_name="__main__")


if __name__ == "__main__":
    main()
