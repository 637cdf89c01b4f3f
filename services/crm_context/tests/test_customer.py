"""What becomes of a customer's record, command by command."""

import json
from typing import Any

import pytest

from libs.errors import Conflict, NotFound, Refusal, Refused
from libs.events import workflow
from libs.events.base import AnyEvent
from libs.stored import Key
from services.crm_context.domain.commands import ContactNoted, Delete, MergedAway, MergeInto, NotedContact
from services.crm_context.domain.customer import Customer, blank, decide
from services.crm_context.domain.finding import asked_of, masked, words_of
from services.crm_context.tests.making import MAIL, NOON, ZHANG, at, event, upsert

CREATED = upsert(0, name="张伟", identities=(ZHANG,), tags=("gold",), vip_level=2)


def run(*events: AnyEvent) -> tuple[Customer, list[AnyEvent]]:
    customer = blank(Key("acme", "c-1"))
    facts: list[AnyEvent] = []
    for each in events:
        customer, told = decide(customer, each, each.time)
        facts += told
    return customer, facts


def delete(seconds: float, **said: Any) -> AnyEvent:
    return event(Delete(customer_id="c-1", **said), seconds)


def merge(seconds: float, target: str = "c-2") -> AnyEvent:
    return event(MergeInto(customer_id="c-1", target_id=target), seconds)


def noted(seconds: float, interaction_id: str = "i-1", **said: Any) -> AnyEvent:
    contact = NotedContact(
        session_id="s-1",
        interaction_id=interaction_id,
        time=at(seconds).isoformat(),
        channel="chat",
        outcome=said.pop("outcome", "handled"),
        agent_id=said.pop("agent_id", "agent1"),
        **said,
    )
    return event(ContactNoted(customer_id="c-1", contact=contact), seconds)


CASES: dict[str, tuple[list[AnyEvent], list[str], int]] = {
    "creates": ([CREATED], ["customer_created"], 1),
    "changes": ([CREATED, upsert(1, name="张薇")], ["customer_created", "customer_updated"], 2),
    "says nothing of what is no change": ([CREATED, upsert(1, name="张伟")], ["customer_created"], 1),
    "changes at the expected version": (
        [CREATED, upsert(1, vip_level=5, expected_version=1)],
        ["customer_created", "customer_updated"],
        2,
    ),
    "creates where none is expected": ([upsert(0, name="x", expected_version=0)], ["customer_created"], 1),
    "deletes": ([CREATED, delete(1)], ["customer_created", "customer_deleted"], 2),
    "creates anew what was deleted": (
        [CREATED, delete(1), upsert(2, name="x")],
        ["customer_created", "customer_deleted", "customer_created"],
        3,
    ),
    "gives all up when merged": ([CREATED, merge(1)], ["customer_created", "merged_away"], 2),
    "merges once": ([CREATED, merge(1), merge(2)], ["customer_created", "merged_away"], 2),
    "hands on what is noted of a merged one": (
        [CREATED, merge(1), noted(2)],
        ["customer_created", "merged_away", "contact_noted"],
        2,
    ),
    "notes contacts without a new version": ([CREATED, noted(1)], ["customer_created"], 1),
    "notes nothing of whom it does not know": ([noted(1)], [], 0),
}


@pytest.mark.parametrize(("events", "kinds", "version"), CASES.values(), ids=CASES.keys())
def test_it(events: list[AnyEvent], kinds: list[str], version: int) -> None:
    customer, facts = run(*events)

    assert [each.type.split(".")[2].removesuffix("_customer") for each in facts] == kinds
    assert customer.version == version


@pytest.mark.parametrize(
    ("before", "command", "refusal"),
    [
        ([CREATED], upsert(9, name="x", expected_version=2), Conflict),
        ([CREATED], upsert(9, name="x", expected_version=0), Conflict),
        ([], upsert(9, name="x", expected_version=1), Conflict),
        ([], upsert(9, name="x", only_existing=True), NotFound),
        ([CREATED, delete(1)], upsert(9, name="x", only_existing=True), NotFound),
        ([CREATED, merge(1)], upsert(9, name="x"), Refused),
        ([CREATED], delete(9, expected_version=7), Conflict),
        ([], delete(9), NotFound),
        ([CREATED, delete(1)], delete(9), NotFound),
        ([], merge(9), NotFound),
        ([CREATED, merge(1)], merge(9, "c-3"), NotFound),
    ],
)
def test_it_refuses(before: list[AnyEvent], command: AnyEvent, refusal: type[Refusal]) -> None:
    customer, _ = run(*before)

    with pytest.raises(refusal):
        decide(customer, command, at(9))


def test_it_takes_over_what_a_merged_record_had() -> None:
    parting = MergedAway(
        customer_id="c-1",
        merged_id="c-0",
        name="Zhang Wei",
        identities=(ZHANG, MAIL),
        profile='{"city": "Xi\'an", "card": 1}',
        tags=("gold", "fund"),
        vip_level=5,
        merged_ids=("c-00",),
        contacts=(noted(5, "i-9").data.contact,),  # type: ignore[attr-defined]  # of ContactNoted
    )

    customer, facts = run(
        upsert(0, name="张伟", identities=(ZHANG,), profile='{"card": 2}'), noted(9), event(parting, 10)
    )

    assert (customer.name, customer.identities, customer.vip_level) == ("张伟", (ZHANG, MAIL), 5)
    assert json.loads(customer.profile) == {"city": "Xi'an", "card": 2}
    assert customer.merged_ids == ("c-0", "c-00")
    assert [each.interaction_id for each in customer.contacts] == ["i-1", "i-9"]
    assert facts[-1].type == "trunkline.crm_context.customer_merged.v1"


def test_it_forgets_everything_of_a_deleted_customer() -> None:
    customer, facts = run(CREATED, noted(1), delete(2))

    assert customer == Customer("c-1", 2, deleted=True, updated_at=at(2))
    assert "pii" not in facts[-1].data.model_dump()


@pytest.mark.parametrize(
    ("events", "agents"),
    [
        ([noted(0, agent_id="ana"), noted(9, "i-2", agent_id="bob")], ("bob", "ana")),
        ([noted(0, agent_id="ana"), noted(9, "i-2", agent_id="", outcome="self_served")], ("ana",)),
        ([noted(0, agent_id="ana"), upsert(1, preferred_agent_id="carl")], ("carl", "ana")),
        ([noted(0, agent_id="ana"), upsert(1, preferred_agent_id="ana")], ("ana",)),
        ([noted(-31 * 86_400, agent_id="ana")], ()),
        (
            [noted(each, f"i-{each}", agent_id=f"a{each}") for each in range(9)],
            ("a8", "a7", "a6", "a5", "a4"),
        ),
        ([], ()),
    ],
)
def test_it_prefers_the_named_agent_then_the_last_ones(
    events: list[AnyEvent], agents: tuple[str, ...]
) -> None:
    customer, _ = run(CREATED, *events)

    assert customer.agents_at(at(20), 30) == agents


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"preferred_agent_id": "carl", "tags": ("gold", "account_manager_only")}, (True, 0.0)),
        ({"tags": ("account_manager_only",)}, (False, 0.0)),
        ({"preferred_agent_id": "carl", "profile": '{"value": 120000}'}, (False, 120_000.0)),
        ({"profile": '{"value": "rich"}'}, (False, 0.0)),
        ({"profile": '{"value": true}'}, (False, 0.0)),
        ({"profile": '{"value": 1e300}'}, (False, 0.0)),
    ],
)
def test_it_says_who_has_his_own_agent_and_what_he_is_worth(
    said: dict[str, Any], expected: tuple[bool, float]
) -> None:
    customer, _ = run(CREATED, upsert(1, **said))

    assert (customer.has_his_own_agent, customer.value) == expected


def test_it_keeps_what_became_known_of_a_contact_later() -> None:
    customer, _ = run(CREATED, noted(1), noted(1, codes=("card",), csat=4))

    (contact,) = customer.contacts
    assert (contact.codes, contact.csat) == (("card",), 4)


def test_it_keeps_tickets_as_they_stand() -> None:
    opened = workflow.TicketOpened(
        ticket_id="t-1",
        customer_id="c-1",
        ticket_type="card_loss",
        priority="high",
        pii=workflow.OpenedPii(subject="卡丢了"),
    )
    assigned = workflow.TicketAssigned(ticket_id="t-1", agent_id="ana")
    closed = workflow.TicketClosed(ticket_id="t-1")

    customer, _ = run(CREATED, event(opened, 1), event(assigned, 2))
    after, _ = decide(customer, event(closed, 3), at(3))

    (ticket,) = customer.open_tickets
    assert (ticket.status, ticket.priority, ticket.subject, ticket.opened_at) == (
        "assigned",
        "high",
        "卡丢了",
        at(1),
    )
    assert after.open_tickets == ()


@pytest.mark.parametrize(
    "asked", ["张", "伟", "张伟", "zhang@", "example.com", "138001", "+86138", "86138", "gold"]
)
def test_it_is_found_by_the_beginning_of_its_words(asked: str) -> None:
    customer, _ = run(upsert(0, name="张伟", identities=(ZHANG, MAIL), tags=("Gold",)))

    (word,) = asked_of(asked)
    assert any(each.startswith(word) for each in words_of(customer))


@pytest.mark.parametrize(
    ("identity", "seen"),
    [
        (ZHANG, "+86138****8000"),
        (MAIL, "z***@example.com"),
        (ZHANG.model_copy(update={"kind": "openid", "value": "oAb"}), "o***b"),
        (ZHANG.model_copy(update={"kind": "openid", "value": "o"}), "***o"),
    ],
)
def test_it_masks_identities(identity: Any, seen: str) -> None:
    assert masked(identity).value == seen


def test_it_dates_what_it_creates() -> None:
    customer, _ = run(CREATED, upsert(5, vip_level=9))

    assert (customer.created_at, customer.updated_at) == (NOON, at(5))
