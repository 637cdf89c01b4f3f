"""Decision records: all that is needed to derive a choice again, and to say what would have changed it."""

from collections.abc import Iterable
from datetime import datetime

from libs.events import routing
from libs.events.routing import Asked, Candidate, Known
from services.routing.domain.expression import Value, names_in
from services.routing.domain.expression.tree import EMPTY
from services.routing.domain.facts import ContactFacts, MomentFacts, idle_s
from services.routing.domain.match import Choice, Question
from services.routing.domain.model import Agent, to_ms
from services.routing.domain.rank import at_least
from services.routing.domain.strategy.document import DEFAULT
from services.routing.domain.words import as_text


def record_of(choice: Choice, decision_id: str, pool_id: str, now: datetime) -> routing.DecisionRecorded:
    question = choice.question
    contact, queue = question.contact, question.queue
    rules, published = queue.rules, queue.strategy
    asked = _names_asked(question)
    about_contact = ContactFacts(contact, queue, now)
    return routing.DecisionRecorded(
        **contact.about(pool_id),
        decision_id=decision_id,
        chosen_agent_id=choice.agent.agent_id if choice.agent else "",
        rule=choice.rule,
        needs=as_text(question.needs),
        candidates=_candidates(choice, [name for name in asked if not _is_of_contact(name)], now),
        considered=choice.considered,
        waited_ms=to_ms(now - contact.since),
        strategy_id=published.strategy_id if published else DEFAULT.strategy_id,
        strategy_version=published.version if published else 0,
        stage=rules.stages.index(question.stage),
        filters=tuple(Asked(filter_id=each.id, keep=each.text) for each in question.stage.sieves),
        order=rules.strategy.select.order,
        score=rules.score_text,
        facts={name: _known(about_contact.get(name, "")) for name in asked if _is_of_contact(name)},
        preferred_agent_id=contact.preferred_agent_id if rules.strategy.select.preferred_first else "",
    )


def _names_asked(question: Question) -> list[str]:
    nodes = [question.queue.rules.score, *(sieve.node for sieve in question.stage.sieves)]
    nodes += [at_least(need.skill, need.level) for need in question.needs]
    nodes += [node for each in question.queue.rules.reserved for node in (each.agents, each.contacts)]
    names = {name for node in nodes for name in names_in(node)}
    return sorted(names)


def _is_of_contact(name: str) -> bool:
    return name.startswith(("contact.", "queue."))


def _candidates(choice: Choice, names: Iterable[str], now: datetime) -> tuple[Candidate, ...]:
    able = [
        Candidate(
            agent_id=agent.agent_id,
            score=score,
            idle_ms=_idle_ms(agent, now),
            ranks=rank,
            facts=_facts(agent, choice.question, names, now),
        )
        for (rank, _), score, agent in choice.able
    ]
    excluded = [
        Candidate(
            agent_id=agent.agent_id,
            excluded_by=why[0][:256],
            obstacles=tuple(each[:256] for each in why),
            ranks=rank[0] if rank else (),
            facts=_facts(agent, choice.question, names, now) if agent.signed_in else {},
        )
        for why, rank, agent in choice.excluded
    ]
    return (*able, *excluded)


def _facts(agent: Agent, question: Question, names: Iterable[str], now: datetime) -> dict[str, Known]:
    facts = MomentFacts(agent, question.contact, question.queue, question.needs, now)
    return {name: _known(facts.get(name, EMPTY["text"])) for name in names}


def _known(value: Value) -> Known:
    return tuple(sorted(value)) if isinstance(value, frozenset) else value


def _idle_ms(agent: Agent, now: datetime) -> int:
    return round(idle_s(agent, now) * 1000)
