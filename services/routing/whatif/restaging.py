"""Makes a recorded period a script, so that it can be played with something changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from libs.events import queue
from libs.events.base import Fact
from services.routing.domain.model import Pool, seconds
from services.routing.whatif.changes import Changes
from services.routing.whatif.drawing import configured, each_of, presence, published
from services.routing.whatif.fitting import Fitted, Kind
from services.routing.whatif.recording import Recording
from services.routing.whatif.repeating import Repeated
from services.routing.whatif.script import Answer, Given, Leg, Script, Visit
from services.routing.whatif.tracing import NOTHING_KNOWN, Trace

FROM_OUTSIDE = (
    queue.QueueConfigured,
    queue.AgentConfigured,
    queue.QueueRemoved,
    queue.AgentRemoved,
    queue.ReasonsConfigured,
    queue.AgentRated,
    queue.StrategyPublished,
    queue.AgentSignedIn,
    queue.AgentSignedOut,
    queue.AgentStateRequested,
    queue.ContactMoved,
    queue.ContactDirected,
    queue.ContactTakenBack,
)
OF_PRESENCE = (queue.AgentSignedIn, queue.AgentSignedOut, queue.AgentStateRequested)
COPIES_WITHIN_S = 900.0  # a contact that is added comes so much earlier or later than the one it copies


@dataclass(frozen=True, slots=True)
class Period:
    """A recorded period, read: what is known and what was fitted."""

    recording: Recording
    repeated: Repeated
    traces: Mapping[str, Trace]
    fitted: Fitted
    begin: datetime
    end: datetime


def restaged(period: Period, changes: Changes, seed: str) -> Script:
    """
    Return the period as a script that begins at the last quiet moment before it.

    What people did they do again: contacts come, wait, talk; agents sign in, ring, wrap up; supervisors act.
    What is not known, because something else came first, is drawn from what was seen of others, for each
    contact by the seed.
    """
    given = list(_staffing(period, changes))
    visits: list[Visit] = []
    seen: set[str] = set()  # the engine takes a contact once
    for order, event in enumerate(period.recording.inputs[period.repeated.quiet_after :], start=1):
        now = period.repeated.now_of[event.id]
        if now >= period.end:
            break
        if isinstance(event.data, queue.ContactQueued):
            if event.data.contact_id in seen:
                continue
            seen.add(event.data.contact_id)
            visits += _visits(period, event.data, now, event.time, order, changes.volume, seed)
        elif isinstance(event.data, FROM_OUTSIDE) and _still_holds(event.data, changes):
            given.append(Given(now, event.data, order))
    return Script(period.recording.pool_id, period.begin, period.end, tuple(given), tuple(visits))


def _staffing(period: Period, changes: Changes) -> Iterator[Given]:
    """Yield what is otherwise from the start: agents who go and come, strategies in force."""
    pool, at = period.repeated.quiet, period.repeated.quiet_at
    for agent_id in changes.agents_removed:
        if agent_id in pool.agents:
            yield Given(at, queue.AgentSignedOut(pool_id=pool.pool_id, agent_id=agent_id))
    for staff in each_of(changes.agents_added):
        yield Given(at, configured(pool.pool_id, staff.agent))
        for shift in staff.shifts:
            for at_s, fact in presence(pool.pool_id, staff.agent.agent_id, shift):
                moment = at if at_s == 0 else max(at, period.begin + seconds(at_s))
                if moment < period.end:
                    yield Given(moment, fact)
    for number, strategy in enumerate(changes.strategies, start=1):
        version = _version(pool, strategy.strategy_id) + number
        # After the queues that come at the same moment, before anybody who does.
        yield Given(at, published(pool.pool_id, strategy, version))


def _version(pool: Pool, strategy_id: str) -> int:
    known = pool.strategies.get(strategy_id)
    return known.version if known else 0


def _still_holds(data: Fact, changes: Changes) -> bool:
    """Say whether something recorded still happens in spite of the changes."""
    if isinstance(data, queue.StrategyPublished):
        return not changes.strategies
    return not (isinstance(data, OF_PRESENCE) and data.agent_id in changes.agents_removed)


def _visits(
    period: Period,
    data: queue.ContactQueued,
    now: datetime,
    event_time: datetime,
    order: int,
    volume: float,
    seed: str,
) -> Iterator[Visit]:
    """Yield the contact as often as the volume has it: itself first, then copies that come near its time."""
    chance = Random(f"{seed}/{data.contact_id}/volume")
    times = int(volume) + (chance.random() < volume % 1)
    if times:
        yield _visit(period, data, now, event_time, order, seed)
    for number in range(2, times + 1):
        at = now + timedelta(seconds=round(chance.uniform(-COPIES_WITHIN_S, COPIES_WITHIN_S), 3))
        at = min(max(at, period.repeated.quiet_at), period.end - timedelta(milliseconds=1))
        copy = data.model_copy(
            update={"contact_id": f"{data.contact_id}~{number}", "session_id": f"{data.session_id}~{number}"}
        )
        yield _visit(period, copy, at, at, order, seed)


def _visit(
    period: Period, data: queue.ContactQueued, now: datetime, event_time: datetime, order: int, seed: str
) -> Visit:
    trace = period.traces.get(data.contact_id, Trace())
    fitted = period.fitted
    kind: Kind = (data.queue_id, data.channel)
    chance = Random(f"{seed}/{data.contact_id}")
    legs = []
    for seen in trace.legs:
        of = (seen.queue_id, seen.channel)
        legs.append(
            Leg(
                talk_s=fitted.talk_s(of, seen.talk, chance),
                patience_s=fitted.patience_s(of, seen.patience, chance),
                wrap_up_s=fitted.wrap_up_s(of, seen.wrap_up, chance),
                codes=seen.codes,
                to_queue_id=seen.to_queue_id,
                to_agent_id=seen.to_agent_id,
            )
        )
    if not legs:
        legs.append(
            Leg(
                talk_s=fitted.talk_s(kind, NOTHING_KNOWN, chance),
                patience_s=fitted.patience_s(kind, NOTHING_KNOWN, chance),
                wrap_up_s=fitted.wrap_up_s(kind, NOTHING_KNOWN, chance),
            )
        )
    answers = {
        agent_id: tuple(
            Answer(each.act or "accepts", fitted.ring_s(kind, each.after, chance)) for each in answers
        )
        for agent_id, answers in trace.answers.items()
    }
    otherwise = Answer("accepts", fitted.ring_s(kind, NOTHING_KNOWN, chance))
    return Visit(now, data, tuple(legs), otherwise, answers, order, event_time)
