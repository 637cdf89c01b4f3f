"""What a customer says of an agent reaches the agent's pool."""

import pytest

from libs.events import queue, session
from libs.events.base import Event
from libs.local import LocalBus
from libs.wire import decode
from services.routing.surveys import SOURCE, handler
from services.routing.tests import cases
from services.routing.tests.cases import floor
from services.routing.tests.places import LocalDecisions


async def told_of(survey: session.SurveyAnswered) -> list[queue.AgentRated]:
    """Return what routing tells of a survey about a contact that ana was offered."""
    pool = floor().staff("ana")
    pool.tell(cases.queued("c1"), 5)
    decisions, bus = LocalDecisions(), LocalBus()
    await decisions.keep(pool.told)
    event = Event("e-survey", "acme", cases.at(60), survey, "j-1")
    for _ in range(2):
        await handler(decisions, bus, lambda: cases.at(61))([event])
    events = [decode(each.headers, each.value) for each in bus.topics["trunkline.queue"]]
    assert len({each.id for each in events}) <= 1, "told twice it is one fact"
    assert {each.source for each in events} <= {SOURCE}
    assert all(len(each.traceparent) == 55 for each in events), "it goes on in the trace of the survey"
    return [each.data for each in events if isinstance(each.data, queue.AgentRated)][:1]


def answered(agent_id: str = "ana", csat: int | None = 5, nps: int | None = None) -> session.SurveyAnswered:
    return session.SurveyAnswered(
        session_id="s-c1", interaction_id="c1", channel="voice", agent_id=agent_id, csat=csat, nps=nps
    )


async def test_it_tells_the_pool_of_the_agent() -> None:
    (rated,) = await told_of(answered(csat=4, nps=11))

    assert (rated.pool_id, rated.agent_id, rated.queue_id, rated.csat, rated.nps) == (
        "main",
        "ana",
        "service",
        4,
        None,
    )


@pytest.mark.parametrize("survey", [answered(csat=None), answered("bob"), answered("")])
async def test_it_tells_nothing_where_nothing_is_known(survey: session.SurveyAnswered) -> None:
    assert await told_of(survey) == []
