"""What would have led to another choice: derived from the decision record alone."""

from collections.abc import Iterator
from typing import NamedTuple

from libs.events.routing import Candidate, DecisionRecorded
from services.routing.domain import words

MOST = 10
AGENT_ID = "agent_id"


class Change(NamedTuple):
    """Had `what` been otherwise, `agent_id` would have been chosen."""

    agent_id: str
    what: str
    en: str
    zh: str


def changes_of(record: DecisionRecorded) -> list[Change]:
    """Return the changes of one thing only, each enough by itself; none where the record is an old one."""
    if not record.order or record.rule == words.TOGETHER:  # there it depends on the others
        return []
    chosen = next((each for each in record.candidates if each.agent_id == record.chosen_agent_id), None)
    return [*_of_the_rest(record, chosen), *_of_the_excluded(record, chosen)][:MOST]


def _of_the_rest(record: DecisionRecorded, chosen: Candidate | None) -> Iterator[Change]:
    """Yield under which rule the next best lost: better there, he would have been chosen."""
    able = [each for each in record.candidates if not each.excluded_by and each is not chosen]
    if chosen is None or not able:
        return
    second = min(able, key=_rank)
    if record.rule in words.BY_NAME:
        said = words.without_preference(second.agent_id, chosen.agent_id)
        yield Change(second.agent_id, record.rule, said.en, said.zh)
        return
    lost = next(
        (
            (rule, mine, theirs)
            for rule, mine, theirs in zip(record.order, chosen.ranks, second.ranks, strict=True)
            if mine != theirs
        ),
        None,
    )
    if lost is not None:
        said = words.of_lost(second.agent_id, chosen.agent_id, *lost)
        yield Change(second.agent_id, lost[0], said.en, said.zh)


def _of_the_excluded(record: DecisionRecorded, chosen: Candidate | None) -> Iterator[Change]:
    """Yield who was kept away by one thing only, and would have been best without it."""
    if chosen is not None and record.rule in words.BY_NAME:
        return  # nobody comes before him who was asked for
    for each in sorted((each for each in record.candidates if len(each.obstacles) == 1), key=_rank):
        if chosen is None or _rank(each) < _rank(chosen):
            name, said = words.of_exclusion(each.obstacles[0])
            told = words.without_obstacle(each.agent_id, said)
            yield Change(each.agent_id, each.obstacles[0] or name, told.en, told.zh)


def _rank(candidate: Candidate) -> tuple[tuple[float, ...], str]:
    return candidate.ranks, candidate.agent_id
