"""Every process of the platform listens somewhere else, and all know where."""

import os
import socket
from pathlib import Path

import pytest

from deploy.dev import stack
from deploy.dev.plan import Ports, common_environment, local_ports, platform
from deploy.dev.ports import free_ports, holder_of
from deploy.dev.processes import LOOPBACK
from deploy.dev.settings import LocalSettings
from libs.settings import GRPC_PORTS, HEALTH_PORTS, SERVICES, Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSettings:
    for name in ("TRUNKLINE_KAFKA_BOOTSTRAP", "TRUNKLINE_MONGO_URL", "KAFKA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return LocalSettings(data_dir=tmp_path)


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_gives_no_port_and_no_name_twice(settings: LocalSettings, replicas: int) -> None:
    plan = platform(*local_ports(settings.model_copy(update={"local_replicas": replicas})))
    ports = [port for each in plan for port in each.ports]

    assert len(plan) == len({each.name for each in plan}) == replicas * (len(SERVICES) + 1)

    assert len(ports) == len(set(ports))


def test_uses_the_ports_every_installation_knows_unless_told_otherwise(settings: LocalSettings) -> None:
    (ports,) = local_ports(settings)

    assert (ports.grpc, ports.health, ports.gateway) == (GRPC_PORTS, HEALTH_PORTS, 8080)


def test_moves_all_ports_of_services_together() -> None:
    ports = Ports.counted_from(20100, gateway=18080)

    assert ports.grpc["session"] == GRPC_PORTS["session"] + 11000
    assert ports.health["gateway"] == HEALTH_PORTS["gateway"] + 11000


def test_tells_every_process_where_the_services_are(
    settings: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in common_environment(settings, "secret").items():
        monkeypatch.setenv(name, value)

    told = Settings()

    for name in SERVICES:
        assert getattr(told, f"{name}_address") == f"{LOOPBACK}:{GRPC_PORTS[name]}"
    assert told.service_secret == "secret"
    assert told.data_dir == settings.home


def test_tells_every_process_of_all_replicas_of_a_service(settings: LocalSettings) -> None:
    told = common_environment(settings.model_copy(update={"local_replicas": 2}), "secret")

    first = GRPC_PORTS["routing"]
    assert told["TRUNKLINE_ROUTING_ADDRESS"] == f"ipv4:{LOOPBACK}:{first},{LOOPBACK}:{first + 200}"


@pytest.mark.parametrize(
    ("variable", "value", "started"),
    [
        ("TRUNKLINE_LOG_LEVEL", "INFO", {"mongo", "broker"}),
        ("TRUNKLINE_MONGO_URL", "mongodb://db.example:27017/?replicaSet=rs0", {"broker"}),
        ("TRUNKLINE_KAFKA_BOOTSTRAP", "kafka.example:9092", {"mongo"}),
    ],
)
def test_starts_no_server_that_is_given_by_address(
    variable: str, value: str, started: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    plan = stack.infrastructure(LocalSettings(data_dir=tmp_path))

    assert {each.name for each in plan} == started


def test_names_who_has_a_port_and_the_setting_that_moves_it(settings: LocalSettings) -> None:

    (port,) = free_ports(1)
    moved = settings.model_copy(update={"local_mongo_port": port})
    with socket.socket() as taken:
        taken.bind((LOOPBACK, port))
        taken.listen()

        with pytest.raises(stack.CannotStart) as refused:
            stack.check_ports(tuple(stack.infrastructure(moved)))

        assert f"pid {os.getpid()}" in holder_of(port)
    assert f"port {port} (mongo)" in str(refused.value)
    assert "TRUNKLINE_LOCAL_MONGO_PORT" in str(refused.value)


def test_makes_a_secret_once_that_only_its_owner_reads(settings: LocalSettings) -> None:
    first = stack.secret(settings)

    assert stack.secret(settings) == first
    assert len(first) > 32
    assert (settings.home / "service.secret").stat().st_mode & 0o777 == 0o600
