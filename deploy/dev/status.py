"""What runs of the local stack, and what its processes write."""

import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from deploy.dev import servers
from deploy.dev.broker import READY
from deploy.dev.processes import answers_http, broker_answers
from deploy.dev.settings import LocalSettings
from deploy.dev.stack import broker_state, read_ready_urls
from deploy.dev.supervisor import Supervisor


def status(settings: LocalSettings) -> int:
    """Print a line for every process; return 0 where all are well."""
    supervisor = Supervisor(settings)
    if not supervisor.is_running():
        print("Nothing runs: `make up` starts the local stack.")
        return 1
    pids = supervisor.pids()
    row = "{:<14}{:>8}  {:<9}{:>10}{:>10}  {}"
    print(row.format("NAME", "PID", "STATE", "UPTIME", "RESTARTS", "HEALTH"))
    all_well = True
    for name, ready_url in read_ready_urls(settings).items():
        pid = pids.get(name)
        health = health_of(ready_url, settings) if pid else "-"
        all_well &= health == READY
        state = "running" if pid else "stopped"
        print(row.format(name, pid or "-", state, uptime(pid), supervisor.restarts(name), health))
    return 0 if all_well else 1


def health_of(ready_url: str, settings: LocalSettings) -> str:
    address = urlsplit(ready_url)
    match address.scheme, address.port:
        case "kafka", int(port):
            return broker_state(settings) if broker_answers(port) else "does not answer"
        case "mongodb", int(port):
            return READY if servers.is_primary(port) else "is not the primary"
        case _:
            return READY if answers_http(ready_url) else f"not ready: {ready_url}"


def uptime(pid: int | None) -> str:
    try:
        passed_s = int(time.time() - psutil.Process(pid).create_time()) if pid else 0
    except psutil.Error:
        return "-"
    hours, rest = divmod(passed_s, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if pid else "-"


def logs(settings: LocalSettings, name: str | None, *, follow: bool) -> int:
    """Show the end of one log or of all, and what is added to them."""
    files = sorted(settings.log_dir.glob(f"{name or '*'}.log"))
    if not files:
        known = ", ".join(sorted(each.stem for each in settings.log_dir.glob("*.log"))) or "none yet"
        print(f"There is no log of {name or 'anything'}; there are: {known}.")
        return 1
    return show(files, follow=follow)


def show(files: list[Path], *, follow: bool) -> int:
    words = ["tail", "-n", "100" if len(files) == 1 else "15", *(["-F"] if follow else [])]
    try:
        return subprocess.run([*words, *map(str, files)], check=False).returncode
    except KeyboardInterrupt:
        return 0
