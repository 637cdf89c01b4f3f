"""Progress on the terminal: one line per step, with the seconds it took."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

HEARTBEAT_S = 10.0
REDRAW_S = 0.2


class Progress:
    """
    Prints a line for every step as it runs and when it is done.

    On a terminal the running line is redrawn; elsewhere (CI, a file) a long step says every ten seconds
    that it is still at work.
    """

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._redraws = stream.isatty()
        self._started = time.monotonic()
        self._detail = ""

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def say(self, line: str) -> None:
        self._write(f"{line}\n")

    def detail(self, text: str) -> None:
        """Show what the running step is waiting for."""
        self._detail = text

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show `what` while the body runs, and how long it took afterwards."""
        started = time.monotonic()
        done = threading.Event()
        self._detail = ""
        ticker = threading.Thread(target=self._tick, args=(what, started, done), daemon=True)
        ticker.start()
        outcome = "failed"
        try:
            yield
            outcome = "ok"
        finally:
            done.set()
            ticker.join()
            mark = "\r\x1b[K" if self._redraws else ""
            self._write(f"{mark}  {what:<44} {outcome:<6} {time.monotonic() - started:6.1f} s\n")

    def _tick(self, what: str, started: float, done: threading.Event) -> None:
        while not done.wait(REDRAW_S if self._redraws else HEARTBEAT_S):
            passed_s = time.monotonic() - started
            if self._redraws:
                self._write(f"\r\x1b[K  {what:<44} {passed_s:13.1f} s  {self._detail}"[:150])
            else:
                self._write(f"  {what} ... {passed_s:.0f} s {self._detail}\n")

    def _write(self, text: str) -> None:
        with suppress(BrokenPipeError):  # nobody reads on: no reason to stop the work
            self._stream.write(text)
            self._stream.flush()
