"""Keys, cursors and versions of others: replayed, tampered with, and used where they do not belong."""

import asyncio
import base64
from uuid import uuid4

import httpx
import pytest

from tests.attacks.conftest import Target, raw

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

TICKET = {"type": "question", "subject": "idempotent"}


@pytest.fixture
def headers(target: Target) -> dict[str, str]:
    return {"authorization": f"Bearer {target.token('admin')}"}


async def opened(
    client: httpx.AsyncClient, headers: dict[str, str], key: str, **changes: str
) -> httpx.Response:
    return await client.post("/v1/tickets", headers=headers | {"idempotency-key": key}, json=TICKET | changes)


async def test_a_key_stands_for_one_request_of_one_person(target: Target, headers: dict[str, str]) -> None:
    key = uuid4().hex
    same_tenant = {"authorization": f"Bearer {target.token('admin', subject='another')}"}
    other_tenant = {"authorization": f"Bearer {target.token('admin', of=target.theirs)}"}
    async with target.client() as client:
        first = await opened(client, headers, key)
        again = await opened(client, headers, key)
        changed = await opened(client, headers, key, subject="something else")
        other_path = await client.post(
            f"/v1/tickets/{first.json()['ticket_id']}/resolve",
            headers=headers | {"idempotency-key": key},
            json={},
        )
        colleague = await opened(client, same_tenant, key)
        stranger = await opened(client, other_tenant, key)

    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert (changed.status_code, changed.json()["code"]) == (409, "idempotency_key_reused")
    assert other_path.status_code == 409
    for somebody in (colleague, stranger):
        assert somebody.status_code == 201
        assert "idempotency-replayed" not in somebody.headers
        assert somebody.json()["ticket_id"] != first.json()["ticket_id"]


async def test_a_key_used_many_times_at_once_does_it_once(target: Target, headers: dict[str, str]) -> None:
    key = uuid4().hex
    async with target.client() as client:
        answers = await asyncio.gather(*(opened(client, headers, key) for _ in range(30)))

    made = {answer.json()["ticket_id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {201, 409, 503}


@pytest.mark.parametrize("key", ["x" * 129, "x" * 50_000, "a b", "\x7f", "'; drop table--"])
async def test_no_monstrous_key_is_taken(target: Target, headers: dict[str, str], key: str) -> None:
    async with target.client() as client:
        answer = await opened(client, headers, key)

    assert answer.status_code in (400, 422, 431)


async def some_customers(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    """Return the cursor of a list of several pages."""
    for number in range(3):
        identity = {"kind": "custom", "value": uuid4().hex}
        made = {"name": f"Page {number}", "identities": [identity], "tags": ["paged"]}
        assert (await client.post("/v1/customers", headers=headers, json=made)).status_code == 201
    page = await client.get("/v1/customers", params={"tag": "paged", "limit": 1}, headers=headers)
    return str(page.json()["next_cursor"])


async def test_a_cursor_leads_on_in_its_own_list_only(target: Target, headers: dict[str, str]) -> None:
    other_tenant = {"authorization": f"Bearer {target.token('admin', of=target.theirs)}"}
    async with target.client() as client:
        cursor = await some_customers(client, headers)
        good = {"tag": "paged", "limit": "1", "cursor": cursor}
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        tampered = [
            base64.urlsafe_b64encode(raw[:12] + b"WyIiLCAiIl0").decode().rstrip("="),
            base64.urlsafe_b64encode(raw[12:]).decode().rstrip("="),
            base64.urlsafe_b64encode(bytes(12) + raw[12:]).decode().rstrip("="),
            base64.urlsafe_b64encode(raw[:-1] + b"\x00").decode().rstrip("="),
            cursor[:-4],
            f"{cursor}AAAA",
            "é",
            "=" * 1000,
            '{"$gt": ""}',
        ]
        refused = [
            await client.get("/v1/customers", params=good, headers=other_tenant),
            await client.get("/v1/customers", params=good | {"tag": "other"}, headers=headers),
            await client.get("/v1/customers", params=good | {"text": "x"}, headers=headers),
            await client.get("/v1/tickets", params={"cursor": cursor}, headers=headers),
            *[
                await client.get("/v1/customers", params=good | {"cursor": each}, headers=headers)
                for each in tampered
            ],
        ]
        taken = await client.get("/v1/customers", params=good, headers=headers)

    assert taken.status_code == 200
    assert [answer.status_code for answer in refused] == [422] * len(refused)


ETAGS = [
    '"999999999999999999999"',
    '"-1"',
    '"1", "2"',
    "*, *",
    '"1\u00b2"',
    '"0x1"',
    '"1e3"',
    "W/",
    '"\u0661"',
    "x",
]


@pytest.mark.parametrize("etag", ETAGS)
async def test_a_version_that_is_none_changes_nothing(
    target: Target, headers: dict[str, str], etag: str
) -> None:
    url = f"/v1/customers/{target.mine.ids['customer_id']}"
    async with target.client() as client:
        before = await client.get(url, headers=headers)
        sent = raw(headers | {"if-match": etag})
        answer = await client.patch(url, headers=sent, json={"tags": ["stolen"]})
        after = await client.get(url, headers=headers)

    assert answer.status_code in (412, 422)
    assert after.json() == before.json()


async def test_two_who_change_the_same_version_do_not_both_succeed(
    target: Target, headers: dict[str, str]
) -> None:
    async with target.client() as client:
        opened_one = await opened(client, headers, uuid4().hex)
        url = f"/v1/tickets/{opened_one.json()['ticket_id']}/comments"
        sent = headers | {"if-match": opened_one.headers["etag"]}
        answers = await asyncio.gather(
            *(client.post(url, headers=sent, json={"text": f"comment {number}"}) for number in range(10))
        )

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 9
