"""G10: from an event at the gateway to the offer in the agent's WebSocket, beside one hop over the broker."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from statistics import quantiles
from time import perf_counter

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.harness import ROUNDS, Figure, Stage, say
from deploy.dev.demo.door import Door, NewId, Socket, cloud_event
from deploy.dev.seed import agents, seed
from libs import clock
from tests.stack import running_stack

AT_ONCE = 12  # contacts at a time when as many as possible are served: one for each agent
SATURATED_S = 8.0
MEASURED_S = 12.0  # a round, at 30 % of that
LOAD = 0.3
HOPS = 150  # a round


class Desk:
    """An agent who takes every offer and wraps up at once; he notes when offers came."""

    def __init__(self, door: Door, token: str, name: str, floor: "Floor") -> None:
        self._socket = Socket(door, "/v1/agent/socket?from=now", token, NewId("bench", name))
        self._floor = floor

    async def work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._come())
            async for frame in self._socket.frames():
                data = frame["data"]
                match frame["type"]:
                    case "offer":
                        self._floor.offered(data["interaction_id"])
                        group.create_task(self._take(data["interaction_id"], data["offer_id"]))
                    case "state" if data["state"] == "not_ready" and data.get("reason") == "no_answer":
                        group.create_task(self._ready_again())  # an offer came to nothing
                    case "assigned":
                        group.create_task(self._end(data["interaction_id"]))
                    case "released":
                        group.create_task(self._wrap_up(data["interaction_id"]))

    async def _come(self) -> None:
        await self._socket.command("sign_in")
        await self._socket.command("ready")
        self._floor.ready()

    async def _ready_again(self) -> None:
        await self._socket.command("ready")

    async def _take(self, contact: str, offer: str) -> None:
        await self._socket.command("accept", offer_id=offer, interaction_id=contact)

    async def _end(self, contact: str) -> None:
        await self._socket.command("end", interaction_id=contact, reason="solved")

    async def _wrap_up(self, contact: str) -> None:
        await self._socket.command("wrap_up", interaction_id=contact, codes=["done"])
        self._floor.done(contact)


class Floor:
    """All agents, and the contacts that an adapter lets begin: when each was sent, offered and done."""

    def __init__(self, door: Door, adapter: str) -> None:
        self._door = door
        self._adapter = adapter
        self._sent: dict[str, float] = {}
        self._done: dict[str, asyncio.Event] = {}
        self._numbers = iter(range(10**9))
        self._ready = asyncio.Semaphore(0)
        self.took_s: list[float] = []

    def ready(self) -> None:
        self._ready.release()

    async def all_ready(self, count: int) -> None:
        for _ in range(count):
            await self._ready.acquire()

    def offered(self, contact: str) -> None:
        if sent := self._sent.pop(contact, 0.0):
            self.took_s.append(perf_counter() - sent)

    def done(self, contact: str) -> None:
        if event := self._done.get(contact):
            event.set()

    async def contact(self) -> None:
        """Let a contact begin, and return when it is served and wrapped up."""
        name = f"bench-{next(self._numbers)}"
        data = {"interaction_id": name, "channel": "chat", "entry_point": "bench", "language": "en"}
        event = cloud_event(
            uuid.uuid4().hex, "trunkline.interaction.started.v1", clock.now().isoformat(), data, 1
        )
        done = self._done[name] = asyncio.Event()
        self._sent[name] = perf_counter()
        await self._door.publish(self._adapter, [event])
        async with asyncio.timeout(60):
            await done.wait()
        del self._done[name]


@asynccontextmanager
async def floor(url: str) -> AsyncIterator[Floor]:
    """Yield a seeded platform's floor with all its agents ready."""
    door = Door(url)
    await seed(door)
    made = Floor(door, await door.token("adapter1"))
    working = [
        asyncio.create_task(Desk(door, await door.token(name), name, made).work()) for name in agents()
    ]
    try:
        async with asyncio.timeout(60):
            await made.all_ready(len(working))
        yield made
    finally:
        for task in working:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*working, return_exceptions=True)
        await door.close()


async def saturate(floor: Floor) -> float:
    """Serve as many contacts as go, and return how many a second that were."""
    clock_s = asyncio.get_running_loop().time
    until, served = clock_s() + SATURATED_S, 0

    async def one_after_the_other() -> None:
        nonlocal served
        while clock_s() < until:
            await floor.contact()
            served += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
    return served / SATURATED_S


async def offers(floor: Floor, rate: float) -> list[float]:
    """Let contacts begin at a steady rate, whatever becomes of them, and return how long offers took."""
    floor.took_s = []
    async with asyncio.TaskGroup() as group:
        for _ in range(max(20, int(rate * MEASURED_S))):
            group.create_task(floor.contact())
            await asyncio.sleep(1 / rate)
    return floor.took_s


async def hops(bootstrap: str, wait_ms: int) -> list[float]:
    """Return how long single records take from a bare producer to a bare consumer, in seconds."""
    topic = f"hops-{uuid.uuid4().hex[:8]}"
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=wait_ms
    )
    await producer.start()
    await producer.send_and_wait(topic, b"first")
    await consumer.start()
    took: list[float] = []
    try:
        await consumer.getone()
        for _ in range(HOPS):
            began = perf_counter()
            await producer.send_and_wait(topic, b"x" * 300)
            await consumer.getone()
            took.append(perf_counter() - began)
            await asyncio.sleep(0.02)
    finally:
        await consumer.stop()
        await producer.stop()
    return took


def p50_p99(took: Sequence[float]) -> tuple[float, float]:
    cuts = quantiles(took, n=100)
    return cuts[49], cuts[98]


async def run(stage: Stage) -> list[Figure]:
    """Compare the way of an offer, through five services, with a single hop, at 30 % of saturation."""
    ratios: list[tuple[float, float]] = []
    stack = running_stack(stage.folder, stage.mongo_url, stage.kafka_bootstrap)
    platform = await asyncio.to_thread(stack.__enter__)
    try:
        async with floor(platform.gateway_url) as agents_at_work:
            saturated = await saturate(agents_at_work)
            say(f"   saturation: {saturated:.1f} contacts/s")
            for _ in range(ROUNDS):
                hop = p50_p99(await hops(stage.kafka_bootstrap, stage.settings().kafka_fetch_wait_ms))
                offer = p50_p99(await offers(agents_at_work, saturated * LOAD))
                _show("one hop", hop)
                _show("event to offer", offer)
                ratios.append((offer[0] / hop[0], offer[1] / hop[1]))
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)
    return [
        Figure("G10", "one raw aiokafka hop, p50", 8, tuple(each[0] for each in ratios), at_most=True),
        Figure("G10", "one raw aiokafka hop, p99", 6, tuple(each[1] for each in ratios), at_most=True),
    ]


def _show(name: str, took: tuple[float, float]) -> None:
    say(f"   {name:<20} p50 {took[0] * 1000:7.1f} ms   p99 {took[1] * 1000:7.1f} ms")
