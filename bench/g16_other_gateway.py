"""G16: from a fact to the WebSocket at the gateway that folds it, and at the other one, that only follows."""

import asyncio
from statistics import median
from time import perf_counter

from bench.g10_offer import hops
from bench.harness import ROUNDS, Figure, Stage, say
from gateway.tests.house import House, Screen
from gateway.tests.pair import Pair
from gateway.tests.test_real import state

STATES = 60  # a round
AGENT = "agent1"


async def shown(pair: Pair, screens: list[Screen]) -> tuple[list[float], list[float]]:
    """Tell states one by one; return how long the quicker and the slower screen took, seconds."""
    near: list[float] = []
    far: list[float] = []

    async def sees(screen: Screen) -> float:
        await screen.sees("state")
        return perf_counter()

    for number in range(STATES):
        began = perf_counter()
        await pair.house.bus.publish([state(AGENT, "ready" if number % 2 else "busy")])
        times = await asyncio.gather(*map(sees, screens))
        near.append(min(times) - began)
        far.append(max(times) - began)
        await asyncio.sleep(0.02)
    return near, far


async def run(stage: Stage) -> list[Figure]:
    """Compare what both gateways show with one hop over the broker, and with each other."""
    ratios: list[tuple[float, float]] = []
    house = House(stage.folder, stage.mongo_url, stage.broker)
    async with house.opened():
        pair = Pair(house, stage.mongo_url)
        try:
            await pair.start(1)
            token = await house.token(AGENT)
            async with (
                house.socket("/v1/agent/socket", token, pair.urls[0]) as one,
                house.socket("/v1/agent/socket", token, pair.urls[1]) as other,
            ):
                await one.sees("snapshot")
                await other.sees("snapshot")
                await shown(pair, [one, other])  # warm
                for _ in range(ROUNDS):
                    hop = median(await hops(stage.kafka_bootstrap, stage.settings().kafka_fetch_wait_ms))
                    near, far = map(median, await shown(pair, [one, other]))
                    say(
                        f"   one hop {hop * 1000:6.1f} ms, at the gateway that folds {near * 1000:6.1f} ms, "
                        f"at the other {far * 1000:6.1f} ms"
                    )
                    ratios.append((far / hop, far / near))
        finally:
            pair.stop()
    over_hop, over_near = zip(*ratios, strict=True)
    return [
        Figure("G16", "one raw aiokafka hop", 8, over_hop, at_most=True),
        Figure("G16", "the gateway that folds it", 2, over_near, at_most=True),
    ]
