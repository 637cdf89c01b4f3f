"""
Run a process that kills itself at a step: python -m tests.faults.crashing services.routing saved 17

The steps are those of every batch: decided (nothing saved yet), saved (nothing told yet), told (nothing
committed yet), committed. It dies as by kill -9, at the given number of passes; else it is the real thing.
"""

import os
import runpy
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from libs import apply, bus_reading
from libs.bus import KafkaBus

STEPS = ("decided", "saved", "told", "committed")


class Fuse:
    """Burns down by one at every pass, and then ends the process."""

    def __init__(self, passes: int) -> None:
        self._left = passes

    def burn(self) -> None:
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def lay(step: str, fuse: Fuse) -> None:
    """Put the fuse where the step is."""
    match step:
        case "decided" | "saved":
            make = apply.Apply.__init__

            def with_fuse(self: Any, store: Any, *rest: Any, **named: Any) -> None:
                make(self, Fused(store, step, fuse), *rest, **named)

            setattr(apply.Apply, "__init__", with_fuse)  # noqa: B010 - put in from outside, for tests only
        case "told":
            setattr(KafkaBus, "publish", after(KafkaBus.publish, fuse))  # noqa: B010
        case "committed":
            setattr(bus_reading, "_commit", after(bus_reading._commit, fuse, only_with=1))  # noqa: B010


class Fused:
    """A store whose saving passes the fuse, before or after."""

    def __init__(self, store: Any, step: str, fuse: Fuse) -> None:
        self._store = store
        self._step = step
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save(self, changes: Any) -> Any:
        if self._step == "decided":
            self._fuse.burn()
        refused = await self._store.save(changes)
        if self._step == "saved":
            self._fuse.burn()
        return refused


def after(
    deed: Callable[..., Awaitable[Any]], fuse: Fuse, only_with: int | None = None
) -> Callable[..., Awaitable[Any]]:
    """Return the deed with the fuse behind it; `only_with` names an argument that must not be empty."""

    async def fused(*given: Any) -> Any:
        counts = only_with is None or bool(given[only_with])
        result = await deed(*given)
        if counts:
            fuse.burn()
        return result

    return fused


def main() -> None:
    module, step, passes = sys.argv[1:4]
    if step not in STEPS:
        raise SystemExit(f"there is no step {step}; there are {', '.join(STEPS)}")
    lay(step, Fuse(int(passes)))
    sys.argv = [module]
    runpy.run_module(f"{module}.__main__", run_name="__main__")


if __name__ == "__main__":
    main()
