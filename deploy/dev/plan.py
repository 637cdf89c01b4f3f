"""Which processes the platform consists of, and what each is told; for the local stack and for tests."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from deploy.dev.processes import LOOPBACK, is_there
from deploy.dev.settings import FIRST_SERVICE_PORT, LocalSettings
from libs.settings import GRPC_PORTS, HEALTH_PORTS, SERVICES

GATEWAY = "gateway"
MONGO = "mongo"
BROKER = "broker"
REPLICA_STEP = 200  # from the ports of one replica to those of the next


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


def addresses(*replicas: Ports) -> dict[str, str]:
    """Return what tells every process where to find the services; calls are spread over all replicas."""
    return {
        f"TRUNKLINE_{name.upper()}_ADDRESS": ("ipv4:" if len(replicas) > 1 else "")
        + ",".join(f"{LOOPBACK}:{each.grpc[name]}" for each in replicas)
        for name in SERVICES
    }


def platform(*replicas: Ports) -> tuple[Process, ...]:
    """Return services and gateway once for each set of ports; later ones have a number: routing-2."""
    return tuple(
        replace(process, name=f"{process.name}-{number}") if number > 1 else process
        for number, ports in enumerate(replicas, 1)
        for process in _replica(ports)
    )


def _replica(ports: Ports) -> tuple[Process, ...]:
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


def local_ports(settings: LocalSettings) -> tuple[Ports, ...]:
    """Return the ports of each replica; the gateways stand side by side."""
    return tuple(
        Ports.counted_from(settings.local_service_ports + place * REPLICA_STEP, settings.gateway_port + place)
        for place in range(settings.local_replicas)
    )


def common_environment(settings: LocalSettings, secret: str) -> dict[str, str]:
    """Return what every process of the local stack is told."""
    return {
        **addresses(*local_ports(settings)),
        "TRUNKLINE_KAFKA_BOOTSTRAP": settings.kafka_address,
        "TRUNKLINE_MONGO_URL": settings.mongo_address,
        "TRUNKLINE_DATA_DIR": str(settings.home),
        "TRUNKLINE_GATEWAY_PORT": str(settings.gateway_port),
        "TRUNKLINE_GATEWAY_PUBLIC_URL": f"http://{LOOPBACK}:{settings.gateway_port}",
        "TRUNKLINE_SERVICE_SECRET": secret,
        "PYTHONUNBUFFERED": "1",
    }
