"""The whole platform as real processes on free ports, for tests that come through the outer doors."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.dev.plan import GATEWAY, Ports, addresses, platform
from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, Child, ServerFailed, answers_http
from deploy.dev.settings import ROOT
from libs.settings import SERVICES
from tests.servers import broker_server, mongo_server

READY_WITHIN_S = 120.0  # a second or two each, but on a busy machine all eight start at once
TIMEOUT_S = 240


class Stack:
    """
    Services and gateway against given servers, in databases of their own.

    Topics and consumer groups have fixed names: one broker carries one Stack at a time.
    """

    def __init__(
        self,
        folder: Path,
        mongo_url: str,
        kafka_bootstrap: str,
        more: Mapping[str, str] | None = None,
        replicas: int = 1,
    ) -> None:
        self.folder = folder
        self.replicas = ports_for(replicas)
        self.gateway_urls = tuple(f"http://{LOOPBACK}:{each.gateway}" for each in self.replicas)
        self.gateway_url = self.gateway_urls[0]
        self.addresses = {name: f"{LOOPBACK}:{port}" for name, port in self.replicas[0].grpc.items()}
        self.env = {
            **addresses(*self.replicas),
            "TRUNKLINE_KAFKA_BOOTSTRAP": kafka_bootstrap,
            "TRUNKLINE_MONGO_URL": mongo_url,
            "TRUNKLINE_MONGO_DATABASE_PREFIX": f"t{uuid.uuid4().hex[:8]}_",
            "TRUNKLINE_DATA_DIR": str(folder),
            "TRUNKLINE_SERVICE_SECRET": uuid.uuid4().hex,
            "TRUNKLINE_GATEWAY_PORT": str(self.replicas[0].gateway),
            "TRUNKLINE_GATEWAY_PUBLIC_URL": self.gateway_url,
            "PYTHONUNBUFFERED": "1",
            **(more or {}),
        }
        self._processes = {each.name: each for each in platform(*self.replicas)}
        self._children = {
            name: Child(each.command, folder / "logs" / f"{name}.log", {**self.env, **each.env}, ROOT)
            for name, each in self._processes.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._processes)

    def start(self) -> None:
        """Create the topics, start everything at once, wait until all are ready."""
        self.run("libs.topics")
        for child in self._children.values():
            child.start()
        for name in self.names:
            self.await_ready(name)

    def stop(self) -> None:
        for child in self._children.values():
            child.kill()

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> int | None:
        """End one process and return what it ended with."""
        return self._children[name].kill(signum)

    def metrics_url(self, name: str) -> str:
        """Return where a process shows its metrics."""
        service, _, number = name.partition("-")
        return f"http://{LOOPBACK}:{self.replicas[int(number or 1) - 1].health[service]}/metrics"

    def child(self, name: str) -> Child:
        """Return a process by its name."""
        return self._children[name]

    def launch(self, name: str, command: Sequence[str]) -> None:
        """Start a process by another command, in its environment and to its log; do not wait for it."""
        each = self._processes[name]
        log = self._children[name].log
        self._children[name] = Child(command, log, {**self.env, **each.env}, ROOT)
        self._children[name].start()

    def put_back(self, name: str) -> None:
        """Let the process be started by its own command again."""
        each = self._processes[name]
        self._children[name].kill()
        log = self._children[name].log
        self._children[name] = Child(each.command, log, {**self.env, **each.env}, ROOT)

    def restart(self, name: str) -> None:
        """Start a process that was killed, and wait until it is ready."""
        self._children[name].start()
        self.await_ready(name)

    def await_ready(self, name: str) -> None:
        url = self._processes[name].ready_url
        self._children[name].await_ready(name, lambda: answers_http(url), READY_WITHIN_S)

    def run(self, module: str, *words: str) -> str:
        """Run a program of the platform with the settings of this stack; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            env={**os.environ, **self.env},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerFailed(f"{module} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def logs(self) -> str:
        """Return the end of every log."""
        return "\n".join(f"--- {name}\n{child.tail(1500)}" for name, child in self._children.items())


def ports_for(replicas: int) -> tuple[Ports, ...]:
    count = len(SERVICES)
    each = 2 * count + 2
    free = free_ports(each * replicas)
    return tuple(
        Ports(
            grpc=dict(zip(SERVICES, mine[:count], strict=True)),
            health=dict(zip((*SERVICES, GATEWAY), mine[count:-1], strict=True)),
            gateway=mine[-1],
        )
        for mine in (free[start : start + each] for start in range(0, len(free), each))
    )


@contextmanager
def running_stack(
    folder: Path,
    mongo_url: str,
    kafka_bootstrap: str,
    more: Mapping[str, str] | None = None,
    replicas: int = 1,
) -> Iterator[Stack]:
    """Run a stack for as long as the body runs."""
    stack = Stack(folder, mongo_url, kafka_bootstrap, more, replicas)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """
    Give a running platform, shared by the tests of one file.

    It has servers of its own: groups have fixed names, so nobody else may read the same broker.
    """
    folders = [tmp_path_factory.mktemp(name) for name in ("mongo", "broker", "stack")]
    with (
        mongo_server(folders[0]) as mongo,
        broker_server(folders[1]) as broker,
        running_stack(folders[2], mongo.address, broker.address) as running,
    ):
        yield running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests of a stack the time that its start may take."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of the processes' logs to the report of a failed test that used a stack."""
    report = yield
    used = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(used, Stack):
        report.sections.append(("logs of the stack", used.logs()))
    return report
