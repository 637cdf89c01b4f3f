"""The gateway and what it is measured beside, each a process of its own with the same HTTP server."""

import json
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.harness import SECRET, Stage
from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, Child, answers_http, is_there

ADAPTER = "adapter1"  # of the development issuer; his password is his name
READY_WITHIN_S = 90.0
ROOT = Path(__file__).parent.parent
SERVER = (sys.executable, "-m", "uvicorn", "--host", LOOPBACK, "--no-access-log", "--log-level", "error")


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the contenders listen, and the token that the gateway asks for."""

    gateway: int
    bare: int
    naive: int
    token: str


@contextmanager
def doors(stage: Stage) -> Iterator[Doors]:
    """Run the gateway, a bare Starlette application and a naive FastAPI application."""
    gateway, health, bare, naive = free_ports(4)
    env = {
        "TRUNKLINE_MONGO_URL": stage.mongo_url,
        "TRUNKLINE_KAFKA_BOOTSTRAP": stage.kafka_bootstrap,
        "TRUNKLINE_SERVICE_SECRET": SECRET,
        "TRUNKLINE_DATA_DIR": str(stage.folder / "data"),
        "TRUNKLINE_GATEWAY_PORT": str(gateway),
        "TRUNKLINE_HEALTH_PORT": str(health),
        "TRUNKLINE_GATEWAY_EVENTS_PER_S": "100000000",
        "TRUNKLINE_LOG_LEVEL": "WARNING",
    }
    if not is_there("gateway.__main__"):
        raise FileNotFoundError("there is no gateway to measure")
    processes = {
        "gateway": Process((sys.executable, "-m", "gateway"), f"{LOOPBACK}:{health}/readyz", env),
        "bare": Process((*SERVER, "--port", str(bare), "bench.bare_app:app"), f"{LOOPBACK}:{bare}/", env),
        "naive": Process((*SERVER, "--port", str(naive), "bench.naive_app:app"), f"{LOOPBACK}:{naive}/", env),
    }
    with running(stage.folder, processes):
        yield Doors(gateway, bare, naive, token_of(gateway))


@dataclass(frozen=True, slots=True)
class Process:
    """A contender that is a process: how it is started, and what answers when it is ready."""

    command: tuple[str, ...]
    ready: str  # host:port/path
    env: Mapping[str, str]


@contextmanager
def running(folder: Path, processes: Mapping[str, Process]) -> Iterator[None]:
    """Start processes one after the other, each ready before the next, and end them afterwards."""
    children: list[Child] = []
    try:
        for name, each in processes.items():
            child = Child(each.command, folder / f"{name}.log", each.env, ROOT)
            children.append(child)
            child.start()
            ready = partial(answers_http, f"http://{each.ready}", status_below=500)
            child.await_ready(name, ready, READY_WITHIN_S)
        yield
    finally:
        for child in children:
            child.kill()


def token_of(port: int) -> str:
    """Return a token that the development issuer gives to a channel adapter."""
    form = {"grant_type": "password", "username": ADAPTER, "password": ADAPTER}
    question = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/oidc/token", question, timeout=10) as answer:
        return str(json.load(answer)["access_token"])
