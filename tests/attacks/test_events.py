"""Malformed, foreign and poisoned CloudEvents, one by one and in batches; nothing of it reaches the bus."""

import base64
import copy
import json
from typing import Any
from uuid import uuid4

import pytest

from gateway.cloudevents import TAKEN
from libs.events.catalogue import BY_TYPE
from tests.attacks.conftest import Target
from tests.attacks.poison import VALUES, poisoned
from tests.attacks.reading import records_of
from tests.attacks.surface import gathered, nothing_in

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
DATA: dict[str, Any] = {
    "interaction_id": "i-attack",
    "message_id": "m-1",
    "author": "customer",
    "pii": {"text": "hello"},
}
SENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/attack",
    "type": "trunkline.interaction.message_sent.v1",
    "time": "2026-03-02T09:30:00.000Z",
    "correlationid": "jo-attack",
    "sequence": "1",
    "data": DATA,
}
PLACES: list[tuple[str, ...]] = [
    (),
    *((name,) for name in SENT),
    *(("data", name) for name in DATA),
    ("data", "pii", "text"),
    ("tenant",),
    ("traceparent",),
    ("causationid",),
    ("datacontenttype",),
    ("__proto__",),
]


async def test_no_value_in_an_event_upsets_the_door(target: Target) -> None:
    headers = {"authorization": f"Bearer {target.mint.token('fuzz', 'adapter', 'adapter')}"}

    async def sent(what: str, text: str, media_type: str) -> str | None:
        content = (f"[{text}]" if media_type == BATCH else text).encode()
        answer = await client.post(
            "/v1/events", headers=headers | {"content-type": media_type}, content=content
        )
        if answer.status_code >= 500 or answer.status_code == 401:
            return f"{what} as {media_type}: {answer.status_code} {answer.text[:200]}"
        return None

    async with target.client() as client:
        jobs = [
            sent(f"{'.'.join(place)} = {name}", poisoned(copy.deepcopy(SENT), place, value), media_type)
            for place in PLACES
            for name, value in VALUES.items()
            for media_type in (STRUCTURED, BATCH)
        ]
        nothing_in(await gathered(jobs, kind="events"))


HEADERS: dict[str, dict[bytes, bytes]] = {
    "no type": {b"ce-type": b""},
    "no id": {b"ce-id": b""},
    "an id of percents": {b"ce-id": b"%00%0a"},
    "a bad percent": {b"ce-id": b"%zz%"},
    "bytes": {b"ce-id": b"\xff\xfe"},
    "a long source": {b"ce-source": b"x" * 10_000},
    "another version": {b"ce-specversion": b"0.3"},
    "another tenant": {b"ce-tenant": b"acme"},
    "a trace": {b"ce-traceparent": b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00"},
    "a sequence": {b"ce-sequence": b"-1"},
    "a big sequence": {b"ce-sequence": b"9" * 30},
    "a time": {b"ce-time": b"9999-12-31T23:59:59-14:00"},
    "another time": {b"ce-time": b"0001-01-01T00:00:00+14:00"},
    "data in a header": {b"ce-data": b'{"interaction_id": "x"}'},
    "operator": {b"ce-correlationid": b'{"$ne": 1}'},
}


@pytest.mark.parametrize("name", HEADERS)
async def test_no_header_of_a_binary_event_upsets_the_door(target: Target, name: str) -> None:
    token = target.mint.token("fuzz", "adapter", "adapter")
    headers = {
        b"authorization": f"Bearer {token}".encode(),
        b"content-type": b"application/json",
        b"ce-specversion": b"1.0",
        b"ce-id": uuid4().hex.encode(),
        b"ce-source": b"/attack",
        b"ce-type": b"trunkline.interaction.message_sent.v1",
    }
    async with target.client() as client:
        answer = await client.post("/v1/events", headers=headers | HEADERS[name], json=DATA)

    assert answer.status_code in (202, 403, 422), answer.text
    if name not in ("a trace", "data in a header", "a bad percent"):
        assert answer.status_code != 202, name


BATCHES: dict[str, bytes] = {
    "empty": b"[]",
    "an object": b"{}",
    "too many": json.dumps([SENT] * 501).encode(),
    "of batches": json.dumps([[SENT]]).encode(),
    "of everything": b'[null, 1, "x", [], {}, true, 1.5]',
    "deep": b"[" * 100_000,
    "one too large": json.dumps([SENT | {"data": DATA | {"x": "x" * 300_000}}]).encode(),
    "of a million": b"[" + b"0," * 500_000 + b"0]",
    "broken": b'[{"specversion": "1.0"',
    "NaN": b"[NaN]",
    "base64": json.dumps([{**SENT, "data_base64": base64.b64encode(b"{}").decode(), "data": None}]).encode(),
}


@pytest.mark.parametrize("name", BATCHES)
async def test_no_batch_upsets_the_door(target: Target, name: str) -> None:
    headers = {
        "authorization": f"Bearer {target.mint.token('fuzz', 'adapter', 'adapter')}",
        "content-type": BATCH,
    }
    async with target.client() as client:
        answer = await client.post("/v1/events", headers=headers, content=BATCHES[name])

    assert answer.status_code in (200, 400, 413, 422), answer.text[:300]
    if answer.status_code == 200:
        assert answer.json()["accepted"] == 0


async def test_nobody_tells_what_is_not_his_to_tell(target: Target) -> None:
    """Facts of the platform, of another tenant, and of another visitor: refused, and not on the bus."""
    mark = uuid4().hex
    visitor = {"visitor_id": f"v-{mark}", "url": "https://shop.example/"}
    viewed = SENT | {"type": "trunkline.visitor.page_viewed.v1", "data": visitor}
    adapter, customer = target.token("adapter"), target.token("customer")
    forged = [
        *((adapter, SENT | {"type": name}) for name in BY_TYPE if name not in TAKEN),
        (adapter, SENT | {"tenant": target.theirs.tenant}),
        (adapter, SENT | {"type": "trunkline.interaction.message_sent.v2"}),
        (customer, SENT),
        (customer, viewed),
        (customer, viewed | {"data": visitor | {"visitor_id": target.theirs.ids["visitor_id"]}}),
    ]

    async def refused(place: int, token: str, event: dict[str, Any]) -> str | None:
        headers = {"authorization": f"Bearer {token}", "content-type": STRUCTURED}
        sent = event | {"id": f"{mark}-{place}"}
        answer = await client.post("/v1/events", headers=headers, json=sent)
        good = answer.status_code in (403, 422)
        return None if good else f"{event['type']}: {answer.status_code} {answer.text[:200]}"

    async with target.client() as client:
        found = await gathered((refused(n, *each) for n, each in enumerate(forged)), kind="events")

    nothing_in(found)
    topics = sorted({fact.topic() for fact in BY_TYPE.values()})
    records = await records_of(target.stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"], topics)
    assert [each for each in records if mark in str(each.headers)] == []


async def test_an_event_told_again_and_again_is_one(target: Target) -> None:
    """A replayed delivery is accepted, so that its sender is content, and changes nothing."""
    mark = uuid4().hex
    page = {"visitor_id": target.mine.ids["visitor_id"], "url": f"https://shop.example/{mark}"}
    event = SENT | {"type": "trunkline.visitor.page_viewed.v1", "id": mark, "data": page, "correlationid": ""}
    headers = {"authorization": f"Bearer {target.token('adapter')}", "content-type": STRUCTURED}
    async with target.client() as client:
        answers = await gathered(
            (client.post("/v1/events", headers=headers, json=event) for _ in range(20)), kind="events"
        )
        admin = {"authorization": f"Bearer {target.token('admin')}"}
        url = f"/v1/sessions/{target.mine.ids['session_id']}/journey?limit=500"
        seen = 0
        for _ in range(100):
            entries = (await client.get(url, headers=admin)).text
            seen = entries.count(f"https://shop.example/{mark}")
            if seen:
                break

    assert {answer.status_code for answer in answers} == {202}
    assert seen == 1
