"""The servers that tests and the local stack stand on do start, and serve."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pymongo
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.servers import mongo_server


@pytest.mark.real
def test_mongod_is_the_primary_of_a_replica_set(mongo_url: str) -> None:
    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(mongo_url)

    with client, client.start_session() as session, session.start_transaction():
        client["t"]["c"].insert_one({"_id": 1}, session=session)
        found = client["t"]["c"].find_one({"_id": 1}, session=session)

    assert found == {"_id": 1}


@pytest.mark.real
async def test_the_broker_gives_back_what_it_was_given(kafka_bootstrap: str) -> None:
    topic = "servers-round-trip"
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, acks="all") as producer:
        await producer.client.add_topic(topic)
        await producer.send_and_wait(topic, b"hello")

    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()

    assert record.value == b"hello"


@pytest.mark.real
def test_mongod_keeps_what_it_acknowledged_when_killed(tmp_path: Path) -> None:
    with mongo_server(tmp_path) as server:
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(server.address, w="majority")
        with client:
            client["t"]["c"].insert_many([{"_id": number} for number in range(50)])
            server.kill()

            server.start()

            assert client["t"]["c"].count_documents({}) == 50


@pytest.mark.real
def test_the_object_store_keeps_an_object(s3_url: str) -> None:
    for path, body in (("bucket", b""), ("bucket/key", b"hello")):
        urllib.request.urlopen(urllib.request.Request(f"{s3_url}/{path}", data=body, method="PUT")).close()

    with urllib.request.urlopen(f"{s3_url}/bucket/key") as answer:
        assert answer.read() == b"hello"


@pytest.mark.real
def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import os, sys, time; from pathlib import Path; from deploy.dev import processes\n"
        "server = processes.spawn(['sleep', '60'], Path(sys.argv[1]), os.environ, Path('.'))\n"
        "print(server.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", starter, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))

        os.kill(parent.pid, signal.SIGKILL)

        child.wait(timeout=5)
        assert not child.is_running()
