"""Processes that end with the one that started them, and how to tell that a server is ready."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

LOOPBACK = "127.0.0.1"
# A child tied to its parent dies when the *thread* that started it ends, so one thread that
# lives as long as the process starts them all.
_SPAWNER = ThreadPoolExecutor(1, thread_name_prefix="spawner")


class ServerFailed(Exception):
    """A server stopped, or was not ready in time; the message says where to look."""


def tied(command: Sequence[str]) -> list[str]:
    """Return the command, made to end with the process that starts it (where the system can do that)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *command] if setpriv else list(command)


def spawn(command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    """Start a process that writes to `log` and ends with this one."""
    with log.open("ab") as output:
        start = _SPAWNER.submit(
            subprocess.Popen,
            tied(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
        )
        return start.result()


class Child:
    """A process of ours with its log, which can be killed and started again."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path) -> None:
        self.log = log
        self._command = command
        self._env = {**os.environ, **env}
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.is_alive() and self._process else None

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = spawn(self._command, self.log, self._env, self._cwd)

    def kill(self, signum: signal.Signals = signal.SIGKILL, within_s: float = 20.0) -> int | None:
        """End the process, at once unless another signal is asked for; return what it ended with."""
        if self._process is None:
            return None
        self._process.send_signal(signum)
        try:
            return self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def tail(self, characters: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def await_ready(self, what: str, ready: Callable[[], bool], within_s: float) -> None:
        """Wait until `ready` says so; a process that ends before, or takes longer, fails with its log."""

        def decided() -> bool:
            return not self.is_alive() or ready()

        try:
            wait_until(what, decided, within_s)
            if not self.is_alive():
                raise ServerFailed(f"{what} ended before it was ready")
        except ServerFailed as failed:
            raise ServerFailed(f"{failed}; the end of its log:\n{self.tail()}") from failed


def wait_until(what: str, ready: Callable[[], bool], within_s: float) -> None:
    """Return once `ready` says so, or raise ServerFailed."""
    give_up = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > give_up:
            raise ServerFailed(f"{what} was not ready after {within_s:.0f} s")
        time.sleep(0.05)


def broker_answers(port: int) -> bool:
    """Return whether a broker on `port` answers ApiVersions, the first question of every client."""
    question = struct.pack(">hhih", 18, 0, 1, -1)  # api key, version, correlation id, no client id
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(struct.pack(">i", len(question)) + question)
            return len(connection.recv(8)) > 0
    except OSError:
        return False


def answers_http(url: str, status_below: int = 300) -> bool:
    """Return whether a GET of `url` is answered with a status below the given one."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status) < status_below
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code < status_below
    except (OSError, ValueError):
        return False


def is_there(module: str) -> bool:
    """Return whether a module of that name can be imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
