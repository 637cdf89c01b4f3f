"""The life of a call as facts of a voice adapter, and all lives in the order of time."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from libs.events import interaction
from libs.events.base import AnyEvent, Event, Fact, follow_id
from services.channels.call_log.domain import Call
from services.channels.call_log.mapping import Mapping

SOURCE = "/trunkline/channels/call_log"


def moments(call: Call) -> list[tuple[datetime, str]]:
    """Return when what happened, in order."""
    found = [(call.arrived_at, "started")]
    if call.queued_at is not None:
        found.append((call.queued_at, "queued"))
    if call.served_s is not None:
        found.append((call.left_at, "answered"))
    return [*found, (call.ended_at, "ended")]


def fact(call: Call, step: str, mapping: Mapping) -> Fact:
    """Return what an adapter tells at one of the moments."""
    match step:
        case "started":
            return interaction.Started(
                interaction_id=call.id,
                channel=mapping.channel,
                entry_point=mapping.entry_point,
                distribution="external",
                context=dict(call.context),
                pii=interaction.StartedPii(identities=call.identities),
            )
        case "queued":
            return interaction.QueueEntered(
                interaction_id=call.id, queue_id=call.queue_id, priority=call.priority
            )
        case "answered":
            return interaction.MediaChanged(
                interaction_id=call.id, change="answered", agent_id=call.agent_id, queue_id=call.queue_id
            )
        case _ if call.served_s is not None:  # who hung up first is not in the log
            return interaction.Ended(interaction_id=call.id, by="adapter", reason="service_ended")
        case _:
            return interaction.Ended(interaction_id=call.id, by="customer", reason="hung_up")


def event(call: Call, at: datetime, step: str, mapping: Mapping) -> AnyEvent:
    """Return the event of a moment; its id follows from the row, so a second replay tells nothing new."""
    whole = f"{mapping.tenant}/interaction/{call.id}"
    return Event(
        follow_id(whole, step),
        mapping.tenant,
        at,
        fact(call, step, mapping),
        follow_id(whole, "journey"),
        source=SOURCE,
    )


def in_time_order(calls: Iterable[Call], mapping: Mapping) -> Iterator[AnyEvent]:
    """Yield the events of all calls by time; those of one call keep their order where times are equal."""
    everything = [
        (at, place, number, step, call)
        for place, call in enumerate(calls)
        for number, (at, step) in enumerate(moments(call))
    ]
    everything.sort(key=lambda moment: moment[:3])
    for at, _, _, step, call in everything:
        yield event(call, at, step, mapping)
