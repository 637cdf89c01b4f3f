"""
Derives a choice again from its decision record, and from nothing else.

It shares no code with the rules it checks: expressions are computed by Python itself, with the facts of the
record in place of names.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from libs.events.routing import Candidate, DecisionRecorded, Known


class _Named:
    """What stands before a dot or a bracket in an expression."""

    def __init__(self, name: str, facts: Mapping[str, Known]) -> None:
        self._name, self._facts = name, facts

    def __getattr__(self, word: str) -> Any:
        name = f"{self._name}.{word}"
        return self._facts[name] if name in self._facts else _Named(name, self._facts)

    def __getitem__(self, key: str) -> Any:
        return self._facts[f"{self._name}[{key}]"]


def computed(text: str, facts: Mapping[str, Known]) -> Any:
    """Return what an expression gives for these facts."""
    names: dict[str, Any] = {
        "__builtins__": {},
        "min": min,
        "max": max,
        "abs": abs,
        "size": len,
        "both": lambda one, other: set(one) & set(other),
    }
    names |= {name: value for name, value in facts.items() if "." not in name}
    names |= {word: _Named(word, facts) for word in ("agent", "contact", "queue", "portrait")}
    return eval(text, names)


def problems_of(record: DecisionRecorded) -> Iterator[str]:
    """Yield what in a record does not follow from the rest of it."""
    able = [each for each in record.candidates if not each.excluded_by]
    for each in record.candidates:
        if each.facts:
            yield from _wrong_exclusions(each, record)
    for each in able:
        score = computed(record.score, {**record.facts, **each.facts})
        if score != each.score:
            yield f"{each.agent_id} scores {score}, not {each.score}"
        if "best_score" in record.order and each.ranks[record.order.index("best_score")] != -each.score:
            yield f"{each.agent_id} is not ranked by his score"
    if record.rule == "together":  # for the best of several: not to be told from one of them alone
        if record.chosen_agent_id not in {each.agent_id for each in able}:
            yield f"chose {record.chosen_agent_id}, who is not able"
        return
    chosen, rule = _choice(record, able)
    if (record.chosen_agent_id, record.rule) != (chosen, rule):
        yield f"chose {record.chosen_agent_id} by {record.rule}, not {chosen} by {rule}"


def _wrong_exclusions(candidate: Candidate, record: DecisionRecorded) -> Iterator[str]:
    facts = {**record.facts, **candidate.facts}
    due = set()
    for need in record.needs:
        kind, level, *rest = need.split(" ")
        if kind == "hard" and facts[f"agent.level[{rest[0]}]"] < int(level):  # type: ignore[operator]  # a number
            due.add(f"missing_skill:{rest[0]}")
    due |= {f"filter:{each.filter_id}" for each in record.filters if not computed(each.keep, facts)}
    told = {each for each in candidate.obstacles if each.startswith(("missing_skill:", "filter:"))}
    if due != told and record.rule != "named_agent":
        yield f"{candidate.agent_id} is kept away by {sorted(told)}, not by {sorted(due)}"
    if bool(candidate.excluded_by) != bool(candidate.obstacles):
        yield f"{candidate.agent_id} is excluded without obstacle"


def _choice(record: DecisionRecorded, able: list[Candidate]) -> tuple[str, str]:
    """Return who is to be chosen and by which rule."""
    if not able:
        return "", "no_agent"
    if any(each.agent_id == record.preferred_agent_id for each in able):
        by_name = record.rule if record.rule == "named_agent" else "preferred_agent"
        return record.preferred_agent_id, by_name
    first, *others = sorted(able, key=lambda each: (each.ranks, each.agent_id))
    if not others:
        return first.agent_id, "only_candidate"
    differing = (
        rule
        for rule, mine, theirs in zip(record.order, first.ranks, others[0].ranks, strict=True)
        if mine != theirs
    )
    return first.agent_id, next(differing, "agent_id")
