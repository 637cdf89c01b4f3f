"""The house in which faults happen: two replicas of everything, behind proxies that can cut the network."""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any

import pymongo

from deploy.dev import servers
from deploy.dev.demo.door import Door, Witness
from deploy.dev.ports import free_ports
from deploy.dev.seed import seed
from tests.faults.evidence import Poison
from tests.faults.proxy import Proxy
from tests.faults.topics import Row, all_rows
from tests.servers import Server, broker_server, mongo_server
from tests.stack import Stack, running_stack

SESSION_S = 4.0  # after which a silent member of a group is given up
DISK_MB = 64
SETTINGS = {
    "TRUNKLINE_KAFKA_SESSION_TIMEOUT_MS": str(round(SESSION_S * 1000)),
    "TRUNKLINE_GATEWAY_EVENTS_PER_S": "500",  # of one tenant: so that a surge meets a limit
}


@dataclass(slots=True)
class House:
    """A running platform and what it stands on."""

    stack: Stack
    mongo: Server
    broker: Server
    mongo_port: int
    to_mongo: Proxy
    to_broker: Proxy
    injected: Counter[str] = field(default_factory=Counter)
    poison: list[Poison] = field(default_factory=list)
    canaries: dict[str, str] = field(default_factory=dict)
    takeovers: dict[str, list[float]] = field(default_factory=dict)  # seconds, by service
    small_disk: Path | None = None  # where the object store lies, if it can be filled
    witness: Witness = field(default_factory=Witness)  # who sees what the people of the load are told

    def note(self, fault: str, times: int = 1) -> None:
        """Count a fault that was injected."""
        self.injected[fault] += times

    def replicas(self, service: str) -> list[str]:
        """Return the names of a service's processes."""
        return [name for name in self.stack.names if name.partition("-")[0] == service]

    def pids(self, names: Iterable[str]) -> list[int]:
        return [pid for name in names if (pid := self.stack.child(name).pid) is not None]

    def signal(self, name: str, signum: Signals) -> None:
        """Send a signal that does not end a process."""
        for pid in self.pids([name]):
            os.kill(pid, signum)

    async def kill(self, name: str, signum: Signals = SIGKILL) -> int | None:
        return await asyncio.to_thread(self.stack.kill, name, signum)

    async def restart(self, name: str) -> None:
        await asyncio.to_thread(self.stack.restart, name)

    async def rows(self) -> list[Row]:
        return await all_rows(self.broker.address)

    def mongo_admin(self) -> "pymongo.MongoClient[dict[str, Any]]":
        """Return a client to the database itself, past the proxy."""
        return servers.connect(self.mongo_port)

    def door(self) -> Door:
        return Door(*self.stack.gateway_urls)


@contextmanager
def opened(folder: Path, *, replicas: int = 2, small_disk: bool = False) -> Iterator[House]:
    """
    Open a house with the demo tenant in it, for as long as the body runs.

    With `small_disk` the object store lies on a disk of its own that can be filled, where this user may
    mount one.
    """
    folders = [folder / name for name in ("mongo", "broker", "stack")]
    for each in folders:
        each.mkdir(parents=True)
    mongo_port, broker_port = free_ports(2)
    with ExitStack() as running:
        to_mongo = running.enter_context(Proxy(mongo_port).running())
        to_broker = running.enter_context(Proxy(broker_port).running())
        mongo = running.enter_context(mongo_server(folders[0], mongo_port, to_mongo.port))
        broker = running.enter_context(broker_server(folders[1], broker_port, to_broker.port))
        disk = running.enter_context(_disk(folders[2] / "objects")) if small_disk else None
        stack = running.enter_context(
            running_stack(folders[2], mongo.address, broker.address, SETTINGS, replicas)
        )
        house = House(stack, mongo, broker, mongo_port, to_mongo, to_broker, small_disk=disk)
        asyncio.run(_furnish(house))
        yield house


@contextmanager
def _disk(folder: Path) -> Iterator[Path | None]:
    """Mount a small disk, and give None where that is not permitted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        permitted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        permitted = False
    if not permitted:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def _furnish(house: House) -> None:
    door = house.door()
    try:
        await seed(door)
    finally:
        await door.close()
