"""A real gateway that keeps its frames for a second: who comes back later is told what he has missed."""

import asyncio
from pathlib import Path

import pytest

from gateway.tests.house import House
from gateway.tests.test_two_gateways import said
from tests.servers import broker_server

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


async def test_it_says_what_is_not_kept_any_more_and_how_things_stand(tmp_path: Path, mongo_url: str) -> None:
    with broker_server(tmp_path) as broker:
        async with House(tmp_path, mongo_url, broker, gateway_resume_s=1).opened() as house:
            visitor = (await house.ask("POST", "/v1/visitors", json={"tenant": "demo"})).json()
            path, token = "/v1/chat/socket?interaction_id=old-1", visitor["access_token"]
            async with house.socket(path, token) as chat:
                await chat.do("start", "s-1", entry_point="web-chat")
                await chat.sees("started")
                await house.bus.publish([said("old-1", number, f"line {number}") for number in range(1, 101)])
                while chat.numbers[-1] < 101:
                    await chat.sees("message")

            async with asyncio.timeout(30):
                while True:
                    async with house.socket(f"{path}&after=3", token) as chat:
                        first = await chat.sees_any()
                        if first["type"] == "gap" and first["data"]["last"] == 101:
                            break
                    await asyncio.sleep(0.5)
            async with house.socket(f"{path}&after=3", token) as chat:
                gap = await chat.sees("gap")
                snapshot = await chat.sees("snapshot")
                await chat.do("message", "m-1", text="still here")
                after_gap = await chat.sees("message")

            assert gap["data"] == {"seen": 3, "first": 4, "last": 101, "why": "expired"}
            lines = [line["text"] for line in snapshot["data"]["conversation"]["lines"]]
            assert lines == [f"line {number}" for number in range(1, 101)]
            assert (after_gap["seq"], after_gap["data"]["text"]) == (102, "still here")
