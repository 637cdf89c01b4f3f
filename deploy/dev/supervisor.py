"""The supervisor of the local stack: circus, which restarts what dies and keeps the logs."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
from circus.client import CircusClient
from circus.exc import CallError

from deploy.dev import launch
from deploy.dev.plan import Process
from deploy.dev.processes import ServerFailed, tied, wait_until
from deploy.dev.settings import ROOT, LocalSettings

CHECK_EVERY_S = 0.25
STOP_WITHIN_S = 15
LOG_BYTES = 20_000_000
LOG_FILES = 3
SOCKET_PATH_LIMIT = 100  # of the operating system, less what is added to the path


class Supervisor:
    """The running circus process of one data directory, and what can be asked of it."""

    def __init__(self, settings: LocalSettings) -> None:
        self._run = settings.run_dir
        self._logs = settings.log_dir
        self._pid_file = self._run / "supervisor.pid"
        self._started: subprocess.Popen[bytes] | None = None
        self._socket = os.path.relpath(self._run / "supervisor.sock", ROOT)
        if len(self._socket) > SOCKET_PATH_LIMIT:
            raise ServerFailed(f"TRUNKLINE_DATA_DIR is too long a path for a socket: {self._socket}")

    def is_running(self) -> bool:
        """Return whether the recorded process lives and is ours."""
        return self._process() is not None

    def start(self, processes: Iterable[Process], env: Mapping[str, str]) -> None:
        """Start the supervisor; it knows the processes, but starts none before it is told to."""
        for folder in (self._run, self._logs, self._run / "starts"):
            folder.mkdir(parents=True, exist_ok=True)
        for old in (self._run / "starts").iterdir():
            old.unlink()
        config = self._run / "supervisor.ini"
        config.write_text(self._config(processes))
        with (self._logs / "supervisor.log").open("ab") as log:
            self._started = started = subprocess.Popen(
                [sys.executable, "-m", "circus.circusd", str(config)],
                cwd=ROOT,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{started.pid} {psutil.Process(started.pid).create_time()}")
        wait_until("the supervisor", lambda: started.poll() is not None or self._answers(), within_s=15)
        if started.poll() is not None:
            raise ServerFailed(f"the supervisor ended with {started.returncode}: see supervisor.log")

    def begin(self, name: str) -> None:
        """Start one of the processes."""
        self._ask("start", name=name, waiting=True)

    def pids(self) -> dict[str, int | None]:
        """Return the pid of every process, or None where it is not running just now."""
        answer = self._ask("list")
        found = {name: self._ask("list", name=name).get("pids") for name in answer["watchers"]}
        return {name: pids[0] if pids else None for name, pids in found.items()}

    def restarts(self, name: str) -> int:
        return max(0, len(launch.read_starts(self._starts_file(name))) - 1)

    def halt(self, names: Collection[str]) -> None:
        """Stop some of the processes, all at once, and wait for their end."""
        if names:
            self._ask("stop", name=f"({'|'.join(names)})$", match="regex", waiting=True)

    def stop(self) -> None:
        """Stop the supervisor with all that still runs."""
        process = self._process()
        if process is not None:
            self._end(process)
        if self._started is not None:
            self._started.wait()
        self._pid_file.unlink(missing_ok=True)

    def _end(self, process: psutil.Process) -> None:
        children = process.children(recursive=True)
        try:
            self._ask("quit")
        except ServerFailed:
            process.terminate()
        _, alive = psutil.wait_procs([process, *children], timeout=STOP_WITHIN_S + 5)
        for each in alive:
            each.kill()
        psutil.wait_procs(alive, timeout=5)

    def _process(self) -> psutil.Process | None:
        try:
            pid, created = self._pid_file.read_text().split()
            process = psutil.Process(int(pid))
            # A pid is given anew after a while: only the same birth makes it the same process.
            same = abs(process.create_time() - float(created)) < 1
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (FileNotFoundError, ValueError, psutil.Error):
            return None

    def _answers(self) -> bool:
        try:
            self._ask("status")
        except ServerFailed:
            return False
        return True

    def _ask(self, command: str, **properties: object) -> dict[str, Any]:
        give_up = time.monotonic() + 2 * STOP_WITHIN_S
        while True:
            answer = self._ask_once(command, properties)
            if answer.get("status") != "error":
                return answer
            reason = str(answer.get("reason"))
            # It does one thing at a time, a restart of what died among them, and refuses meanwhile.
            if "already running" not in reason or time.monotonic() > give_up:
                raise ServerFailed(f"the supervisor refuses to {command}: {reason}")
            time.sleep(0.05)

    def _ask_once(self, command: str, properties: Mapping[str, object]) -> dict[str, Any]:
        client = CircusClient(endpoint=f"ipc://{self._socket}", timeout=STOP_WITHIN_S + 5)
        try:
            answer: dict[str, Any] = client.send_message(command, **properties)
            return answer
        except CallError as error:
            raise ServerFailed(f"the supervisor does not answer: {error}") from error
        finally:
            client.stop()

    def _starts_file(self, name: str) -> Path:
        return self._run / "starts" / name

    def _config(self, processes: Iterable[Process]) -> str:
        lines = [
            "[circus]",
            f"check_delay = {CHECK_EVERY_S}",
            f"endpoint = ipc://{self._socket}",
            f"pubsub_endpoint = ipc://{self._socket}.events",
            "multicast_endpoint =",
        ]
        for each in processes:
            launcher = [sys.executable, "-IS", launch.__file__, str(self._starts_file(each.name))]
            lines += [
                f"[watcher:{each.name}]",
                f"cmd = {shlex.join([*launcher, *tied(each.command)])}",
                f"working_dir = {ROOT}",
                "autostart = False",
                "copy_env = True",
                "max_retry = -1",
                f"graceful_timeout = {STOP_WITHIN_S}",
                "stdout_stream.class = FileStream",
                f"stdout_stream.filename = {self._logs / each.name}.log",
                f"stdout_stream.max_bytes = {LOG_BYTES}",
                f"stdout_stream.backup_count = {LOG_FILES}",
            ]
            if each.env:
                lines += [f"[env:{each.name}]", *(f"{name} = {value}" for name, value in each.env.items())]
        return "\n".join(lines) + "\n"
