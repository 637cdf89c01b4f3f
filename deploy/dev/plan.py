"""Which processes the platform consists of, and what each is told; for the local stack and for tests."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy.dev.processes import LOOPBACK, is_there
from deploy.dev.settings import FIRST_SERVICE_PORT, LocalSettings
from libs.settings import GRPC_PORTS, HEALTH_PORTS, SERVICES

GATEWAY = "gateway"
MONGO = "mongo"
BROKER = "broker"


@dataclass(frozen=True, slots=True)
class Process:
    """One process: how it is started, where it listens, where it says that it is ready."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, str] = field(default_factory=dict)  # port: the setting that changes it
    ready_url: str = ""  # http: for what is ours, else the address of the server


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the platform's own processes."""

    grpc: Mapping[str, int]
    health: Mapping[str, int]
    gateway: int

    @classmethod
    def counted_from(cls, first: int, gateway: int) -> "Ports":
        """Return the usual ports, moved so that they begin at `first`."""
        move = first - FIRST_SERVICE_PORT
        return cls(
            grpc={name: port + move for name, port in GRPC_PORTS.items()},
            health={name: port + move for name, port in HEALTH_PORTS.items()},
            gateway=gateway,
        )

    def addresses(self) -> dict[str, str]:
        """Return what tells every process where to find the services."""
        return {f"TRUNKLINE_{name.upper()}_ADDRESS": f"{LOOPBACK}:{port}" for name, port in self.grpc.items()}


def platform(ports: Ports) -> tuple[Process, ...]:
    """Return the services, then the gateway, on the given ports."""
    moved = "TRUNKLINE_LOCAL_SERVICE_PORTS"
    processes = [
        Process(
            name=name,
            command=(sys.executable, "-m", f"services.{name}"),
            env={
                "TRUNKLINE_GRPC_PORT": str(ports.grpc[name]),
                "TRUNKLINE_HEALTH_PORT": str(ports.health[name]),
            },
            ports={ports.grpc[name]: moved, ports.health[name]: moved},
            ready_url=f"http://{LOOPBACK}:{ports.health[name]}/readyz",
        )
        for name in SERVICES
        if is_there(f"services.{name}.__main__")
    ]
    if is_there("gateway.__main__"):
        processes.append(
            Process(
                name=GATEWAY,
                command=(sys.executable, "-m", GATEWAY),
                env={
                    "TRUNKLINE_GATEWAY_PORT": str(ports.gateway),
                    "TRUNKLINE_HEALTH_PORT": str(ports.health[GATEWAY]),
                },
                ports={ports.gateway: "TRUNKLINE_GATEWAY_PORT", ports.health[GATEWAY]: moved},
                ready_url=f"http://{LOOPBACK}:{ports.gateway}/readyz",
            )
        )
    return tuple(processes)


def local_ports(settings: LocalSettings) -> Ports:
    return Ports.counted_from(settings.local_service_ports, settings.gateway_port)


def common_environment(settings: LocalSettings, secret: str) -> dict[str, str]:
    """Return what every process of the local stack is told."""
    return {
        **local_ports(settings).addresses(),
        "TRUNKLINE_KAFKA_BOOTSTRAP": settings.kafka_address,
        "TRUNKLINE_MONGO_URL": settings.mongo_address,
        "TRUNKLINE_DATA_DIR": str(settings.home),
        "TRUNKLINE_GATEWAY_PORT": str(settings.gateway_port),
        "TRUNKLINE_SERVICE_SECRET": secret,
        "PYTHONUNBUFFERED": "1",
    }
