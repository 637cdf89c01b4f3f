"""Limits that bite: a second gateway with small ones answers 429 and 413, with when to come again."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, Child, answers_http
from deploy.dev.settings import ROOT
from gateway.limits import BODY, CONFIGURATION_BODY, CSV_BODY, EVENTS_BODY
from tests.attacks.conftest import Target

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

UPLOAD = 100_000
SMALL = {
    "TRUNKLINE_GATEWAY_REQUESTS_PER_S": "5",
    "TRUNKLINE_GATEWAY_VISITORS_PER_S": "3",
    "TRUNKLINE_GATEWAY_EVENTS_PER_S": "200",
    "TRUNKLINE_GATEWAY_COMMANDS_PER_S": "5",
    "TRUNKLINE_GATEWAY_LARGEST_UPLOAD": str(UPLOAD),
    "TRUNKLINE_GATEWAY_SOCKETS_OF_ONE": "3",
}


@pytest.fixture(scope="module")
def strict(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.URL]:
    """Give a second gateway of the same installation, with small limits."""
    port, health = free_ports(2)
    env = (
        target.stack.env
        | SMALL
        | {
            "TRUNKLINE_GATEWAY_PORT": str(port),
            "TRUNKLINE_HEALTH_PORT": str(health),
            "TRUNKLINE_OIDC_ISSUER": target.mint.issuer,  # it takes the tokens of the first one
        }
    )
    log = tmp_path_factory.mktemp("strict") / "gateway.log"
    gateway = Child((sys.executable, "-m", "gateway"), Path(log), env, ROOT)
    try:
        gateway.start()
        gateway.await_ready("strict", lambda: answers_http(f"http://{LOOPBACK}:{port}/readyz"), 60)
        yield httpx.URL(f"http://{LOOPBACK}:{port}")
    finally:
        gateway.kill()


async def refused(client: httpx.AsyncClient, number: int, method: str, url: str, **more: Any) -> None:
    """Assert that of so many requests at once some are taken, the others told to come again, and then may."""
    answers = await asyncio.gather(*(client.request(method, url, **more) for _ in range(number)))

    too_many = [answer for answer in answers if answer.status_code == 429]
    assert 0 < len(too_many) < number, [answer.status_code for answer in answers]
    for answer in too_many:
        assert answer.json()["code"] == "rate_exceeded"
        assert int(answer.headers["retry-after"]) >= 1
    await asyncio.sleep(1.1)
    assert (await client.request(method, url, **more)).status_code < 400


async def test_nobody_asks_more_than_he_may(target: Target, strict: httpx.URL) -> None:
    busy = {"authorization": f"Bearer {target.token('agent')}"}
    patient = {"authorization": f"Bearer {target.token('admin')}"}
    async with httpx.AsyncClient(base_url=strict, trust_env=False, timeout=20) as client:
        await refused(client, 40, "GET", "/v1/me", headers=busy)
        # One who asks too much does not take from others.
        await asyncio.gather(*(client.get("/v1/me", headers=busy) for _ in range(20)))
        assert (await client.get("/v1/me", headers=patient)).status_code == 200


async def test_no_address_makes_more_visitors_than_it_may(strict: httpx.URL) -> None:
    async with httpx.AsyncClient(base_url=strict, trust_env=False, timeout=20) as client:
        await refused(client, 20, "POST", "/v1/visitors", json={"tenant": "demo"})
        # To say that one comes from elsewhere helps nobody.
        forged = [
            await client.post(
                "/v1/visitors", json={"tenant": "demo"}, headers={"x-forwarded-for": f"10.0.0.{number}"}
            )
            for number in range(20)
        ]
    assert 429 in {answer.status_code for answer in forged}


async def test_no_tenant_tells_more_than_it_may(target: Target, strict: httpx.URL) -> None:
    event = {
        "specversion": "1.0",
        "id": "limit-1",
        "source": "/attack",
        "type": "trunkline.visitor.page_viewed.v1",
        "data": {"visitor_id": "v-limit", "url": "https://shop.example/"},
    }
    headers = {
        "authorization": f"Bearer {target.token('adapter')}",
        "content-type": "application/cloudevents-batch+json",
    }
    content = json.dumps([event] * 100).encode()
    async with httpx.AsyncClient(base_url=strict, trust_env=False, timeout=20) as client:
        await refused(client, 10, "POST", "/v1/events", headers=headers, content=content)


@pytest.mark.parametrize(
    ("path", "limit", "media_type"),
    [
        ("/v1/tickets", BODY, "application/json"),
        ("/v1/events", EVENTS_BODY, "application/cloudevents+json"),
        ("/v1/customers/import", CSV_BODY, "text/csv"),
        ("/v1/routing/configuration", CONFIGURATION_BODY, "application/yaml"),
        ("/v1/recordings", UPLOAD, "audio/wav"),
        ("/oidc/token", BODY, "application/x-www-form-urlencoded"),
    ],
)
async def test_no_body_is_larger_than_its_door(
    target: Target, strict: httpx.URL, path: str, limit: int, media_type: str
) -> None:
    await asyncio.sleep(1.1)
    headers = {"authorization": f"Bearer {target.token('admin', 'adapter')}", "content-type": media_type}
    query = {
        "session_id": "s-1",
        "interaction_id": "i-1",
        "started_at": "2026-03-02T09:00:00Z",
        "ended_at": "2026-03-02T09:01:00Z",
    }

    async def pieces() -> Any:
        for _ in range(limit // 50_000 + 2):
            yield b"x" * 50_000

    async with httpx.AsyncClient(base_url=strict, trust_env=False, timeout=30) as client:
        announced = await client.post(path, params=query, headers=headers, content=b"x" * (limit + 1))
        assert (announced.status_code, announced.json()["code"]) == (413, "too_large")
        if (
            path == "/oidc/token"
        ):  # the strict gateway has no issuer of its own, so nobody reads the body there
            return
        unsaid = await client.post(path, params=query, headers=headers, content=pieces())
        assert (unsaid.status_code, unsaid.json()["code"]) == (413, "too_large")


async def test_no_socket_commands_more_than_it_may(target: Target, strict: httpx.URL) -> None:
    headers = {"authorization": f"Bearer {target.token('agent', subject='hasty')}"}
    url = f"ws://{strict.host}:{strict.port}/v1/agent/socket"
    answers: list[dict[str, Any]] = []
    async with websockets.connect(url, additional_headers=headers, proxy=None) as socket:
        for number in range(40):
            await socket.send(json.dumps({"id": f"c-{number}", "type": "typing", "interaction_id": "i"}))
        async with asyncio.timeout(20):
            while len(answers) < 40:
                frame = json.loads(await socket.recv())
                if frame["type"] == "refused":
                    answers.append(frame)

    codes = [answer["code"] for answer in answers]
    assert "rate_exceeded" in codes
    assert "contact_not_found" in codes
    problem = next(answer["problem"] for answer in answers if answer["code"] == "rate_exceeded")
    assert problem["status"] == 429


async def test_nobody_opens_more_sockets_than_he_may(target: Target, strict: httpx.URL) -> None:
    headers = {"authorization": f"Bearer {target.token('agent', subject='many-screens')}"}
    url = f"ws://{strict.host}:{strict.port}/v1/agent/socket"
    opened: list[Any] = []
    try:
        with pytest.raises(websockets.InvalidStatus) as refused:
            for _ in range(5):
                opened.append(await websockets.connect(url, additional_headers=headers, proxy=None))
                await asyncio.sleep(0.25)  # so that it is not the rate of requests that bites
    finally:
        await asyncio.gather(*(socket.close() for socket in opened))

    assert (len(opened), refused.value.response.status_code) == (3, 429)
    assert int(refused.value.response.headers["retry-after"]) >= 1
