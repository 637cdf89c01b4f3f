"""How far it is: one line redrawn on a terminal, a line every few seconds elsewhere."""

import sys
import time
from typing import TextIO

WIDTH = 32
REDRAW_S = 0.1
LINE_S = 5.0


class Progress:
    """Counts up to a total and shows it."""

    def __init__(self, what: str, total: int, stream: TextIO = sys.stdout) -> None:
        self._what = what
        self._total = total
        self._stream = stream
        self._redraws = stream.isatty()
        self._started = time.monotonic()
        self._shown_at = self._started
        self._said_at = self._started - LINE_S
        self.done = 0

    @property
    def elapsed_s(self) -> float:
        return max(1e-6, time.monotonic() - self._started)

    @property
    def per_s(self) -> float:
        return self.done / self.elapsed_s

    def add(self, number: int) -> None:
        self.done += number
        if time.monotonic() - self._shown_at >= (REDRAW_S if self._redraws else LINE_S):
            self._shown_at = time.monotonic()
            self._show()

    def say(self, why: str) -> None:
        """Say once in a while why nothing moves."""
        if time.monotonic() - self._said_at >= LINE_S:
            self._said_at = time.monotonic()
            mark = "\r\x1b[K" if self._redraws else ""
            self._stream.write(f"{mark}{why}; trying again\n")
            self._stream.flush()

    def finish(self) -> None:
        """Show the end."""
        self._show()
        if self._redraws:
            self._stream.write("\n")
            self._stream.flush()

    def _show(self) -> None:
        share = self.done / self._total if self._total else 1.0
        numbers = f"{self.done:,}/{self._total:,}  {share:4.0%}  {self.elapsed_s:.1f} s  {self.per_s:,.0f}/s"
        if self._redraws:
            bar = ("#" * round(WIDTH * share)).ljust(WIDTH, ".")
            self._stream.write(f"\r\x1b[K{self._what} [{bar}] {numbers}")
        else:
            self._stream.write(f"{self._what}: {numbers}\n")
        self._stream.flush()
