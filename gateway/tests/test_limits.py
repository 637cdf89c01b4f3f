"""Rates: what is let through in a second, and to whom it is charged."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway.limits import BodyLimit, Rates, TooLarge, body_limits
from gateway.settings import GatewaySettings
from libs.errors import Exhausted


def rates(**limits: int) -> Rates:
    return Rates(GatewaySettings.model_validate(limits))


def test_it_takes_about_as_many_events_as_the_limit_says_and_no_more() -> None:
    limited = rates(gateway_events_per_s=1000)
    taken = 0

    with pytest.raises(Exhausted) as refused:
        while taken <= 3000:  # a second may end on the way
            limited.count_events("demo", 7)
            taken += 7

    assert taken <= 2000
    assert taken > 900
    assert refused.value.retry_after_s == 1


def test_it_charges_one_tenant_nothing_for_another() -> None:
    limited = rates(gateway_events_per_s=10)
    limited.count_events("demo", 10)

    limited.count_events("acme", 10)


def test_it_takes_no_batch_larger_than_the_limit() -> None:
    with pytest.raises(Exhausted):
        rates(gateway_events_per_s=10).count_events("demo", 11)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/v1/events", 1024 * 1024),
        ("/v1/customers/import", 4 * 1024 * 1024),
        ("/v1/recordings", 64 * 1024 * 1024),
        ("/v1/tickets", 256 * 1024),
        ("/v1/recordings/../events", 256 * 1024),
    ],
)
def test_it_knows_how_large_a_body_a_path_takes(path: str, limit: int) -> None:
    assert body_limits(GatewaySettings())(path) == limit


async def test_it_says_too_large_where_an_upload_is_cancelled_by_its_reader() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            while (await receive())["more_body"]:
                pass
        except TooLarge:
            raise asyncio.CancelledError from None  # as gRPC does

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * 10, "more_body": True}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    await BodyLimit(app, lambda path: 25)(scope, receive, send)

    assert sent[0]["status"] == 413
