"""Real servers for tests, on free ports and in folders of their own, started when first asked for."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from deploy.dev import servers
from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, Child, ServerFailed, broker_answers

START_WITHIN_S = 55.0
S3_ATTEMPTS = 3


class Server:
    """A server that a test may kill and start again; it keeps its address and what it has on disk."""

    def __init__(self, address: str, child: Child, ready: Callable[[], bool]) -> None:
        self.address = address
        self._child = child
        self._ready = ready

    def start(self) -> None:
        self._child.start()
        self._child.await_ready(self.address, self._ready, START_WITHIN_S)

    def kill(self) -> None:
        self._child.kill()

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal that does not end it, such as SIGSTOP."""
        if self._child.pid is not None:
            os.kill(self._child.pid, signum)


@contextmanager
def serving(
    address: str, command: Sequence[str], folder: Path, ready: Callable[[], bool], env: Mapping[str, str]
) -> Iterator[Server]:
    server = Server(address, Child(command, folder / "server.log", env, folder), ready)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def mongo_server(folder: Path, port: int = 0, seen_at: int = 0) -> Iterator[Server]:
    """Run a MongoDB replica set of one; `seen_at` is the port of what stands before it, if anything does."""
    port = port or free_ports(1)[0]
    command = servers.mongod_command(folder / "data", port, cache_gb=0.25)
    command += ["--setParameter", "ttlMonitorSleepSecs=1"]  # drop what has expired now, not within a minute

    def ready() -> bool:
        return servers.has_replica_set(port, seen_at) and servers.is_primary(port)

    with serving(servers.mongo_url(seen_at or port), command, folder, ready, {}) as server:
        yield server


@contextmanager
def broker_server(folder: Path, port: int = 0, seen_at: int = 0) -> Iterator[Server]:
    """
    Run a broker: Apache Kafka where KAFKA_HOME names one, else the packaged one, which forgets all.

    `seen_at` is the port of what stands before it, if anything does.
    """
    free, controller_port = free_ports(2)
    port = port or free
    home = os.environ.get("KAFKA_HOME")
    command = servers.broker_command(
        folder / "data", port, controller_port, Path(home) if home else None, seen_at
    )
    env = servers.broker_env(folder)
    with serving(
        f"{LOOPBACK}:{seen_at or port}", command, folder, lambda: broker_answers(port), env
    ) as server:
        yield server


@contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    """Run an S3 server that takes any credentials."""
    with ExitStack() as running:
        for attempt in range(S3_ATTEMPTS):
            ports = free_ports(8)
            command = servers.s3_command(folder / f"data-{attempt}", ports)
            started = serving(
                servers.s3_url(ports[0]), command, folder, partial(servers.s3_answers, ports[0]), {}
            )
            try:
                server = running.enter_context(started)
                break
            except ServerFailed:  # it wants eight ports, and somebody else may have been quicker
                if attempt == S3_ATTEMPTS - 1:
                    raise
        yield server


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a MongoDB replica set of one, shared by the tests of this process."""
    with mongo_server(tmp_path_factory.mktemp("mongo")) as server:
        yield server.address


@pytest.fixture(scope="module")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a broker, shared by the tests of one file: groups have fixed names."""
    with broker_server(tmp_path_factory.mktemp("broker")) as server:
        yield server.address


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of an S3 server, shared by the tests of this process."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server.address
