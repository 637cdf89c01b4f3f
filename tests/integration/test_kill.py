"""A day of simulated people while every process is killed in turn: nothing is lost, nothing counted twice."""

import asyncio

import pytest

from deploy.dev.demo.__main__ import main
from deploy.dev.demo.door import Door
from deploy.dev.seed import seed
from tests.stack import Stack

pytestmark = [pytest.mark.real, pytest.mark.timeout(420)]

PACE = 120.0
BETWEEN_KILLS_S = 4.0


async def test_it_loses_nothing_when_every_process_is_killed_in_turn(stack: Stack) -> None:
    door = Door(stack.gateway_url)
    await seed(door)
    await door.close()
    killing = asyncio.create_task(kill_each_in_turn(stack))

    differing = await main(stack.gateway_url, PACE, seed=3, count=60, agent_count=8)

    await killing
    assert differing == 0


async def kill_each_in_turn(stack: Stack) -> None:
    """Kill a process, start it again and wait until it is ready; then the next one."""
    for name in stack.names:
        await asyncio.sleep(BETWEEN_KILLS_S)
        await asyncio.to_thread(stack.kill, name)
        await asyncio.to_thread(stack.restart, name)
