"""Facts of conversations, for tests."""

from datetime import UTC, datetime, timedelta

from libs.events import interaction, ivr, routing, session
from libs.events.base import AnyEvent, Event, Fact

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def event(data: Fact, seconds: float = 0, name: str = "") -> AnyEvent:
    return Event(name or f"{data.type}/{seconds}", "acme", at(seconds), data, "j-1", traceparent="")


def started(distribution: str = "platform", channel: str = "chat") -> interaction.Started:
    return interaction.Started.model_validate(
        {"interaction_id": "i", "channel": channel, "entry_point": "web", "distribution": distribution}
    )


def said(text: str, message_id: str, author: str = "customer", agent_id: str = "") -> interaction.MessageSent:
    return interaction.MessageSent.model_validate(
        {
            "interaction_id": "i",
            "message_id": message_id,
            "author": author,
            "agent_id": agent_id,
            "pii": {"text": text},
        }
    )


def entered(value: str) -> interaction.InputReceived:
    pii = interaction.InputPii(value=value)
    return interaction.InputReceived(interaction_id="i", kind="choice", pii=pii)


def prompted(text: str, prompt_id: str = "p1") -> ivr.PromptRequested:
    return ivr.PromptRequested(
        session_id="s",
        interaction_id="i",
        prompt_id=prompt_id,
        node_id="n",
        language="en",
        choices=(ivr.Choice(key="1", label="Balance"),),
        pii=ivr.PromptPii(text=text),
    )


def ended() -> interaction.Ended:
    return interaction.Ended(interaction_id="i", by="customer")


def opened(customer_id: str = "") -> session.Started:
    return session.Started(
        session_id="s", interaction_id="i", channel="chat", entry_point="web", customer_id=customer_id
    )


def identified() -> session.CustomerIdentified:
    return session.CustomerIdentified(session_id="s", customer_id="c")


def assigned(agent_id: str = "ana") -> routing.ContactAssigned:
    return routing.ContactAssigned(
        session_id="s",
        contact_id="i",
        pool_id="main",
        queue_id="service",
        channel="chat",
        offer_id="o",
        agent_id=agent_id,
        waited_ms=5,
    )


def joined() -> session.ParticipantJoined:
    return session.ParticipantJoined(session_id="s", interaction_id="i", agent_id="ana")
