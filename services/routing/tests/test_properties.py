"""Whatever comes in whatever order, the promises of a pool hold."""

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from libs.events import agent, queue, routing
from libs.events.base import Fact, Tick
from services.routing.domain.decide import decide
from services.routing.domain.model import Agent, Contact
from services.routing.tests import cases
from services.routing.tests.cases import POOL, Floor, at, event, hard, soft

AGENTS = ("ana", "bob", "cem")
QUEUES = ("service", "sales", "vip")
CONTACTS = tuple(f"c{number}" for number in range(16))
agents = st.sampled_from(AGENTS)
queues = st.sampled_from(QUEUES)
contacts = st.sampled_from(CONTACTS)
needs = st.sampled_from(((), (hard("zh", 3),), (soft("card", 5, 2),), (hard("card", 6), soft("zh"))))
skills = st.dictionaries(st.sampled_from(("zh", "card")), st.integers(1, 10))
ENDS = {"contact_abandoned", "contact_released", "contact_rejected"}


class PoolMachine(RuleBasedStateMachine):
    """A pool under random requests, most of them illegal, with time passing as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor()
        self.second = 0.0
        self.queued: set[str] = set()
        self.gone: set[str] = set()
        self.checked = 0
        self.holders: dict[str, str] = {}
        self.state_of: dict[str, tuple[str, datetime]] = {}
        self.ends: Counter[str] = Counter()

    def tell(self, data: Fact) -> None:
        cause = event(data, self.second)
        before = self.floor.pool
        self.floor.apply(cause, self.second)
        again = decide(before, cause, at(self.second))
        assert again[0] == self.floor.pool, "deciding again decides the same"

    @initialize()
    def open(self) -> None:
        self.tell(cases.service("service", max_wait_s=30, overflow_queue_id="sales"))
        self.tell(cases.service("sales", wrap_up_s=0, max_wait_s=20, overflow_queue_id="service"))
        self.tell(cases.service("vip", needs=(hard("zh", 2),), priority=50, max_waiting=2))
        for agent_id, has in zip(AGENTS, ({"zh": 5}, {"card": 7}, {"zh": 9, "card": 9}), strict=True):
            self.tell(cases.configured(agent_id, skills=has, chats=3))
            self.tell(cases.signed_in(agent_id))
            self.tell(cases.ready(agent_id))

    @rule(seconds=st.sampled_from((0.001, 1, 4, 16, 61)))
    def wait(self, seconds: float) -> None:
        self.second += seconds
        self.floor.wait_until(self.second)

    @rule(
        contact=contacts,
        queue_id=queues,
        channel=st.sampled_from(("voice", "chat", "chat")),
        needs=needs,
        vip=st.integers(0, 2),
        prefers=st.sampled_from(("", *AGENTS, "nobody")),
        for_s=st.sampled_from((0, 10)),
    )
    def join(
        self,
        contact: str,
        queue_id: str,
        channel: str,
        needs: tuple[queue.Need, ...],
        vip: int,
        prefers: str,
        for_s: float,
    ) -> None:
        self.queued.add(contact)
        data = cases.queued(
            contact, queue_id, channel=channel, needs=needs, vip_level=vip, prefers=prefers, for_s=for_s
        )
        self.tell(data)

    @rule(contact=contacts)
    def withdraw(self, contact: str) -> None:
        self.gone.add(contact)
        self.tell(cases.withdrawn(contact))

    @precondition(lambda self: any(each.state == "offered" for each in self.floor.pool.contacts.values()))
    @rule(data=st.data(), accepts=st.sampled_from((True, True, True, False)))
    def answer(self, data: st.DataObject, accepts: bool) -> None:
        offered = [each for each in self.floor.pool.contacts.values() if each.state == "offered"]
        contact = data.draw(st.sampled_from(sorted(offered, key=lambda each: each.contact_id)))
        kind = queue.OfferAccepted if accepts else queue.OfferDeclined
        answer = kind(
            pool_id=POOL,
            contact_id=contact.contact_id,
            agent_id=contact.agent_id,
            offer_id=contact.offer_id,
        )
        self.tell(answer)

    @rule()
    def answer_all(self) -> None:
        for contact in list(self.floor.pool.contacts.values()):
            if contact.state == "offered":
                self.tell(
                    queue.OfferAccepted(
                        pool_id=POOL,
                        contact_id=contact.contact_id,
                        agent_id=contact.agent_id,
                        offer_id=contact.offer_id,
                    )
                )

    @rule()
    def hang_up_all(self) -> None:
        for contact in list(self.floor.pool.contacts.values()):
            if contact.state == "assigned":
                self.gone.add(contact.contact_id)
                self.tell(cases.withdrawn(contact.contact_id))

    @rule()
    def begin_anew(self) -> None:
        for agent_id in AGENTS:
            self.tell(cases.signed_in(agent_id))
            self.tell(cases.ready(agent_id))

    @rule(contact=contacts, agent_id=agents)
    def accept_wrongly(self, contact: str, agent_id: str) -> None:
        before = self.floor.pool
        self.tell(queue.OfferAccepted(pool_id=POOL, contact_id=contact, agent_id=agent_id, offer_id="o"))
        assert self.floor.pool is before

    @rule(contact=contacts, agent_id=agents)
    def wrap_up(self, contact: str, agent_id: str) -> None:
        self.tell(cases.wrapped_up(contact, agent_id, "done"))

    @precondition(lambda self: any(each.state == "assigned" for each in self.floor.pool.contacts.values()))
    @rule(data=st.data(), to_queue=st.sampled_from(("", *QUEUES)), to_agent=st.sampled_from(("", *AGENTS)))
    def transfer(self, data: st.DataObject, to_queue: str, to_agent: str) -> None:
        served = [each for each in self.floor.pool.contacts.values() if each.state == "assigned"]
        contact = data.draw(st.sampled_from(sorted(served, key=lambda each: each.contact_id)))
        self.tell(cases.transfer(contact.contact_id, contact.agent_id, to_queue, to_agent))

    @rule(contact=contacts, to_queue=st.sampled_from(("", *QUEUES)), priority=st.sampled_from((None, 30)))
    def move(self, contact: str, to_queue: str, priority: int | None) -> None:
        self.tell(cases.moved(contact, to_queue, priority))

    @rule(contact=contacts, agent_id=agents)
    def direct(self, contact: str, agent_id: str) -> None:
        self.tell(cases.directed(contact, agent_id))

    @rule(contact=contacts)
    def take_back(self, contact: str) -> None:
        self.tell(cases.taken_back(contact))

    @rule(agent_id=agents, by=st.sampled_from(("", "sue")))
    def ask_ready(self, agent_id: str, by: str) -> None:
        self.tell(cases.ready(agent_id, by))

    @rule(agent_id=agents, by=st.sampled_from(("", "sue")))
    def ask_not_ready(self, agent_id: str, by: str) -> None:
        self.tell(cases.not_ready(agent_id, by=by))

    @rule(agent_id=agents)
    def sign_in(self, agent_id: str) -> None:
        self.tell(cases.signed_in(agent_id))

    @rule(agent_id=agents)
    def sign_out(self, agent_id: str) -> None:
        self.tell(cases.signed_out(agent_id))

    @rule(agent_id=agents, has=skills, enabled=st.sampled_from((True, True, False)))
    def configure(self, agent_id: str, has: dict[str, int], enabled: bool) -> None:
        self.tell(cases.configured(agent_id, skills=has, chats=3, enabled=enabled))

    @rule(queue_id=queues, needs=needs)
    def reconfigure(self, queue_id: str, needs: tuple[queue.Need, ...]) -> None:
        self.tell(cases.service(queue_id, needs=needs, max_wait_s=15, overflow_queue_id="vip"))

    @rule(queue_id=queues, agent_id=agents)
    def remove(self, queue_id: str, agent_id: str) -> None:
        self.tell(queue.AgentRemoved(pool_id=POOL, agent_id=agent_id))
        self.tell(queue.QueueRemoved(pool_id=POOL, queue_id=queue_id))
        assert agent_id not in self.floor.pool.agents

    @rule(has=skills)
    def open_again(self, has: dict[str, int]) -> None:
        for queue_id in QUEUES:
            self.tell(cases.service(queue_id, overflow_queue_id="vip"))
        for agent_id in AGENTS:
            self.tell(cases.configured(agent_id, skills=has, chats=3))

    @invariant()
    def queues_that_leave_are_not_empty(self) -> None:
        pool = self.floor.pool
        held = {each.queue_id for someone in pool.agents.values() for each in someone.holds.values()}
        used = held | {each.queue_id for each in pool.contacts.values()}
        assert used <= set(pool.queues)
        assert set(pool.leaving) <= used
        assert not any(pool.queues[each].config.enabled for each in pool.leaving)

    @rule()
    def tick_in_vain(self) -> None:
        self.tell(Tick(of=POOL))

    @invariant()
    def facts_agree_with_the_promises(self) -> None:
        """Replay what was told as its readers see it."""
        for each in self.floor.told[self.checked :]:
            assert each.journey_id, each.type
            match each.data:
                case routing.ContactAssigned() as data:
                    assert data.contact_id not in self.holders, "assigned twice at once"
                    self.holders[data.contact_id] = data.agent_id
                case routing.ContactReleased() | routing.ContactTransferred() as data:
                    assert self.holders.pop(data.contact_id) == data.agent_id
                case routing.ContactRequeued(cause="agent_lost") as data:
                    self.holders.pop(data.contact_id, None)
                case agent.StateEntered() as data:
                    state, since = self.state_of.get(data.agent_id, ("signed_out", data.since))
                    assert data.previous == state
                    assert timedelta(milliseconds=data.previous_ms) == data.since - since
                    self.state_of[data.agent_id] = (data.state, data.since)
            name = each.type.split(".")[2]
            if name in ENDS:
                assert isinstance(
                    each.data, routing.ContactAbandoned | routing.ContactReleased | routing.ContactRejected
                )
                self.ends[each.data.contact_id] += name != "contact_rejected"
                assert self.ends[each.data.contact_id] <= 1, "ended twice"
        assert len({each.id for each in self.floor.told}) == len(self.floor.told)
        self.checked = len(self.floor.told)
        for removed in set(self.state_of) - set(self.floor.pool.agents):
            assert self.state_of.pop(removed)[0] == "signed_out", "whoever goes is told to have signed out"

    @invariant()
    def hands_and_contacts_agree(self) -> None:
        pool = self.floor.pool
        held = {
            (agent_id, contact_id): each.state
            for agent_id, someone in pool.agents.items()
            for contact_id, each in someone.holds.items()
            if each.state != "wrap_up"
        }
        given = {
            (each.agent_id, each.contact_id): each.state
            for each in pool.contacts.values()
            if each.state != "waiting"
        }
        assert held == given
        assert {each.contact_id for each in pool.contacts.values() if each.state == "assigned"} == set(
            self.holders
        )

    @invariant()
    def nobody_has_more_than_he_can_hold(self) -> None:
        for someone in self.floor.pool.agents.values():
            load = someone.load()
            assert load.get("voice", 0) <= 1
            assert load.get("chat", 0) <= 3
            assert not (load.get("voice") and load.get("chat"))
            assert someone.signed_in or not someone.holds
            assert sum(each.state == "offered" for each in someone.holds.values()) <= 1

    @invariant()
    def every_queued_contact_waits_or_is_served_or_has_ended(self) -> None:
        pool = self.floor.pool
        assert not self.gone & set(pool.contacts)
        for contact in self.queued:
            assert (contact in pool.contacts) or contact in pool.finished
            assert not (contact in pool.contacts and self.ends[contact])

    @invariant()
    def nobody_waits_whom_somebody_could_serve(self) -> None:
        pool = self.floor.pool
        for contact in pool.contacts.values():
            if contact.state == "waiting":
                assert contact.agent_id == ""
                for someone in pool.agents.values():
                    assert not self.could_serve(someone, contact), (someone.agent_id, contact.contact_id)

    def could_serve(self, someone: Agent, contact: Contact) -> bool:
        """Say, in other words than the rules do, whether the agent could be offered the contact."""
        pool, load = self.floor.pool, someone.load()
        preferred = pool.agents.get(contact.preferred_agent_id)
        insists = contact.insist_until is not None and contact.insist_until > pool.at
        if insists and preferred and preferred.signed_in and preferred is not someone:
            return False
        if contact.contact_id in someone.holds or contact.passed_by == someone.agent_id:
            return False
        wanted = (*contact.needs, *pool.queues[contact.queue_id].config.needs)
        skilled = all(
            someone.config.skills.get(each.skill, 0) >= each.level for each in wanted if each.hard
        ) or (contact.by_name and preferred is someone)
        room = sum(load.values()) == 0 or (
            contact.channel == "chat"
            and "voice" not in load
            and load.get("chat", 0) < 3
            and someone.state()[0] == "busy"
            and all(each.state != "offered" for each in someone.holds.values())
        )
        return someone.signed_in and someone.wants == "ready" and skilled and room


PoolMachine.TestCase.settings = settings(
    max_examples=120, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPool = PoolMachine.TestCase
