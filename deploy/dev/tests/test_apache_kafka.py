"""Where KAFKA_HOME names an Apache Kafka distribution, that is what gets started."""

from pathlib import Path

import pytest

from deploy.dev import servers
from deploy.dev.processes import ServerFailed

FORMATS = """#!/bin/sh
[ "$1" = format ] && [ "$2" = -t ] && [ ${#3} = 22 ] && [ "$4" = -c ] || exit 1
folder=$(sed -n s/log.dirs=//p "$5")
mkdir -p "$folder" && echo "cluster.id=$3" > "$folder/meta.properties"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A distribution of which only the formatting of storage works."""
    scripts = tmp_path / "kafka" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "kafka-storage.sh").write_text(FORMATS)
    (scripts / "kafka-storage.sh").chmod(0o755)
    return tmp_path / "kafka"


def test_starts_one_node_that_is_broker_and_controller(home: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"

    command = servers.broker_command(data, 9092, 9093, home)

    properties = dict(line.split("=", 1) for line in (data / "server.properties").read_text().splitlines())
    assert command == [f"{home}/bin/kafka-server-start.sh", f"{data}/server.properties"]
    assert properties["process.roles"] == "broker,controller"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:9092"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:9093"
    assert properties["auto.create.topics.enable"] == "false"


def test_formats_the_storage_once(home: Path, tmp_path: Path) -> None:
    meta = tmp_path / "data" / "log" / "meta.properties"
    servers.broker_command(tmp_path / "data", 9092, 9093, home)
    first = meta.read_text()

    servers.broker_command(tmp_path / "data", 9092, 9093, home)

    assert meta.read_text() == first


def test_says_why_the_storage_could_not_be_formatted(home: Path, tmp_path: Path) -> None:
    (home / "bin" / "kafka-storage.sh").write_text("#!/bin/sh\necho no java here; exit 1\n")

    with pytest.raises(ServerFailed, match="no java here"):
        servers.broker_command(tmp_path / "data", 9092, 9093, home)
