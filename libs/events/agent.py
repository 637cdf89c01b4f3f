"""Facts of agents' presence, told by routing; key: agent id."""

from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from libs.events.base import Channel, Fact, Id, OptionalId, Short

State = Literal["signed_out", "ready", "offered", "busy", "wrap_up", "not_ready"]


class _AgentFact(Fact):
    agent_id: Id
    pool_id: Id

    @property
    def key(self) -> str:
        return self.agent_id


class StateEntered(_AgentFact):
    """The agent entered a state; states tile the time from sign-in to sign-out without hole or overlap."""

    type: ClassVar[str] = "trunkline.agent.state_entered.v1"
    state: State
    reason: OptionalId = ""
    since: AwareDatetime
    previous: State = "signed_out"
    previous_ms: Annotated[int, Field(ge=0)] = 0
    load: dict[Channel, int] = {}


class CapacityChanged(_AgentFact):
    """What the agent can hold at once was changed."""

    type: ClassVar[str] = "trunkline.agent.capacity_changed.v1"
    capacity: dict[Channel, int]


class RequestRefused(_AgentFact):
    """Something the agent asked for was refused; nothing changed. `request_id` is the refused event."""

    type: ClassVar[str] = "trunkline.agent.request_refused.v1"
    request_id: Id
    code: Literal[
        "unknown_agent",
        "not_signed_in",
        "unknown_offer",
        "offer_expired",
        "not_your_contact",
        "unknown_contact",
        "unknown_queue",
        "not_in_wrap_up",
        "contacts_open",
        "agent_unavailable",
    ]
    detail: Short = ""
