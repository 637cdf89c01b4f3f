"""From surveys to the pools of the agents whom they are about."""

from collections.abc import Sequence
from datetime import datetime

from libs import telemetry
from libs.clock import Now
from libs.events import queue, session
from libs.events.base import AnyEvent, after
from libs.reading import Bus, Handle
from services.routing.store import Decisions

GROUP = "routing-surveys"
SOURCE = "/trunkline/routing/surveys"
WANTED = (session.SurveyAnswered,)


def handler(decisions: Decisions, bus: Bus, now: Now) -> Handle:
    """
    Return what answered surveys are given to.

    It keeps nothing: what it tells has ids that follow from the survey, so hearing one twice tells one fact.
    """

    async def handle(events: Sequence[AnyEvent]) -> None:
        told = [await _rating(event, decisions, now()) for event in events]
        await bus.publish([_stamped(each, cause) for each, cause in zip(told, events, strict=True) if each])

    return handle


def _stamped(event: AnyEvent, cause: AnyEvent) -> AnyEvent:
    """Return the event as told by this reader, in the trace of its cause; `Apply` stamps what is saved."""
    traceparent = telemetry.child(cause.traceparent or telemetry.rooted(cause.id), event.id)
    return event._replace(source=SOURCE, traceparent=traceparent)


async def _rating(event: AnyEvent, decisions: Decisions, now: datetime) -> AnyEvent | None:
    """Return what the survey says of an agent, None where it says nothing or nobody was chosen by routing."""
    data = event.data
    if not isinstance(data, session.SurveyAnswered) or (data.csat is None and data.nps is None):
        return None
    served = [
        each.record
        for each in await decisions.of_contact(event.tenant, data.interaction_id)
        if each.record.chosen_agent_id == data.agent_id and data.agent_id
    ]
    if not served:
        return None
    return after(
        event,
        now,
        queue.AgentRated(
            pool_id=served[-1].pool_id,
            contact_id=data.interaction_id,
            agent_id=data.agent_id,
            queue_id=served[-1].queue_id,
            csat=data.csat if data.csat is not None and 1 <= data.csat <= 5 else None,
            nps=data.nps if data.nps is not None and 0 <= data.nps <= 10 else None,
        ),
    )
