"""Faults on the topics: events again, out of order and late, records that are no events, restless readers."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.faults.evidence import Poison
from tests.faults.house import SESSION_S, House
from tests.faults.topics import DEAD_LETTERS, Row

ADAPTERS = ("trunkline.interaction", "trunkline.visitor")
ELSEWHERE = "trunkline.session.closed.v1"
LARGEST = 1024 * 1024 - 600  # with its headers it is just what a topic takes; nothing compresses it
DEEP = 20_000


@asynccontextmanager
async def producing(house: House) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=house.broker.address, acks="all", max_request_size=2**21)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def duplicates(house: House, dice: random.Random) -> None:
    """Publish a tenth of all there is again, as it lies there, then a whole topic, shuffled."""
    async with producing(house) as producer:
        for _ in range(3):
            await asyncio.sleep(2)
            rows = [row for row in await house.rows() if _is_good(house, row)]
            some = [row for row in rows if dice.random() < 0.1]
            await _again(producer, some)
            house.note("event published again", len(some))
        whole = [row for row in rows if row.topic == ADAPTERS[0]]
        await _again(producer, whole)
        house.note("topic published again from its beginning")
        dice.shuffle(whole)
        await _again(producer, whole)
        house.note("topic published again, shuffled")


def _is_good(house: House, row: Row) -> bool:
    return not row.topic.endswith(DEAD_LETTERS) and row.place not in {each.place for each in house.poison}


async def _again(producer: AIOKafkaProducer, rows: Sequence[Row]) -> None:
    for row in rows:
        headers = [(name, value.encode()) for name, value in row.headers.items()]
        await producer.send(
            row.topic, key=row.key.encode(), value=row.value, headers=headers, partition=row.partition
        )
    await producer.flush()


async def poison(house: House, dice: random.Random) -> None:
    """Put records that are no events on the topics that come from outside, and on one of our own."""
    async with producing(house) as producer:
        for topic in (*ADAPTERS, "trunkline.queue"):
            fact, good = _good(topic)
            for kind, headers, value, reason in _bad_records(topic, fact, good, dice):
                sent = await producer.send_and_wait(
                    topic, key=b"poison", value=value, headers=[(n, v) for n, v in headers.items()]
                )
                house.poison.append(Poison((topic, sent.partition, sent.offset), reason))
                house.note(f"poison: {kind}")
                await asyncio.sleep(0.1)


def _good(topic: str) -> tuple[str, dict[str, object]]:
    if topic == "trunkline.interaction":
        return "input_received", {"interaction_id": "poison", "kind": "key", "pii": {"value": "1"}}
    if topic == "trunkline.visitor":
        return "page_viewed", {"visitor_id": "poison", "url": "https://bank.example/"}
    return "agent_signed_in", {"pool_id": "poison", "agent_id": "poison"}


def _bad_records(
    topic: str, fact: str, good: dict[str, object], dice: random.Random
) -> list[tuple[str, dict[str, bytes], bytes, str]]:
    value = json.dumps(good).encode()

    def headers(**changed: str) -> dict[str, bytes]:
        fields = {
            "specversion": "1.0",
            "id": f"poison-{dice.getrandbits(64):x}",
            "type": f"{topic}.{fact}.v1",
            "source": "/poison",
            "time": "2026-01-01T00:00:00Z",
            "tenant": "demo",
            "correlationid": "poison",
            "sequence": "1",
        } | changed
        return {f"ce_{name}": text.encode() for name, text in fields.items()} | {
            "content-type": b"application/json"
        }

    found = [
        ("truncated", headers(), value[:-7], "bad_data"),
        ("no id", {n: v for n, v in headers().items() if n != "ce_id"}, value, "bad_envelope"),
        ("invalid UTF-8", headers(), value[:-2] + b"\xff\xfe" + value[-2:], "bad_data"),
        ("1 MB", headers(), json.dumps(good | {"more": "x" * 900_000}).encode(), "too_large"),
        ("largest", headers(), dice.randbytes(LARGEST), "too_large"),
        ("deep JSON", headers(), b'{"a":' * DEEP + b"1" + b"}" * DEEP, "bad_data"),
        ("tenant that is none", headers(tenant="demo/../acme"), value, "bad_envelope"),
        ("time that is none", headers(time="yesterday"), value, "bad_envelope"),
        ("no tenant", {n: v for n, v in headers().items() if n != "ce_tenant"}, value, "bad_envelope"),
        ("empty", headers(), b"", "bad_data"),
        ("wrong topic", headers(type=ELSEWHERE), b'{"session_id": "x", "contacts": 1}', "wrong_topic"),
    ]
    if topic in ADAPTERS:
        found.append(("unknown type", headers(type=f"{topic}.never_heard_of.v1"), value, "unknown_type"))
        found.append(("wrong version", headers(type=f"{topic}.{fact}.v99"), value, "unknown_type"))
    return found


async def restless_member(house: House, dice: random.Random) -> None:
    """Let a third member join and leave the groups of routing and session every two seconds."""
    for _ in range(5):
        members = []
        for group, topic in (("routing", "trunkline.queue"), ("session", "trunkline.interaction")):
            member = AIOKafkaConsumer(
                topic,
                bootstrap_servers=house.broker.address,
                group_id=group,
                enable_auto_commit=False,
                session_timeout_ms=round(SESSION_S * 1000),
            )
            await member.start()
            members.append(member)
        await asyncio.sleep(1)
        for member in members:
            await member.stop()
            house.note("rebalance by a member that came and left")
        await asyncio.sleep(1)
