"""Events from outside: what is taken, what is refused, and what is added."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.cloudevents import NotTaken, document_of, event_of
from gateway.journeys import interaction_journey, visitor_journey
from gateway.tests.making import NOON, principal
from libs.telemetry import rooted

PAGE = {"visitor_id": "v-1", "url": "https://bank.example"}
STARTED = {"interaction_id": "in-1", "channel": "chat", "entry_point": "web-chat"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ADAPTER = principal("adapter", subject="adapter1")


def document(kind: str = "visitor.page_viewed", data: object = PAGE, **changes: Any) -> dict[str, Any]:
    made = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/web",
        "type": f"trunkline.{kind}.v1",
        "time": "2026-03-02T11:59:00.123456+00:00",
        "data": data,
    }
    return {name: value for name, value in (made | changes).items() if value is not None}


def test_it_puts_the_tellers_tenant_on_the_event() -> None:
    event = event_of(document(), ADAPTER, NOON, "")

    assert (event.id, event.tenant, event.type) == ("e-1", "demo", "trunkline.visitor.page_viewed.v1")
    assert event.time.microsecond == 123_000
    assert event.traceparent == rooted("e-1")


JOURNEYS = [
    (document(), visitor_journey("demo", "v-1")),
    (document("interaction.started", {**STARTED, "visitor_id": "v-1"}), visitor_journey("demo", "v-1")),
    (document("interaction.started", STARTED), interaction_journey("demo", "in-1")),
    (
        document("interaction.ended", {"interaction_id": "in-1", "by": "customer"}),
        interaction_journey("demo", "in-1"),
    ),
    (document(correlationid="jo-7"), "jo-7"),
]


@pytest.mark.parametrize(("given", "journey"), JOURNEYS)
def test_it_finds_the_journey_an_event_belongs_to(given: dict[str, Any], journey: str) -> None:
    assert event_of(given, ADAPTER, NOON, "").journey_id == journey


def test_it_continues_the_trace_of_the_request_unless_the_event_has_its_own() -> None:
    of_request = event_of(document(), ADAPTER, NOON, TRACE).traceparent
    own = event_of(document(traceparent=TRACE), ADAPTER, NOON, "").traceparent

    assert of_request[:35] == TRACE[:35]
    assert of_request != TRACE
    assert own == TRACE


def test_it_takes_what_happened_long_ago_and_a_clock_a_little_ahead() -> None:
    long_ago = event_of(document(time="1999-02-01T00:00:00Z"), ADAPTER, NOON, "")
    ahead = event_of(document(time=(NOON + timedelta(minutes=4)).isoformat()), ADAPTER, NOON, "")

    assert long_ago.time.year == 1999
    assert ahead.time > NOON


def test_it_takes_now_for_an_event_without_time() -> None:
    assert event_of(document(time=None), ADAPTER, NOON, "").time == NOON


REFUSED = [
    ("text", "bad_envelope"),
    (document(specversion="0.3"), "bad_envelope"),
    (document(id=None), "bad_envelope"),
    (document(id=""), "bad_envelope"),
    (document(id={"$gt": ""}), "bad_envelope"),
    (document(id="x" * 129), "bad_envelope"),
    (document(id="with space"), "bad_envelope"),
    (document(source=None), "bad_envelope"),
    (document(type=None), "no_type"),
    (document(type=7), "no_type"),
    (document("visitor.page_burnt"), "unknown_type"),
    (document(type="trunkline.visitor.page_viewed.v2"), "unknown_type"),
    (document("routing.contact_assigned"), "type_not_allowed"),
    (document("queue.offer_accepted"), "type_not_allowed"),
    (document(tenant="acme"), "foreign_tenant"),
    (document(tenant=["demo"]), "foreign_tenant"),
    (document(data=None), "bad_data"),
    (document(data=[]), "bad_data"),
    (document(data={"visitor_id": "v-1"}), "bad_data"),
    (document(data={**PAGE, "visitor_id": "a/b"}), "bad_data"),
    (document(data={**PAGE, "visitor_id": {"$ne": 1}}), "bad_data"),
    (document(time="yesterday"), "bad_time"),
    (document(time="2026-03-02T11:59:00"), "bad_time"),
    (document(time=1772452740), "bad_time"),
    (document(time="2026-03-02T12:06:00Z"), "time_in_future"),
    (document(time="0001-01-01T00:00:00+14:00"), "bad_time"),
    (document(correlationid="a b"), "bad_envelope"),
    (document(correlationid={"a": 1}), "bad_envelope"),
    (document(sequence="-1"), "bad_envelope"),
    (document(sequence=True), "bad_envelope"),
]


@pytest.mark.parametrize(("given", "reason"), REFUSED)
def test_it_refuses_an_event_and_says_why(given: object, reason: str) -> None:
    with pytest.raises(NotTaken) as refused:
        event_of(given, ADAPTER, NOON, "")

    assert refused.value.reason == reason


def test_it_never_repeats_what_stood_in_a_bad_event() -> None:
    bad = document("interaction.started", {**STARTED, "channel": "+8613800000001"})

    with pytest.raises(NotTaken) as refused:
        event_of(bad, ADAPTER, NOON, "")

    assert "138" not in f"{refused.value.detail} {refused.value.violations}"


CUSTOMER = principal("customer", subject="v-1")


def test_it_lets_a_customer_tell_of_his_own_visit() -> None:
    assert event_of(document(), CUSTOMER, NOON, "").key == "v-1"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (document(data={**PAGE, "visitor_id": "v-2"}), "foreign_visitor"),
        (document("interaction.started", STARTED), "type_not_allowed"),
    ],
)
def test_it_lets_a_customer_tell_of_nothing_else(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotTaken) as refused:
        event_of(given, CUSTOMER, NOON, "")

    assert refused.value.reason == reason


def test_it_reads_attributes_from_headers_in_binary_mode() -> None:
    headers = {"ce-id": "e%2D1", "ce-type": "t", "content-type": "application/json", "ce-specversion": "1.0"}

    assert document_of(headers, PAGE) == {"id": "e-1", "type": "t", "specversion": "1.0", "data": PAGE}
