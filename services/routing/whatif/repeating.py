"""Repeats a recording: the engine decides everything once more, at the same times, and is compared."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from libs.events import routing
from libs.events.base import AnyEvent, Event, Facts, Tick
from services.routing.domain.decide import decide
from services.routing.domain.model import BEGINNING, Pool, due
from services.routing.whatif.recording import Recording, Step, steps

MOST_DIFFERENCES_TOLD = 100


@dataclass(slots=True)
class Repeated:
    """
    How a repetition went. A choice is a decision record: an agent for a contact, or nobody.

    `quiet` is the pool at `quiet_at`, the last moment before the period when nobody had a contact, else the
    very first; the `quiet_after` first inputs lead to it.
    """

    quiet: Pool
    last: Pool  # at the end
    quiet_at: datetime = BEGINNING
    quiet_after: int = 0
    choices: int = 0
    equal: int = 0
    differing: list[dict[str, Any]] = field(default_factory=list)
    now_of: dict[str, datetime] = field(default_factory=dict)  # when each input was decided


def repeat(recording: Recording, begin: datetime) -> Repeated:
    """Fold a recording into the engine as it came; a repetition that differs goes on with its own choices."""
    pool = Pool(recording.pool_id)
    found = Repeated(pool, pool)
    inputs = 0
    for step in steps(recording):
        if found.quiet_at == BEGINNING or (step.now <= begin and _is_quiet(pool)):
            found.quiet, found.quiet_at, found.quiet_after = pool, step.now, inputs
        pool = _quiet_ticks(pool, step.now)
        pool, facts = decide(pool, step.event, step.now)
        if not isinstance(step.event.data, Tick):
            inputs += 1
            found.now_of[step.event.id] = step.now
        _compare(found, step, facts)
    found.quiet = replace(found.quiet, index=None)  # what is played from it makes its own
    found.last = pool
    return found


def _is_quiet(pool: Pool) -> bool:
    return not pool.contacts and not any(each.holds for each in pool.agents.values())


def _quiet_ticks(pool: Pool, until: datetime) -> Pool:
    """
    Return the pool after the ticks that were not recorded, because nothing was told of them.

    One of which something would be told is not brought: the recording has it, later by the service's beat.
    """
    while (moment := due(pool)) is not None and moment <= until:
        after, facts = decide(pool, Event("tick", "", moment, Tick(of=pool.pool_id), ""), moment)
        if facts or after is pool:
            return pool
        pool = after
    return pool


def _compare(found: Repeated, step: Step, facts: Facts) -> None:
    recorded, repeated = _choices(step.told), _choices(facts)
    for decision_id in {**recorded, **repeated}:
        found.choices += 1
        a, b = recorded.get(decision_id), repeated.get(decision_id)
        if a is not None and b is not None and a.chosen_agent_id == b.chosen_agent_id:
            found.equal += 1
        elif len(found.differing) < MOST_DIFFERENCES_TOLD:
            known = a or b
            assert known is not None
            found.differing.append(
                {
                    "contact_id": known.contact_id,
                    "decision_id": decision_id,
                    "recorded": a.chosen_agent_id if a else None,
                    "repeated": b.chosen_agent_id if b else None,
                }
            )


def _choices(facts: tuple[AnyEvent, ...] | Facts) -> dict[str, routing.DecisionRecorded]:
    return {
        fact.data.decision_id: fact.data for fact in facts if isinstance(fact.data, routing.DecisionRecorded)
    }
