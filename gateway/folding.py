"""From a fact about an interaction to what its conversation is now, and whom to tell what: pure."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.conversation import KEPT_FOR, Conversation, Line
from gateway.frames import SUPERVISORS, Frame, agent_stream, frame, interaction_stream, plain
from libs.events import interaction, ivr, routing, session
from libs.events.base import AnyEvent, Facts, after
from libs.wire import format_time

MOST_OFFERS = 50
LINES_OF_OFFER = 20
WRITTEN = frozenset({"chat", "app", "sms", "social"})  # where an announcement is a message

# What opens a conversation. Anything else about an unknown interaction is about one that an outside ACD
# serves (its teller began with a fact that says so), and nobody here watches these.
OPENING = (interaction.Started, session.ContactBegan)
OPENING_TOPICS = frozenset({"trunkline.routing", "trunkline.ivr"})

# Facts about the contact that supervisors see live, by the name they go by.
SHOWN_TO_SUPERVISORS: dict[type[Any], str] = {
    interaction.Started: "started",
    routing.ContactEnqueued: "enqueued",
    routing.AgentOffered: "offered",
    routing.OfferDeclined: "declined",
    routing.OfferExpired: "expired",
    routing.OfferWithdrawn: "withdrawn",
    routing.ContactAssigned: "assigned",
    routing.ContactRequeued: "requeued",
    routing.ContactTransferred: "transferred",
    routing.ContactOverflowed: "overflowed",
    routing.ContactMoved: "moved",
    routing.ContactRejected: "rejected",
    routing.ContactDiverted: "diverted",
    routing.ContactAbandoned: "abandoned",
    routing.ContactReleased: "released",
    routing.ContactWrappedUp: "wrapped_up",
    session.ContactClosed: "closed",
}


def decide(state: Conversation, event: AnyEvent, now: datetime) -> tuple[Conversation, Facts]:
    """Return the conversation after a fact about its interaction, and the frames that follow."""
    data = event.data
    if isinstance(data, OPENING) and data.distribution == "external":
        return state, ()
    if not state.is_known and not isinstance(data, OPENING) and data.topic() not in OPENING_TOPICS:
        return state, ()
    changed, frames = _fold(state, event)
    if what := SHOWN_TO_SUPERVISORS.get(type(data)):
        told = {"what": what, "interaction_id": state.interaction_id, **plain(data)}
        frames.append(frame(SUPERVISORS, "contact", event, told))
    facts = [after(event, now, each, what=f"{each.kind}/{n}") for n, each in enumerate(frames)]
    return replace(changed, kept_until=now + KEPT_FOR), facts


def _fold(state: Conversation, event: AnyEvent) -> tuple[Conversation, list[Frame]]:
    match event.data:
        case interaction.Started() as data:
            state = replace(
                state,
                journey_id=event.journey_id,
                channel=data.channel,
                entry_point=data.entry_point,
                language=data.language or state.language,
                visitor_id=state.visitor_id or data.visitor_id,
                display_name=data.pii.display_name,
                context=json.dumps(data.context),
                call_to=data.pii.identities if data.direction == "outbound" else (),
            )
            return state, [_to_contact(state, "started", event, plain(data))]
        case session.ContactBegan() as data:
            state = replace(
                state,
                session_id=data.session_id,
                journey_id=state.journey_id or event.journey_id,
                channel=data.channel,
                entry_point=data.entry_point,
                language=state.language or data.language,
                visitor_id=state.visitor_id or data.visitor_id,
                customer_id=data.customer_id or state.customer_id,
                display_name=state.display_name or data.pii.display_name,
                call_to=data.pii.identities if data.direction == "outbound" else state.call_to,
            )
            return state, [_to_contact(state, "session", event, {"session_id": data.session_id})]
        case session.CustomerIdentified() as data:
            return replace(state, customer_id=data.customer_id), []
        case interaction.MessageSent() as data:
            line = Line(data.message_id, format_time(event.time), data.author, data.agent_id, data.pii.text)
            state = state.said(line)
            body = plain(data) | {"text": data.pii.text, "attachment_name": data.pii.attachment_name}
            return state, _to_all(state, "message", event, body)
        case interaction.InputReceived() as data:
            # Keys may be a card number or a PIN: nobody is shown them.
            shown = data.pii.value if data.kind in ("choice", "text") else ""
            if shown:
                state = state.said(Line(event.id, format_time(event.time), "customer", "", shown))
            return state, [_to_contact(state, "input", event, plain(data) | {"value": shown})]
        case ivr.PromptRequested() as data:
            line = Line(data.prompt_id, format_time(event.time), "bot", "", data.pii.text)
            state = replace(state, session_id=data.session_id).said(line)
            return state, [_to_contact(state, "prompt", event, plain(data) | {"text": data.pii.text})]
        case ivr.InputExpected() as data:
            return state, [_to_contact(state, "input_expected", event, plain(data))]
        case ivr.DialogueCompleted() as data:
            return state, [_to_contact(state, "self_service_ended", event, plain(data))]
        case interaction.MediaChanged() as data:
            return state, _to_all(state, "media", event, plain(data))
        case interaction.DeliveryFailed() as data:
            return state, _to_all(state, "delivery_failed", event, plain(data))
        case interaction.Ended() as data:
            state = replace(state, ended_by=data.by, offered_to="")
            return state, _to_all(state, "ended", event, plain(data))
        case session.ParticipantJoined() | session.ParticipantLeft() as data:
            change = "joined" if isinstance(data, session.ParticipantJoined) else "left"
            return state, _to_all(state, "participant", event, plain(data) | {"change": change})
        case session.SurveyRequested() as data:
            return state, [_to_contact(state, "survey_requested", event, plain(data))]
        case session.SurveyAnswered() as data:
            return state, [_to_contact(state, "survey_answered", event, plain(data))]
        case session.ContactClosed() as data:
            state = replace(state, outcome=data.outcome, customer_id=data.customer_id or state.customer_id)
            return state, _to_all(state, "closed", event, plain(data))
        case routing._RoutingFact() as data:
            return _routed(
                replace(state, session_id=data.session_id, pool_id=data.pool_id, queue_id=data.queue_id),
                event,
                data,
            )
    return state, []


def _announced(
    state: Conversation, event: AnyEvent, data: routing.AnnouncementDue, body: dict[str, Any]
) -> tuple[Conversation, list[Frame]]:
    """Show what is said to who waits: as a message where one writes, else as something to play."""
    if state.channel not in WRITTEN or not data.text:
        return state, [_to_contact(state, "announcement", event, body)]
    state = state.said(Line(event.id, format_time(event.time), "system", "", data.text))
    said = {"message_id": event.id, "author": "system", "agent_id": "", "media_type": "text/plain"}
    return state, [_to_contact(state, "message", event, body | said)]


def _routed(
    state: Conversation, event: AnyEvent, data: routing._RoutingFact
) -> tuple[Conversation, list[Frame]]:
    state = replace(
        state, channel=state.channel or data.channel, journey_id=state.journey_id or event.journey_id
    )
    body = plain(data) | {"interaction_id": state.interaction_id}
    match data:
        case routing.ContactEnqueued():
            since = format_time(data.since or event.time)
            return state, [_to_contact(state, "queued", event, body | {"since": since})]
        case routing.WaitEstimated():
            return state, [_to_contact(state, "wait", event, body)]
        case routing.AnnouncementDue():
            return _announced(state, event, data, body)
        case routing.AgentOffered():
            offers = (*state.offers[1 - MOST_OFFERS :], (data.offer_id, data.agent_id))
            state = replace(
                state,
                offered_to=data.agent_id,
                offers=offers,
                customer_id=data.customer_id or state.customer_id,
            )
            offer = body | {"conversation": state.whole(LINES_OF_OFFER)}
            return state, [
                frame(agent_stream(data.agent_id), "offer", event, offer),
                _to_contact(state, "offered", event, body),
            ]
        case routing.OfferDeclined() | routing.OfferExpired() | routing.OfferWithdrawn():
            kind = {routing.OfferDeclined: "offer_declined", routing.OfferExpired: "offer_expired"}.get(
                type(data), "offer_withdrawn"
            )
            return replace(state, offered_to=""), [frame(agent_stream(data.agent_id), kind, event, body)]
        case routing.ContactAssigned():
            state = state.without(data.agent_id)
            state = replace(
                state,
                agents=(*state.agents, data.agent_id),
                offered_to="",
                customer_id=data.customer_id or state.customer_id,
            )
            assigned = body | {"conversation": state.whole()}
            frames = [
                frame(agent_stream(data.agent_id), "assigned", event, assigned),
                _to_contact(state, "agent_joined", event, body),
            ]
            if state.ended_by:  # the customer left as the agent answered
                gone = {"interaction_id": state.interaction_id, "by": state.ended_by, "reason": ""}
                frames.append(frame(agent_stream(data.agent_id), "ended", event, gone))
            return state, frames
        case routing.ContactReleased() | routing.ContactTransferred():
            state = state.without(data.agent_id)
            state = replace(state, wrapping=(*state.wrapping, data.agent_id))
            left = "transferred" if isinstance(data, routing.ContactTransferred) else "agent_left"
            return state, [
                frame(agent_stream(data.agent_id), "released", event, body),
                _to_contact(state, left, event, body),
            ]
        case routing.ContactWrappedUp():
            state = state.without(data.agent_id)
            return state, [frame(agent_stream(data.agent_id), "wrapped_up", event, body)]
        case routing.ContactRequeued():
            state = replace(state.without(data.agent_id), offered_to="")
            frames = [_to_contact(state, "requeued", event, body)]
            if data.by and data.talked_ms is not None:  # he is still there, and sees it go
                frames.append(frame(agent_stream(data.agent_id), "taken_back", event, body))
            return state, frames
        case routing.ContactRejected():
            return state, [_to_contact(state, "contact_rejected", event, body)]
        case routing.ContactDiverted():
            return replace(state, offered_to=""), [_to_contact(state, "diverted", event, body)]
        case routing.ContactAbandoned():
            return replace(state, offered_to=""), [_to_contact(state, "contact_abandoned", event, body)]
        case routing.ContactOverflowed() | routing.ContactMoved():
            return replace(state, queue_id=data.to_queue_id), []  # it is told that it queued there
    return state, []


def _to_contact(state: Conversation, kind: str, event: AnyEvent, body: dict[str, Any]) -> Frame:
    return frame(interaction_stream(state.interaction_id), kind, event, body)


def _to_all(state: Conversation, kind: str, event: AnyEvent, body: dict[str, Any]) -> list[Frame]:
    """Return the frame for the interaction, and for every agent who has to do with it."""
    agents = dict.fromkeys((*state.agents, *state.wrapping, *filter(None, (state.offered_to,))))
    return [
        _to_contact(state, kind, event, body),
        *(frame(agent_stream(agent_id), kind, event, body) for agent_id in agents),
    ]
