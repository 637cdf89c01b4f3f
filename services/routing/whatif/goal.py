"""How well an offer serves a goal, measured alike for every strategy compared."""

from dataclasses import dataclass
from datetime import datetime

from libs.events import routing
from services.routing.domain.expression import Value, run
from services.routing.domain.facts import ContactFacts, MomentFacts
from services.routing.domain.match import needs_of
from services.routing.domain.model import Pool
from services.routing.domain.strategy.compiled import compiled
from services.routing.domain.strategy.document import DEFAULT, Select, Strategy
from services.routing.whatif.people import Score


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a score may ask: about the contact, and about the agent beside it."""

    contact: ContactFacts
    moment: MomentFacts

    def get(self, name: str, default: Value) -> Value:
        return (self.contact if name.startswith(("contact.", "queue.")) else self.moment).get(name, default)


def goal_of(strategy: Strategy = DEFAULT) -> Score:
    """
    Return what scores offers by the goal of a strategy, without what it takes off for fairness.

    The agent is seen as he was before the offer, the contact as it was after it, for it may have just come.
    """
    select = Select(goal=strategy.select.goal, score=strategy.select.score)
    rules, problems = compiled(Strategy(strategy_id="goal", vocabulary=strategy.vocabulary, select=select))
    assert not problems, problems
    value_of = run(rules.score)

    def score(before: Pool, after: Pool, offer: routing.AgentOffered, now: datetime) -> float:
        contact = after.contacts[offer.contact_id]
        queue = after.queues[contact.queue_id]
        agent = before.agents[offer.agent_id]
        moment = MomentFacts(agent, contact, queue, needs_of(contact, queue), now)
        value = value_of(_Scope(ContactFacts(contact, queue, now), moment))
        assert isinstance(value, int | float)
        return float(value)

    return score
