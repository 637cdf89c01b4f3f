"""What a dialogue makes of an event: the pure core of self-service."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from libs.events import interaction, ivr, session
from libs.events.base import AnyEvent, Fact, Facts, Id, Scalar, Tick, after
from services.ivr.domain.dialogue import LONGEST_SAID, MOST_EARLY, Dialogue, FlowNotAtHand, Flows, Pin, Said
from services.ivr.domain.flow import Flow
from services.ivr.domain.walking import Walk
from services.ivr.domain.words import language_for

NO_FLOW = "none"


class LookedUp(Fact):
    """A look-up was answered; never leaves the service."""

    type: ClassVar[str] = "trunkline.command.looked_up.v1"
    interaction_id: Id
    ask_id: Id
    result: Literal["found", "missing", "failed"]
    values: Mapping[str, Scalar] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.interaction_id


def due(dialogue: Dialogue) -> datetime | None:
    """Return when the dialogue wants to be told that time has passed."""
    return dialogue.deadline


def decide(dialogue: Dialogue, event: AnyEvent, now: datetime, flows: Flows) -> tuple[Dialogue, Facts]:
    """
    Return the dialogue after the event, and the facts that follow.

    :raises FlowNotAtHand: the flow that the dialogue follows must be fetched first.
    """
    if dialogue.status == "completed":
        return dialogue, ()
    match event.data:
        case session.ContactBegan() as began:
            return _begin(dialogue, event, began, now, flows)
        case session.CustomerIdentified() as known:
            return replace(dialogue, customer_id=known.customer_id), ()
        case interaction.Ended():
            return _leave(dialogue, event, now, flows)
        case interaction.MessageSent(author="customer") as message if message.pii.text.strip():
            return _hear(dialogue, event, Said("text", message.pii.text), now, flows)
        case interaction.InputReceived() as given:
            return _hear(dialogue, event, Said(given.kind, given.pii.value), now, flows)
        case LookedUp() as found:
            if dialogue.asked is None or dialogue.asked.ask_id != found.ask_id:
                return dialogue, ()
            flow = _followed(dialogue, event, flows)
            if flow is None:
                return _over(dialogue, event, now, "failed", "flow_lost")
            walk = Walk(replace(dialogue, asked=None, deadline=None), flow, event, now)
            walk.take_answer(found.result, found.values)
            return walk.dialogue, walk.facts
        case Tick():
            return _pass_time(dialogue, event, now, flows)
    return dialogue, ()


def _begin(
    dialogue: Dialogue, event: AnyEvent, began: session.ContactBegan, now: datetime, flows: Flows
) -> tuple[Dialogue, Facts]:
    if dialogue.status != "expected" or began.distribution != "platform" or began.queue_id:
        return dialogue, ()
    dialogue = replace(
        dialogue,
        session_id=began.session_id,
        journey_id=event.journey_id,
        customer_id=began.customer_id or dialogue.customer_id,
        identities=began.pii.identities,
        channel=began.channel,
        started_at=now,
        updated_at=now,
    )
    pin = flows.bound.get((event.tenant, began.entry_point))
    flow = _flow(pin, flows) if pin else None
    if pin is None or flow is None:
        return _over(dialogue, event, now, "failed", "no_flow")
    dialogue = replace(dialogue, flow_id=pin.flow_id, flow_version=pin.version)
    if dialogue.has_ended:
        return _over(dialogue, event, now, "abandoned", "left_early")
    language = language_for(began.language, flow.languages)
    variables: dict[str, Scalar] = {
        **flow.variables,
        **{f"context.{name}": value for name, value in began.context.items()},
        "channel": began.channel,
        "entry_point": began.entry_point,
        "language": language,
        "display_name": began.pii.display_name,
    }
    dialogue = replace(dialogue, language=language, variables=variables)
    started = ivr.DialogueStarted(
        session_id=dialogue.session_id,
        interaction_id=dialogue.interaction_id,
        flow_id=pin.flow_id,
        flow_version=pin.version,
        channel=began.channel,
        language=language,
    )
    walk = Walk(dialogue, flow, event, now)
    walk.facts.append(
        after(event, now, started, journey_id=dialogue.journey_id, what=dialogue.interaction_id)
    )
    walk.go(flow.start)
    return walk.dialogue, walk.facts


def _leave(dialogue: Dialogue, event: AnyEvent, now: datetime, flows: Flows) -> tuple[Dialogue, Facts]:
    if dialogue.status == "expected":
        return replace(dialogue, has_ended=True), ()
    return _over(dialogue, event, now, "abandoned", "left")


def _hear(
    dialogue: Dialogue, event: AnyEvent, said: Said, now: datetime, flows: Flows
) -> tuple[Dialogue, Facts]:
    said = replace(said, value=said.value[:LONGEST_SAID])
    if dialogue.status != "waiting":
        return replace(dialogue, early=(*dialogue.early, said)[:MOST_EARLY]), ()
    flow = _followed(dialogue, event, flows)
    if flow is None:
        return _over(dialogue, event, now, "failed", "flow_lost")
    walk = Walk(dialogue, flow, event, now)
    walk.answer(said)
    return walk.dialogue, walk.facts


def _pass_time(dialogue: Dialogue, event: AnyEvent, now: datetime, flows: Flows) -> tuple[Dialogue, Facts]:
    if dialogue.deadline is None or now < dialogue.deadline:
        return dialogue, ()
    flow = _followed(dialogue, event, flows)
    if flow is None:
        return _over(dialogue, event, now, "failed", "flow_lost")
    walk = Walk(dialogue, flow, event, now)
    asked = dialogue.asked
    if asked is None:
        walk.fall_silent()
    elif asked.attempt == 1:
        walk.look_up_again(asked)
    else:
        walk.dialogue = replace(walk.dialogue, asked=None, deadline=None)
        walk.take_answer("failed", {})
    return walk.dialogue, walk.facts


def _followed(dialogue: Dialogue, event: AnyEvent, flows: Flows) -> Flow | None:
    return _flow(Pin(event.tenant, dialogue.flow_id, dialogue.flow_version), flows)


def _flow(pin: Pin, flows: Flows) -> Flow | None:
    if pin not in flows.versions:
        raise FlowNotAtHand(pin)
    return flows.versions[pin]


def _over(
    dialogue: Dialogue, event: AnyEvent, now: datetime, outcome: Literal["abandoned", "failed"], reason: str
) -> tuple[Dialogue, Facts]:
    """End a dialogue whose flow has no say in it."""
    walk = Walk(replace(dialogue, flow_id=dialogue.flow_id or NO_FLOW), _LOST, event, now)
    walk.complete(outcome, reason)
    return walk.dialogue, walk.facts


# Stands in where a flow has no say.
_LOST = Flow.model_validate(
    {"flow_id": NO_FLOW, "languages": ["en"], "start": "end", "nodes": {"end": {"kind": "end"}}}
)
