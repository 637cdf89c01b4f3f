"""The keys of a remote issuer: fetched once, waited for by everybody who comes before they are there."""

import asyncio

import httpx
import pytest

from gateway.keys import ASK_AGAIN_S, RemoteKeys
from gateway.tests.making import KEY, Clock
from libs.errors import Unavailable


class Issuer:
    """An issuer that takes a moment, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_there = True

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        await asyncio.sleep(0.02)
        if not self.is_there:
            return httpx.Response(503)
        return httpx.Response(200, json={"keys": [KEY.as_dict(private=False)]})


async def test_everybody_who_comes_at_once_waits_for_the_first_keys() -> None:
    issuer = Issuer()
    async with httpx.AsyncClient(transport=httpx.MockTransport(issuer)) as client:
        keys = RemoteKeys(client, "https://issuer.example", "https://issuer.example/jwks", Clock())

        found = await asyncio.gather(*(keys("k1") for _ in range(20)))

    assert all(key is not None for key in found)
    assert issuer.asked == 1


async def test_it_asks_an_issuer_that_is_not_there_now_and_then_only() -> None:
    issuer, clock = Issuer(), Clock()
    issuer.is_there = False
    async with httpx.AsyncClient(transport=httpx.MockTransport(issuer)) as client:
        keys = RemoteKeys(client, "https://issuer.example", "https://issuer.example/jwks", clock)
        for _ in range(5):
            with pytest.raises(Unavailable):
                await keys("k1")
        assert issuer.asked == 1

        issuer.is_there = True
        clock.pass_s(ASK_AGAIN_S + 1)

        assert await keys("k1") is not None


async def test_a_kid_nobody_knows_makes_it_ask_once() -> None:
    issuer = Issuer()
    async with httpx.AsyncClient(transport=httpx.MockTransport(issuer)) as client:
        keys = RemoteKeys(client, "https://issuer.example", "https://issuer.example/jwks", Clock())
        await keys("k1")

        assert [await keys(f"made-up-{number}") for number in range(10)] == [None] * 10

    assert issuer.asked == 1
