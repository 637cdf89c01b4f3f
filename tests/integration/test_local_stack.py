"""`make up` starts everything from nothing, may be repeated, and `make down` leaves nothing but the data."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.dev.plan import Ports
from deploy.dev.ports import free_ports, is_free
from deploy.dev.settings import ROOT, LocalSettings
from deploy.dev.supervisor import Supervisor

UP_WITHIN_S = 180

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def env(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Give the environment of a stack of its own; whatever still runs of it afterwards is stopped."""
    kafka, mongo, gateway = free_ports(3)
    own = {
        "TRUNKLINE_DATA_DIR": str(tmp_path),
        "TRUNKLINE_LOCAL_KAFKA_PORT": str(kafka),
        "TRUNKLINE_LOCAL_MONGO_PORT": str(mongo),
        "TRUNKLINE_GATEWAY_PORT": str(gateway),
        "TRUNKLINE_LOCAL_SERVICE_PORTS": str(free_service_ports()),
    }
    given_by_address = ("TRUNKLINE_KAFKA_BOOTSTRAP", "TRUNKLINE_MONGO_URL")
    yield {name: value for name, value in os.environ.items() if name not in given_by_address} | own
    Supervisor(LocalSettings(data_dir=tmp_path)).stop()


def free_service_ports() -> int:
    """Return a number from which all ports of the services are free."""
    for first in range(21100, 30000, 200):
        ports = Ports.counted_from(first, gateway=0)
        if all(map(is_free, (*ports.grpc.values(), *ports.health.values()))):
            return first
    raise AssertionError("no ports are free")


def stack(command: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.dev", command],
        cwd=ROOT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=UP_WITHIN_S,
        check=False,
    )


def test_comes_up_from_nothing_and_goes_down_again(env: Mapping[str, str]) -> None:
    first = stack("up", env)
    assert first.returncode == 0, first.stdout + first.stderr

    again, status = stack("up", env), stack("status", env)
    down = stack("down", env)

    assert "agent1" in first.stdout
    assert again.returncode == 0
    assert "Already running" in again.stdout
    assert status.returncode == 0, status.stdout
    assert down.returncode == 0
    assert "Nothing runs" in stack("status", env).stdout
    assert is_free(int(env["TRUNKLINE_GATEWAY_PORT"]))
