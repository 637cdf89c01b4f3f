"""What people do: customers, agents, supervisors, the adapter of an outside ACD, and a vandal."""

import asyncio
from collections.abc import Sequence
from typing import Any

from libs.events import interaction, queue, visitor
from libs.events.base import Fact, Identity
from libs.wire import Record
from services.crm_context.domain.commands import Upsert
from tests.simulation.outside import Door
from tests.simulation.script import Person

POOL = "main"
QUEUES = ("service", "sales", "vip")
Task = asyncio.Task[None]


class Doings:
    """What one person has begun and not yet done."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._group: set[Task] = set()

    def begin(self, doing: Any) -> None:
        task = self.door.world.spawn(doing)
        self._group.add(task)
        task.add_done_callback(self._group.discard)


def phone_of(person: Person) -> Identity:
    """Return the number of a customer; tenants have customers of the same numbers."""
    return Identity(kind="custom", value=f"PII-phone-{person.name.rpartition('-')[2]}")


def on_record(people: Sequence[Person]) -> list[tuple[str, Upsert]]:
    """Return the records that tenants have of customers they know."""
    return [
        (
            each.tenant,
            Upsert(
                customer_id=f"cu-{each.name}",
                name=f"PII-name-{each.name} CANARY-{each.tenant}",
                identities=(phone_of(each),),
                vip_level=each.traits.get("vip", 0),
                preferred_agent_id=each.traits.get("prefers", ""),
            ),
        )
        for each in people
        if each.kind == "customer" and each.traits.get("on_record")
    ]


async def customer(door: Door) -> None:
    """Look around, start a contact, choose, talk, leave, answer the survey; in the ways of `traits`."""
    person, traits = door.person, door.person.traits
    doings = Doings(door)
    phone = phone_of(person)
    visitor_id = f"v-{traits['visitor']}" if traits.get("visitor") else ""
    for number in range(traits.get("pages", 0)):
        await door.tell(visitor.PageViewed(visitor_id=visitor_id or "v-none", url=f"https://bank/{number}"))
    interaction_id = f"i-{person.name}"
    start = interaction.Started(
        interaction_id=interaction_id,
        channel=traits["channel"],
        entry_point=traits["entry_point"],
        language="en",
        visitor_id=visitor_id,
        pii=interaction.StartedPii(
            identities=(phone,) if traits.get("named") else (), display_name=f"PII-name-{person.name}"
        ),
    )
    if traits.get("login") and visitor_id:
        told = visitor.Identified(visitor_id=visitor_id, pii=visitor.IdentifiedPii(identities=(phone,)))
        doings.begin(_later(door, traits["login"], told))
    for _ in range(traits.get("clicks", 1)):  # each click is an event of its own
        await door.tell(start)
    leaving = Leaving(door, doings, interaction_id)
    if traits.get("patience"):
        leaving.after(traits["patience"])
    choices = list(traits.get("choices", ()))
    async for frame in door.of_interaction(interaction_id):
        kind = frame["type"]
        if kind == traits.get("leave_at"):
            leaving.after(traits.get("leave_after", 0.0))
        match kind:
            case "input_expected" if not leaving.gone:
                said = choices.pop(0) if choices else "0"
                if said == "silence":
                    continue
                doings.begin(
                    _later(door, traits.get("thinks", 1.0), _input(interaction_id, said, person.name))
                )
            case "agent_joined" if not leaving.gone:
                for number in range(traits.get("says", 0)):
                    doings.begin(_later(door, 0.3 * number, _message(door, interaction_id, number)))
            case "survey_requested":
                for number in range(traits.get("surveys", 0)):
                    late = 90.0 if traits.get("late_survey") else 0.5 * number
                    answer = interaction.SurveySubmitted(interaction_id=interaction_id, csat=1 + number % 5)
                    doings.begin(_later(door, late, answer))


class Leaving:
    """A customer hangs up once, or says it twice."""

    def __init__(self, door: Door, doings: Doings, interaction_id: str) -> None:
        self._door = door
        self._doings = doings
        self._interaction_id = interaction_id
        self.gone = False

    def after(self, seconds: float) -> None:
        self._doings.begin(self._leave(seconds))

    async def _leave(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.gone:
            return
        self.gone = True
        for _ in range(self._door.person.traits.get("goodbyes", 1)):
            await self._door.tell(interaction.Ended(interaction_id=self._interaction_id, by="customer"))


async def _later(door: Door, seconds: float, *facts: Fact, times: int = 1) -> None:
    await asyncio.sleep(seconds)
    await door.tell(*facts, times=times)


def _input(interaction_id: str, said: str, name: str) -> Fact:
    value = said if said.isdigit() else f"{said} PII-said-{name}"
    pii = interaction.InputPii(value=value)
    return interaction.InputReceived(interaction_id=interaction_id, kind="choice", pii=pii)


def _message(door: Door, interaction_id: str, number: int) -> Fact:
    return interaction.MessageSent(
        interaction_id=interaction_id,
        message_id=f"{interaction_id}-{number}",
        author="customer",
        pii=interaction.MessagePii(text=f"PII-text-{number} CANARY-{door.person.tenant}"),
    )


async def agent(door: Door) -> None:
    """Sign in, be ready, answer each offer and serve each contact as the next act says, sign out."""
    person = door.person
    doings = Doings(door)
    named: dict[str, str] = {"pool_id": POOL, "agent_id": person.name}
    await door.tell(queue.AgentSignedIn(**named))
    await door.tell(queue.AgentStateRequested(**named, state="ready"))
    doings.begin(_later(door, person.traits["shift_s"], queue.AgentSignedOut(**named)))
    acts: list[dict[str, Any]] = list(person.acts)
    act: dict[str, Any]
    async for frame in door.of_agent():
        data = frame["data"]
        match frame["type"]:
            case "offer":
                act = acts.pop(0) if acts else {"answer": "accept"}
                doings.begin(_answer(door, named, data, act))
            case "assigned":
                act = acts.pop(0) if acts else {"serve": "end", "after": 5.0}
                doings.begin(_serve(door, named, data, act))
            case "released":
                act = acts.pop(0) if acts else {}
                notes = queue.NotesPii(notes=f"PII-note-{person.name}")
                wrapped = queue.WrapUpCompleted(
                    **named, contact_id=data["contact_id"], codes=("done",), pii=notes
                )
                for number in range(act.get("wraps", 1)):
                    doings.begin(_later(door, act.get("after", 1.0) + 0.2 * number, wrapped))
            case "state":
                if data["state"] == "not_ready" and data["reason"] in ("no_answer", "declined"):
                    ready = queue.AgentStateRequested(**named, state="ready")
                    doings.begin(_later(door, person.traits.get("comes_back_s", 3.0), ready))


async def _answer(door: Door, named: dict[str, str], data: dict[str, Any], act: dict[str, Any]) -> None:
    about = {**named, "contact_id": data["contact_id"], "offer_id": data["offer_id"]}
    accept, decline = queue.OfferAccepted(**about), queue.OfferDeclined(**about, reason="busy")
    after = act.get("after", 0.5)
    match act.get("answer", "accept"):
        case "accept":
            await _later(door, after, accept)
        case "accept_twice":  # two clicks are two events
            await _later(door, after, accept)
            await door.tell(accept)
        case "accept_again":  # one click told twice
            await _later(door, after, accept, times=2)
        case "decline":
            await _later(door, after, decline)
        case "both":
            await _later(door, after, decline)
            await door.tell(accept)
        case "late":
            await _later(door, 15.0 + after, accept)
        case "sign_out":
            await _later(door, after, queue.AgentSignedOut(**named))
            await _later(door, act.get("back", 4.0), queue.AgentSignedIn(**named))
            await door.tell(queue.AgentStateRequested(**named, state="ready"))
        case "accept_and_sign_out":
            await _later(door, after, accept, queue.AgentSignedOut(**named))
            await _later(door, act.get("back", 4.0), queue.AgentSignedIn(**named))
            await door.tell(queue.AgentStateRequested(**named, state="ready"))
        case "break":
            await _later(door, after, queue.AgentStateRequested(**named, state="not_ready", reason="break"))
            await door.tell(accept)
            await _later(door, act.get("back", 4.0), queue.AgentStateRequested(**named, state="ready"))
        case "ignore":
            return


async def _serve(door: Door, named: dict[str, str], data: dict[str, Any], act: dict[str, Any]) -> None:
    contact_id, me = data["contact_id"], named["agent_id"]
    said = interaction.MessageSent(
        interaction_id=contact_id,
        message_id=f"{contact_id}-{me}-{data['offer_id']}",
        author="agent",
        agent_id=me,
        pii=interaction.MessagePii(text=f"PII-reply-{me}"),
    )
    await door.tell(said)
    end = interaction.Ended(interaction_id=contact_id, by="agent")
    about = {**named, "contact_id": contact_id}
    after = act.get("after", 3.0)
    match act.get("serve", "end"):
        case "end":
            await _later(door, after, end)
        case "end_twice":
            await _later(door, after, end)
            await door.tell(end)
        case "to_queue":
            await _later(door, after, queue.TransferRequested(**about, to_queue_id=act.get("to", "sales")))
        case "to_agent":
            await _later(door, after, queue.TransferRequested(**about, to_agent_id=act.get("to", "agent1")))
        case "to_self":
            await _later(door, after, queue.TransferRequested(**about, to_agent_id=me))
            await _later(door, 2.0, end)
        case "to_queue_twice":
            await _later(door, after, queue.TransferRequested(**about, to_queue_id="service"))
            await door.tell(queue.TransferRequested(**about, to_queue_id="sales"))
        case "sign_out":
            await _later(door, after, queue.AgentSignedOut(**named))
            await _later(door, act.get("back", 4.0), queue.AgentSignedIn(**named))
            await door.tell(queue.AgentStateRequested(**named, state="ready"))
        case "nothing":
            return


async def supervisor(door: Door) -> None:
    """Set the pool up at the start, and meddle with it later."""
    person = door.person
    for act in person.acts:
        await asyncio.sleep(max(0.0, act["at_s"] - door.world.at_s))
        await door.tell(_meddling(person.name, act))


def _meddling(name: str, act: dict[str, Any]) -> Fact:
    match act["do"]:
        case "queue":
            return queue.QueueConfigured(pool_id=POOL, **act["config"])
        case "agent":
            return queue.AgentConfigured(pool_id=POOL, **act["config"])
        case "move":
            return queue.ContactMoved(
                pool_id=POOL,
                contact_id=act["contact"],
                by=name,
                to_queue_id=act.get("to", ""),
                priority=act.get("priority"),
            )
        case "direct":
            return queue.ContactDirected(
                pool_id=POOL, contact_id=act["contact"], agent_id=act["agent"], by=name, reason="drawn"
            )
        case "take_back":
            return queue.ContactTakenBack(pool_id=POOL, contact_id=act["contact"], by=name, reason="drawn")
        case "sign_out":
            return queue.AgentSignedOut(pool_id=POOL, agent_id=act["agent"], by=name)
        case "not_ready":
            return queue.AgentStateRequested(pool_id=POOL, agent_id=act["agent"], state="not_ready", by=name)
    raise ValueError(act["do"])


async def acd(door: Door) -> None:
    """Report one call that a switch outside serves; its clock may jump while it does."""
    name = f"i-{door.person.name}"
    for act in door.person.acts:
        await asyncio.sleep(act.get("after", 1.0))
        door.skew_s += act.get("jump_s", 0.0)
        match act["do"]:
            case "start":
                await door.tell(
                    interaction.Started(
                        interaction_id=name, channel="voice", entry_point="hotline", distribution="external"
                    )
                )
            case "queue":
                await door.tell(interaction.QueueEntered(interaction_id=name, queue_id="outside"))
            case "answer":
                await door.tell(
                    interaction.MediaChanged(
                        interaction_id=name, change="answered", agent_id=act["agent"], queue_id="outside"
                    )
                )
            case "hold" | "retrieve":
                change: Any = {"hold": "held", "retrieve": "retrieved"}[act["do"]]
                await door.tell(interaction.MediaChanged(interaction_id=name, change=change, agent_id="x1"))
            case "end":
                await door.tell(interaction.Ended(interaction_id=name, by=act.get("by", "customer")))


async def vandal(door: Door) -> None:
    """Write what is no event, and events of interactions that never began."""
    for number, act in enumerate(door.person.acts):
        await asyncio.sleep(act.get("after", 1.0))
        mark = f"{door.person.name}-{number}".encode()
        headers: tuple[tuple[str, bytes], ...] = (
            ("ce_type", b"trunkline.interaction.ended.v1"),
            ("ce_id", mark),
            ("ce_tenant", door.person.tenant.encode()),
            ("ce_time", b"2026-03-02T04:00:00.000Z"),
            ("ce_correlationid", b"j"),
        )
        match act["do"]:
            case "truncated":
                await door.send_records([Record(act["topic"], mark, b'{"interaction_id": "' + mark, headers)])
            case "no_type":
                await door.send_records([Record(act["topic"], mark, b"{}" + mark, headers[1:])])
            case "bad_time":
                bad = (*headers[:3], ("ce_time", b"yesterday"), headers[4])
                value = b'{"interaction_id": "' + mark + b'", "by": "customer"}'
                await door.send_records([Record("trunkline.interaction", mark, value, bad)])
            case "unknown":
                await door.tell(interaction.Ended(interaction_id=f"never-{mark.decode()}", by="customer"))


ROLES = {"customer": customer, "agent": agent, "supervisor": supervisor, "outside": acd, "vandal": vandal}
