"""POST /v1/events through the whole application, with a bus in memory."""

import json
from typing import Any

import pytest

from gateway.limits import EVENTS_BODY
from gateway.tests.doors import DeadBus, Door
from gateway.tests.test_cloudevents import PAGE, TRACE, document
from libs.events.base import AnyEvent

TOPIC = "trunkline.visitor"
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
BINARY = {
    "content-type": "application/json; charset=utf-8",
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "/web",
    "ce-type": "trunkline.visitor.page_viewed.v1",
}


async def send(door: Door, headers: dict[str, str], body: object, *roles: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await door.ask("POST", "/v1/events", *(roles or ("adapter",)), headers=headers, content=content)


def told(door: Door) -> list[AnyEvent]:
    return door.bus.told(TOPIC)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (STRUCTURED, document()),
        ({"content-type": "application/json"}, document()),
        (BINARY, PAGE),
    ],
    ids=["structured", "plain JSON", "binary"],
)
async def test_it_takes_one_event_in_every_form(headers: dict[str, str], body: object) -> None:
    door = Door()

    answer = await send(door, headers, body)

    assert (answer.status_code, answer.json()) == (202, {"id": "e-1", "status": "accepted"})
    assert [(event.id, event.tenant, event.key) for event in told(door)] == [("e-1", "demo", "v-1")]


@pytest.mark.parametrize("headers", [BATCH, {"content-type": "application/json"}])
async def test_it_takes_a_batch(headers: dict[str, str]) -> None:
    door = Door()

    answer = await send(door, headers, [document(id=f"e-{n}") for n in range(3)])

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 3
    assert [event.id for event in told(door)] == ["e-0", "e-1", "e-2"]


async def test_it_says_of_each_event_of_a_batch_what_became_of_it() -> None:
    door = Door()
    batch = [document(id="good"), document(id="bad", data={}), document(id="theirs", tenant="acme"), 7]

    answer = await send(door, BATCH, batch)

    assert answer.status_code == 200
    found = answer.json()
    assert (found["accepted"], found["refused"]) == (1, 3)
    rows = [(row["id"], row["status"], row.get("reason")) for row in found["results"]]
    assert rows == [
        ("good", "accepted", None),
        ("bad", "refused", "bad_data"),
        ("theirs", "refused", "foreign_tenant"),
        (None, "refused", "bad_envelope"),
    ]
    assert [event.id for event in told(door)] == ["good"]


async def test_it_continues_the_trace_of_the_request() -> None:
    door = Door()

    await send(door, {**STRUCTURED, "traceparent": TRACE}, document())

    assert told(door)[0].traceparent[3:35] == TRACE[3:35]


REFUSED: list[tuple[dict[str, str], object, int, str]] = [
    (STRUCTURED, b"{", 400, "bad_json"),
    (STRUCTURED, b"", 400, "bad_json"),
    (STRUCTURED, b'{"specversion": NaN}', 400, "bad_json"),
    (STRUCTURED, b"\xff\xfe", 400, "bad_json"),
    (STRUCTURED, b"[" * 5000, 400, "bad_json"),
    (STRUCTURED, [document()], 422, "bad_envelope"),
    (STRUCTURED, document(tenant="acme"), 403, "foreign_tenant"),
    (STRUCTURED, document("routing.contact_assigned"), 403, "type_not_allowed"),
    (STRUCTURED, document(data={"visitor_id": "v-1"}), 422, "bad_data"),
    (STRUCTURED, document(data={**PAGE, "title": "x" * 300_000}), 413, "too_large"),
    (STRUCTURED, b" " * (EVENTS_BODY + 1), 413, "too_large"),
    (BATCH, [], 422, "bad_batch"),
    (BATCH, document(), 422, "bad_batch"),
    (BATCH, [document()] * 501, 422, "bad_batch"),
    ({"content-type": "text/plain"}, b"hello", 415, "unsupported_media_type"),
    ({}, document(), 415, "unsupported_media_type"),
    ({**BINARY, "ce-tenant": "acme"}, PAGE, 403, "foreign_tenant"),
]


@pytest.mark.parametrize(("headers", "body", "status", "code"), REFUSED)
async def test_it_refuses_with_a_problem_and_publishes_nothing(
    headers: dict[str, str], body: object, status: int, code: str
) -> None:
    door = Door()

    answer = await send(door, headers, body)

    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert code in (answer.json()["code"], *(v["reason"] for v in answer.json().get("violations", ())))
    assert not door.bus.topics


async def test_it_counts_a_body_that_does_not_announce_its_length() -> None:
    door = Door()

    async def chunks() -> Any:
        for _ in range(40):
            yield b" " * 64 * 1024

    answer = await door.ask("POST", "/v1/events", "adapter", headers=STRUCTURED, content=chunks())

    assert answer.status_code == 413


@pytest.mark.parametrize("roles", [("agent",), ("admin",), ("analyst",), ("supervisor", "qa")])
async def test_it_takes_events_of_adapters_and_customers_only(roles: tuple[str, ...]) -> None:
    answer = await send(Door(), STRUCTURED, document(), *roles)

    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")


async def test_it_takes_no_events_without_a_token() -> None:
    answer = await Door().ask("POST", "/v1/events", headers=STRUCTURED, json=document())

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_it_says_that_the_bus_is_down_and_when_to_come_again() -> None:
    answer = await send(Door(DeadBus()), STRUCTURED, document())

    assert (answer.status_code, answer.json()["code"]) == (503, "bus_unreachable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_it_takes_no_more_events_of_a_tenant_than_it_may() -> None:
    door = Door(gateway_events_per_s=10)

    answer = await send(door, BATCH, [document(id=f"e-{n}") for n in range(11)])

    assert (answer.status_code, answer.json()["code"]) == (429, "rate_exceeded")
    assert "retry-after" in answer.headers
