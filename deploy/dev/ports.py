"""Which ports are free, and who has those that are not."""

import socket
from contextlib import ExitStack

import psutil

from deploy.dev.processes import LOOPBACK


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def holder_of(port: int) -> str:
    """Return the process that listens on `port`, as far as this user may see it."""
    try:
        listening = [
            each.pid
            for each in psutil.net_connections(kind="tcp")
            if each.status == psutil.CONN_LISTEN and each.laddr.port == port and each.pid
        ]
        if not listening:
            return "a process of another user or container"
        owner = psutil.Process(listening[0])
        command = " ".join(" ".join(owner.cmdline()).split())[:80]
        return f"pid {owner.pid} ({command or owner.name()})"
    except psutil.Error:
        return "a process this user may not see"
