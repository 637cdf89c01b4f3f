"""
Run the demo: python -m deploy.dev.demo --pace 60

Exits with 1 where a contact is unaccounted for, or a figure that the simulated people counted differs from
what analytics counted.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.dev.demo import customers, day
from deploy.dev.demo.agents import Agent
from deploy.dev.demo.counted import Seen, Served, Totals, minus, of_report, totals
from deploy.dev.demo.door import Door, DoorClosed
from deploy.dev.demo.living import World
from deploy.dev.demo.result import differences, table, unaccounted
from libs import clock

COUNTED_WITHIN_S = 60.0
ENDS_WITHIN_S = 150.0  # real time after the day in which all contacts must have ended


async def main(url: str, pace: float, seed: int, count: int, agent_count: int) -> int:
    door = Door(url)
    try:
        admin = await door.token("admin1")
        run = f"demo-{clock.now():%Y%m%d%H%M%S}-{seed}"
        world = World(door, run, pace, seed, await door.token("adapter1"), clock.now)
        threshold_ms = max(10, round(20_000 / pace / 10) * 10)
        before = await _analytics(door, admin, threshold_ms)
        contacts, served = await live(world, count, agent_count)
        seen = totals(list(contacts.values()), served, threshold_ms)
        counted = await _counted(door, admin, threshold_ms, before, seen)
    finally:
        await door.close()
    print(table(seen, counted, pace))
    problems = [*unaccounted(contacts, served), *differences(seen, counted)]
    print(*(problems or ["Every contact is accounted for, and both counts agree."]), sep="\n")
    return 1 if problems else 0


async def live(world: World, count: int, agent_count: int) -> tuple[dict[str, Seen], list[Served]]:
    """Live the day; returns what customers and agents saw."""
    contacts: dict[str, Seen] = {}
    plans = day.customers(world.seed, count)
    agents = []
    for plan in day.agents(world.seed, agent_count):
        served = Served(plan.agent_id)
        agents.append((Agent(world, plan, await world.door.token(plan.agent_id), served), served))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("customers", total=count)
        working = [asyncio.create_task(agent.live()) for agent, _ in agents]
        coming = asyncio.create_task(_customers(world, plans, contacts, lambda: progress.advance(bar)))
        done, _ = await asyncio.wait([coming, *working], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task  # an agent's work ends only by a fault, which ends the demo
        await _wrapped_up([served for _, served in agents])
        for agent, _ in agents:
            await agent.go_home()
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
    return contacts, [served for _, served in agents]


async def _customers(
    world: World, plans: list[day.Customer], contacts: dict[str, Seen], advance: Callable[[], None]
) -> None:
    clock_s = asyncio.get_running_loop().time
    began = clock_s()

    async def come(plan: day.Customer) -> None:
        await asyncio.sleep(max(0.0, began + plan.comes_at_s / world.pace - clock_s()))
        await customers.live(world, plan, contacts)
        advance()

    visits = [asyncio.create_task(come(plan)) for plan in plans]
    _, late = await asyncio.wait(visits, timeout=day.HOURS_S / world.pace + ENDS_WITHIN_S)
    for visit in late:
        visit.cancel()
    results = await asyncio.gather(*visits, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


async def _wrapped_up(agents: list[Served]) -> None:
    """Wait until no agent owes wrap-up."""
    for _ in range(600):
        if not any(served.assigned_at or served.released_at for served in agents):
            return
        await asyncio.sleep(0.1)


async def _analytics(door: Door, token: str, threshold_ms: int) -> Totals:
    """Return what analytics has counted of the tenant today."""
    now = clock.now()
    start = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    query: dict[str, str | int] = {
        "from": start.isoformat(),
        "to": (start + timedelta(days=3)).isoformat(),
        "dimension": "tenant",
        "interval": 0,
        "thresholds_ms": str(threshold_ms),
    }
    report = await door.get("/v1/reports", token, query)
    return of_report(report["total"]["figures"], threshold_ms)


async def _counted(door: Door, token: str, threshold_ms: int, before: Totals, seen: Totals) -> Totals:
    """Return what analytics counted of the run: at once where it agrees, else after giving it time."""
    clock_s = asyncio.get_running_loop().time
    give_up = clock_s() + COUNTED_WITHIN_S
    while True:
        counted = minus(await _analytics(door, token, threshold_ms), before)
        if counted == seen or clock_s() > give_up:
            return counted
        await asyncio.sleep(0.5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Two hours of business by simulated people, counted twice.")
    parser.add_argument(
        "--url", default=f"http://127.0.0.1:{os.environ.get('TRUNKLINE_GATEWAY_PORT', '8080')}"
    )
    parser.add_argument("--pace", type=float, default=60.0, help="virtual seconds in a real one")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--customers", type=int, default=200)
    parser.add_argument("--agents", type=int, default=12)
    chosen = parser.parse_args()
    try:
        sys.exit(asyncio.run(main(chosen.url, chosen.pace, chosen.seed, chosen.customers, chosen.agents)))
    except DoorClosed as problem:
        sys.exit(f"The demo cannot go on: {problem}\nIs the stack up? `make up`, then `make status`.")
