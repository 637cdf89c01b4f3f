"""The legal course of things, told a second time and independently of the services' own code."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from libs.events import agent, ivr, queue, routing, session
from libs.events.base import AnyEvent
from libs.stored import Key
from tests.simulation.world import World

MS = timedelta(milliseconds=1)
MOST_FINISHED = 500
MOST_IDS = 128


@dataclass
class Contact:
    """A contact as routing told it: `with_` is the agent who has it or is offered it."""

    phase: str = "unknown"  # waiting, passing, offered, returned, assigned, over, rejected
    agent_id: str = ""
    offer_id: str = ""
    queue_id: str = ""
    wrapping: list[str] = field(default_factory=list)


@dataclass
class Agent:
    """An agent as routing told him."""

    state: str = "signed_out"
    since: datetime | None = None
    capacity: dict[str, int] = field(default_factory=dict)
    holds: dict[str, str] = field(default_factory=dict)  # contact -> channel, offered or assigned


@dataclass
class Served:
    """An interaction as session told it."""

    session_id: str
    closed: bool = False
    queued: int = 0
    withdrawn: int = 0
    agents: list[str] = field(default_factory=list)
    surveys: int = 0
    external: bool = False


class Watch:
    """Follows the facts of each aggregate in their order, and fails at the first that cannot be."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.contacts: dict[Key, Contact] = {}
        self.agents: dict[Key, Agent] = {}
        self.served: dict[Key, Served] = {}
        self.sessions: dict[Key, bool] = {}  # whether closed
        self.dialogues: dict[Key, bool] = {}

    def hold(self, rule: str, holds: bool, text: str) -> None:
        self.world.checked[rule] += 1
        if not holds:
            self.world.fail(rule, text)

    def fact(self, key: Key, event: AnyEvent) -> None:
        """Take a fact, the next one of its aggregate."""
        data = event.data
        match data:
            case routing.DecisionRecorded() | routing.WaitEstimated():
                return
            case routing._RoutingFact():
                self._routed(event, data)
            case agent.StateEntered():
                self._entered(event, data)
            case agent.CapacityChanged():
                self._agent(event, data.agent_id).capacity = {str(k): n for k, n in data.capacity.items()}
            case ivr.DialogueCompleted():
                name = Key(event.tenant, data.interaction_id)
                self.hold("I3 one end", name not in self.dialogues, f"the dialogue of {name} ended twice")
                self.dialogues[name] = True
            case queue.ContactQueued() | queue.ContactWithdrawn():
                self._pooled(event, data)
            case _ if data.type.startswith("trunkline.session."):
                self._session(key, event)

    # --- routing

    def _agent(self, event: AnyEvent, agent_id: str) -> Agent:
        return self.agents.setdefault(Key(event.tenant, agent_id), Agent())

    def _routed(self, event: AnyEvent, data: routing._RoutingFact) -> None:
        name = Key(event.tenant, data.contact_id)
        contact = self.contacts.setdefault(name, Contact())
        was = f"{name} was {contact.phase} with {contact.agent_id or 'nobody'} at {data.type}"

        def legal(*phases: str) -> None:
            self.hold("I3 legal transitions", contact.phase in phases, was)

        def his(agent_id: str) -> None:
            self.hold("I2 one assignment", contact.agent_id == agent_id, f"{was}, not with {agent_id}")

        match data:
            case routing.ContactEnqueued():
                legal(*(("unknown", "rejected") if data.cause == "arrived" else ("passing",)))
                contact.phase, contact.queue_id, contact.agent_id = "waiting", data.queue_id, ""
            case routing.AgentOffered():
                legal("waiting")
                agent_ = self._agent(event, data.agent_id)
                self.hold(
                    "I2 offered to who is there",
                    agent_.state != "signed_out",
                    f"{name} was offered to {data.agent_id}, who is {agent_.state}",
                )
                contact.phase, contact.agent_id, contact.offer_id = "offered", data.agent_id, data.offer_id
                agent_.holds[data.contact_id] = data.channel
                load = sum(each == data.channel for each in agent_.holds.values())
                most = agent_.capacity.get(data.channel, 0)
                self.hold(
                    "I2 capacity",
                    load <= most,
                    f"{data.agent_id} has {load} of {most} {data.channel} ({name})",
                )
            case routing.OfferDeclined() | routing.OfferExpired() | routing.OfferWithdrawn():
                legal("offered")
                his(data.agent_id)
                contact.phase = "returned"
                self._agent(event, data.agent_id).holds.pop(data.contact_id, None)
            case routing.ContactRequeued():
                legal("returned", "assigned")
                his(data.agent_id)
                if contact.phase == "assigned":
                    self._agent(event, data.agent_id).holds.pop(data.contact_id, None)
                contact.phase, contact.agent_id = "waiting", ""
            case routing.AnnouncementDue():
                legal("waiting", "offered")
            case routing.ContactAssigned():
                legal("offered")
                his(data.agent_id)
                self.hold("I2 one assignment", contact.offer_id == data.offer_id, f"{was}: another offer")
                contact.phase = "assigned"
            case routing.ContactTransferred() | routing.ContactReleased():
                legal("assigned")
                his(data.agent_id)
                self._agent(event, data.agent_id).holds.pop(data.contact_id, None)
                contact.wrapping.append(data.agent_id)
                contact.phase = "passing" if isinstance(data, routing.ContactTransferred) else "over"
                contact.agent_id = ""
            case routing.ContactOverflowed() | routing.ContactMoved():
                legal("waiting", "returned")
                contact.phase = "passing"
            case routing.ContactAbandoned() | routing.ContactDiverted():
                legal("waiting", "returned")
                contact.phase = "over"
            case routing.ContactRejected():
                legal("unknown", "rejected", "over")
                contact.phase = "rejected" if contact.phase == "unknown" else contact.phase
            case routing.ContactWrappedUp():
                self.hold("I3 after-work", data.agent_id in contact.wrapping, f"{was}: nothing to wrap up")
                contact.wrapping.remove(data.agent_id)

    def _entered(self, event: AnyEvent, data: agent.StateEntered) -> None:
        known = self._agent(event, data.agent_id)
        name = f"{event.tenant}/{data.agent_id}"
        self.hold(
            "I9 states tile", data.previous == known.state, f"{name} left {data.previous}, was {known.state}"
        )
        if known.since is not None:
            took = (data.since - known.since) // MS
            self.hold(
                "I9 states tile",
                took == data.previous_ms and took >= 0,
                f"{name} was {known.state} for {took} ms, told are {data.previous_ms}",
            )
        known.state, known.since = data.state, data.since

    # --- session

    def _pooled(self, event: AnyEvent, data: queue.ContactQueued | queue.ContactWithdrawn) -> None:
        name = Key(event.tenant, data.contact_id)
        served = self.served.get(name)
        self.hold("I3 legal transitions", served is not None, f"{name} was queued before it began")
        if served is None:
            return
        if isinstance(data, queue.ContactQueued):
            served.queued += 1
            self.hold("I3 queued once", served.queued == 1 and not served.closed, f"{name} was queued again")
        else:
            served.withdrawn += 1
            self.hold("I3 withdrawn once", served.withdrawn == 1, f"{name} was withdrawn twice")

    def _session(self, key: Key, event: AnyEvent) -> None:
        data: Any = event.data
        if isinstance(data, session.Closed):
            self.hold("I3 one end", not self.sessions.get(key, False), f"session {key} closed twice")
            left = [
                name.id for name, each in self.served.items() if each.session_id == key.id and not each.closed
            ]
            self.hold("I3 session after contacts", not left, f"session {key} closed before {left}")
            self.sessions[key] = True
            return
        interaction_id = getattr(data, "interaction_id", "")
        if not interaction_id or isinstance(data, session.CustomerIdentified):
            return
        name = Key(event.tenant, interaction_id)
        if isinstance(data, session.ContactBegan):
            self.hold("I5 one effect", name not in self.served, f"{name} began twice")
            self.hold(
                "I3 legal transitions", not self.sessions.get(key, False), f"{name} began in a closed session"
            )
            self.served[name] = Served(key.id, external=data.distribution == "external")
            return
        served = self.served.get(name)
        self.hold("I3 legal transitions", served is not None, f"{data.type} of {name}, which has not begun")
        if served is None:
            return
        self.hold("I3 one session", served.session_id == key.id, f"{name} is in two sessions")
        match data:
            case session.ContactClosed():
                self.hold("I3 one end", not served.closed, f"{name} closed twice")
                served.closed = True
            case session.Connected() | session.ParticipantJoined():
                self.hold("I3 after the end", not served.closed, f"{data.type} of {name} after its end")
                if isinstance(data, session.ParticipantJoined):
                    self.hold(
                        "I2 one assignment",
                        not served.agents,
                        f"{data.agent_id} joined {name} to {served.agents}",
                    )
                    served.agents.append(data.agent_id)
            case session.ParticipantLeft():
                self.hold(
                    "I3 legal transitions",
                    data.agent_id in served.agents,
                    f"{data.agent_id} was not in {name}",
                )
                served.agents.remove(data.agent_id)
            case session.SurveyAnswered():
                served.surveys += 1
                self.hold("I5 one effect", served.surveys == 1, f"the survey of {name} was answered twice")

    # --- states

    def state(self, store: str, key: Key, state: Any) -> None:
        """Check the state of an aggregate as it was saved."""
        if store == "pools":
            self._pool(key, state)
        elif store in ("contacts", "intervals"):
            self._figures(store, key, state)

    def _pool(self, key: Key, pool: Any) -> None:
        self.hold("I10 bounded", len(pool.finished) <= MOST_FINISHED, f"{key} remembers {len(pool.finished)}")
        for contact_id, contact in pool.contacts.items():
            holders = [
                name
                for name, one in pool.agents.items()
                if contact_id in one.holds and one.holds[contact_id].state in ("offered", "assigned")
            ]
            wanted = [contact.agent_id] if contact.state != "waiting" else []
            self.hold(
                "I2 one assignment", holders == wanted, f"{contact_id} is held by {holders}, not {wanted}"
            )
        for name, one in pool.agents.items():
            for contact_id, held in one.holds.items():
                alive = held.state == "wrap_up" or contact_id in pool.contacts
                self.hold("I2 nothing held for ever", alive, f"{name} holds {contact_id}, which is over")

    def _figures(self, store: str, key: Key, state: Any) -> None:
        if store == "contacts":
            numbers = {"waited_ms": state.waited_ms, "talked_ms": state.talked_ms, "held_ms": state.held_ms}
        else:
            numbers = dict(state.counts)
        below = {name: number for name, number in numbers.items() if number < 0}
        self.hold("I14 no negative duration", not below, f"{store} {key}: {below}")
