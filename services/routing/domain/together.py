"""Contacts that were gathered are matched together: for the best sum of scores, not one after the other."""

from collections.abc import Sequence
from dataclasses import replace

from services.routing.domain.assign import NOBODY, UNABLE, assign
from services.routing.domain.bits import slots_in
from services.routing.domain.index import AgentIndex
from services.routing.domain.match import Choice, Matcher
from services.routing.domain.model import Agent, Contact

MOST = 500  # contacts and agents in one go: beyond that the most urgent come first
RULE = "together"


def match(contacts: Sequence[Contact], matcher: Matcher, index: AgentIndex) -> list[Choice]:
    """
    Return the choices for those contacts, the most urgent first, who get an agent.

    Who asks for a certain agent is left to be matched by himself, and so is who finds nobody here, or may not
    take from a reserve: how many are free of that changes with every match.
    """
    questions = [matcher.question(each) for each in contacts[:MOST] if not each.preferred_agent_id]
    questions = [each for each in questions if not each.queue.rules.reserved]
    asked = [each.contact for each in questions]
    able = [matcher.able(each) for each in questions]
    anybody = 0
    for each in able:
        anybody |= each
    slots = list(slots_in(anybody))[:MOST]
    if len(asked) < 2 or not slots:
        return []
    scores = []
    for question, mine in zip(questions[: len(slots)], able, strict=False):
        ranking = matcher.ranking(question)
        scores.append([ranking.score(index.agents[slot]) if mine >> slot & 1 else UNABLE for slot in slots])
    given = assign(scores)
    return [
        _choice(matcher.choose(contact), index.agents[slots[column]], matcher)
        for contact, column in zip(asked, given, strict=False)
        if column != NOBODY
    ]


def _choice(alone: Choice, agent: Agent, matcher: Matcher) -> Choice:
    """Return what the contact would have got alone, with the agent whom it gets beside the others."""
    able = alone.able
    if not any(each is agent for _, _, each in able):
        ranking = matcher.ranking(alone.question)
        able = (*able[:-1], (ranking.of(agent), ranking.score(agent), agent))
    return replace(alone, agent=agent, rule=RULE, able=able)
