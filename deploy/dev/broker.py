"""
The broker of the local stack with its topics: python -m deploy.dev.broker --port N --state FILE -- ...

The packaged broker keeps topics in memory, so every start of it, the first or after a crash, creates the
topics again and refills them from the event archive. Apache Kafka keeps its own.
"""

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from deploy.dev.processes import broker_answers, is_there, tied, wait_until

READY = "ready"
REFILL = "services.analytics.refill"
START_WITHIN_S = 120


class Broker:
    """The broker process, and the file that says what it is at."""

    def __init__(self, command: list[str], port: int, state: Path) -> None:
        self._command = command
        self._port = port
        self._state = state

    def run(self, *, refill: bool) -> int:
        """Run the broker until it ends."""
        self._mark("starting")
        with subprocess.Popen(tied(self._command)) as server:

            def hand_on(signum: int, frame: FrameType | None) -> None:
                server.send_signal(signum)

            for each in (signal.SIGTERM, signal.SIGINT):
                signal.signal(each, hand_on)
            wait_until(
                "the broker",
                lambda: broker_answers(self._port) or server.poll() is not None,
                within_s=START_WITHIN_S,
            )
            if server.poll() is None:
                self._mark(self._bring_topics_back(refill=refill))
            ended_with = server.wait()
            self._mark(f"ended with {ended_with}")
            return ended_with

    def _bring_topics_back(self, *, refill: bool) -> str:
        self._mark("creating topics")
        if not run_module("libs.topics"):
            return "failed to create the topics"
        if refill and is_there(REFILL):
            self._mark("refilling topics from the archive")
            if not run_module(REFILL, "--local"):
                return "failed to refill the topics"
        return READY

    def _mark(self, what: str) -> None:
        self._state.write_text(what)
        sys.stdout.write(f"broker: {what}\n")
        sys.stdout.flush()


def run_module(module: str, *words: str) -> bool:
    """Run a module of the platform and return whether it did its work."""
    return subprocess.run(tied([sys.executable, "-m", module, *words]), check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--refill", action="store_true")
    parser.add_argument("command", nargs="+")
    asked = parser.parse_args()
    return Broker(asked.command, asked.port, asked.state).run(refill=asked.refill)


if __name__ == "__main__":
    sys.exit(main())
