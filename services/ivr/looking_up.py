"""Look-ups of dialogues: asked of other services, answered back to the dialogue, always in time."""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from grpc import aio

from libs.clock import Now
from libs.errors import NotFound, Refusal, Unavailable
from libs.events.base import Event, Scalar, follow_id
from libs.rpc.common.v1.common_pb2 import Identity, PageRequest
from libs.rpc.crm_context.v1.crm_context_pb2 import Customer, GetCustomerRequest, LookUpRequest
from libs.rpc.crm_context.v1.crm_context_pb2_grpc import CrmContextServiceStub
from libs.rpc.workflow.v1.workflow_pb2 import ListTicketsRequest
from libs.rpc.workflow.v1.workflow_pb2_grpc import WorkflowServiceStub
from libs.rpc_caller import SERVICE_ROLE, Caller, acting_for
from libs.stored import Key
from libs.structs import plain_of
from services.ivr.domain.deciding import LookedUp
from services.ivr.domain.dialogue import Asked, Dialogue
from services.ivr.handlers import Dialogues

log = logging.getLogger(__name__)

MOST_VALUES = 200
Result = Literal["found", "missing", "failed"]


class Source(Protocol):
    """Where look-ups are answered."""

    async def answer(self, tenant: str, asked: Asked, dialogue: Dialogue) -> Mapping[str, Scalar]:
        """Return what is known. :raises NotFound: nothing is. :raises Refusal: it cannot be said."""
        ...


class Services:
    """The customers of crm_context and the tickets of workflow."""

    def __init__(self, crm_context: aio.Channel, workflow: aio.Channel) -> None:
        self._crm_context = CrmContextServiceStub(crm_context)
        self._workflow = WorkflowServiceStub(workflow)

    async def answer(self, tenant: str, asked: Asked, dialogue: Dialogue) -> Mapping[str, Scalar]:
        with acting_for(Caller(tenant, "service:ivr", frozenset({SERVICE_ROLE}))):
            if asked.what == "customer":
                return of_customer(await self._customer(asked, dialogue))
            return await self._tickets(asked, dialogue)

    async def _customer(self, asked: Asked, dialogue: Dialogue) -> Customer:
        if dialogue.customer_id:
            by_id = GetCustomerRequest(customer_id=dialogue.customer_id)
            return (await self._crm_context.GetCustomer(by_id, timeout=asked.timeout_s)).customer
        for each in dialogue.identities:
            request = LookUpRequest(identity=Identity(kind=each.kind, value=each.value))
            try:
                return (await self._crm_context.LookUp(request, timeout=asked.timeout_s)).customer
            except NotFound:
                continue
        raise NotFound("customer", "of this contact")

    async def _tickets(self, asked: Asked, dialogue: Dialogue) -> Mapping[str, Scalar]:
        if not dialogue.customer_id:
            raise NotFound("customer", "of this contact")
        request = ListTicketsRequest(
            customer_id=dialogue.customer_id,
            statuses=["open", "assigned", "waiting", "resolved"],
            page=PageRequest(page_size=20),
        )
        tickets = (await self._workflow.ListTickets(request, timeout=asked.timeout_s)).tickets
        if not tickets:
            raise NotFound("ticket", "of this customer")
        latest = max(tickets, key=lambda ticket: ticket.opened_at.ToMilliseconds())
        return {
            "count": len(tickets),
            "latest.id": latest.ticket_id,
            "latest.status": latest.status,
            "latest.type": latest.type,
            "latest.subject": latest.subject,
        }


def of_customer(customer: Customer) -> dict[str, Scalar]:
    """Return a customer as variables: id, name, vip_level, language, preferred_agent_id, profile.<key>."""
    values: dict[str, Scalar] = {
        "id": customer.customer_id,
        "name": customer.name,
        "vip_level": customer.vip_level,
        "language": customer.language,
        "preferred_agent_id": customer.preferred_agent_id,
    }
    flatten("profile", plain_of(customer.profile), values)
    return values


def flatten(prefix: str, value: Any, values: dict[str, Scalar]) -> None:
    """Put a nested value into flat variables; what no name can be made of is left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            word = re.sub(r"[^A-Za-z0-9_]", "_", str(name))
            if word:
                flatten(f"{prefix}.{word}"[:128], inner, values)
    elif isinstance(value, list):
        for place, inner in enumerate(value[:20]):
            flatten(f"{prefix}.{place}", inner, values)
    elif len(values) < MOST_VALUES:
        values[prefix] = value


class LookUps:
    """Answers what dialogues ask; what is lost with the process is asked again by the dialogue's tick."""

    def __init__(self, dialogues: Dialogues, source: Source, now: Now, at_once: int) -> None:
        self._dialogues = dialogues
        self._source = source
        self._now = now
        self._free = asyncio.Semaphore(at_once)
        self._in_hand: set[str] = set()

    async def run(self) -> None:
        """Answer for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                key, dialogue = await self._dialogues.asking.get()
                asked = dialogue.asked
                if asked is not None and asked.ask_id not in self._in_hand:
                    self._in_hand.add(asked.ask_id)
                    await self._free.acquire()
                    group.create_task(self._answer(key, asked, dialogue))

    async def _answer(self, key: Key, asked: Asked, dialogue: Dialogue) -> None:
        result: Result = "found"
        values: Mapping[str, Scalar] = {}
        try:
            async with asyncio.timeout(asked.timeout_s):
                values = await self._source.answer(key.tenant, asked, dialogue)
        except NotFound:
            result = "missing"
        except (Refusal, TimeoutError, ValueError) as error:
            reason = error.reason if isinstance(error, Refusal) else type(error).__name__
            log.warning("look-up failed", extra={"what": asked.what, "reason": reason})
            result = "failed"
        data = LookedUp(interaction_id=key.id, ask_id=asked.ask_id, result=result, values=dict(values))
        event = Event(follow_id(asked.ask_id, "answer"), key.tenant, self._now(), data, dialogue.journey_id)
        try:
            await self._dialogues([(key, event)], self._now())
        except Unavailable as error:
            log.warning("look-up not taken", extra={"why": error.text})
        finally:
            self._in_hand.discard(asked.ask_id)
            self._free.release()
