"""Answers a question: a period, drawn or recorded, as it was and changed, over several replications."""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, NamedTuple, Self

from pydantic import AwareDatetime, Field, model_validator

from libs.events.base import AnyEvent, Id
from services.routing.domain.model import Pool
from services.routing.domain.strategy.compiled import rules_of
from services.routing.domain.strategy.document import DEFAULT, Strategy
from services.routing.whatif import report
from services.routing.whatif.changes import NONE, Changes, changed
from services.routing.whatif.drawing import LONGEST_S, Piece, Synthetic, drawn
from services.routing.whatif.figures import figures
from services.routing.whatif.fitting import Fitted
from services.routing.whatif.goal import goal_of
from services.routing.whatif.play import MOST_EVENTS, Play
from services.routing.whatif.recording import recording_of
from services.routing.whatif.repeating import repeat
from services.routing.whatif.restaging import Period, restaged
from services.routing.whatif.script import Script
from services.routing.whatif.story import Told
from services.routing.whatif.tracing import traces_of

Progress = Callable[[int, int], None]  # plays done, and of how many
Stage = Callable[[str], tuple[Script, Pool | None]]  # from a seed to what is played, and from which pool


class Recorded(Piece):
    """A period of the bus: the contacts that were queued from `start` until before `end`."""

    pool_id: Id = "main"
    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if not 0 < (self.end - self.start).total_seconds() <= LONGEST_S:
            raise ValueError("end must come after start, by 31 days at most")
        return self


class Simulation(Piece):
    """What is asked: a period, drawn or recorded, what is to be changed in it, and how often it is played."""

    synthetic: Synthetic | None = None
    recorded: Recorded | None = None
    changes: Changes = NONE
    replications: Annotated[int, Field(ge=1, le=200)] = 10
    seed: Annotated[str, Field(max_length=64)] = "1"
    service_level_s: Annotated[float, Field(ge=0, le=86_400)] = 20.0

    @model_validator(mode="after")
    def _has_one_period(self) -> Self:
        if (self.synthetic is None) == (self.recorded is None):
            raise ValueError("either synthetic or recorded must be given")
        return self


class _Question(NamedTuple):
    """A question as it is worked on: what to play, by whose goal to measure, what to report besides."""

    stages: Mapping[str, Stage]
    goal: Strategy
    about: Mapping[str, Any]
    answered_by: Mapping[str, str] | None = None  # by contact, where it was recorded


def simulate(
    asked: Simulation,
    events: Iterable[AnyEvent] = (),
    *,
    most_events: int = MOST_EVENTS,
    progress: Progress = lambda done, of: None,
) -> dict[str, Any]:
    """
    Return the report on a period as it is (`baseline`) and, where anything is changed, as `changed`.

    `events` are those of one tenant, for a recorded period: the topics queue, routing and agent. The
    replications of both have the same seeds. The contacts whose agent changed are those of the first one.

    :raises TooMany: a replication took more than `most_events` events.
    """
    question = _drawn(asked, asked.synthetic) if asked.synthetic else _recorded(asked, events)
    score = goal_of(question.goal)
    rows: dict[str, list[report.Row]] = {name: [] for name in question.stages}
    first: dict[str, Told] = {}
    done, of = 0, len(question.stages) * asked.replications
    for number in range(asked.replications):
        for name, stage in question.stages.items():
            script, pool = stage(f"{asked.seed}/{number}")
            told = Play(script, pool=pool, score=score, most_events=most_events).run()
            rows[name].append(figures(told, asked.service_level_s))
            first.setdefault(name, told)
            done += 1
            progress(done, of)
    found: dict[str, Any] = {
        **question.about,
        "seed": asked.seed,
        "replications": asked.replications,
        "service_level_s": asked.service_level_s,
        "measured_from": report.moment(first["baseline"].begin),
        "measured_until": report.moment(first["baseline"].end),
        "figures": {name: report.summary(each) for name, each in rows.items()},
    }
    if question.answered_by is not None:
        found["as_recorded"] = report.as_recorded(first["baseline"], question.answered_by)
    if "changed" in first:
        found["difference"] = report.differences(rows["baseline"], rows["changed"])
        found["moved"] = report.moved(first["baseline"], first["changed"])
    return found


def _drawn(asked: Simulation, what: Synthetic) -> _Question:
    stages: dict[str, Stage] = {"baseline": lambda seed: (drawn(what, seed), None)}
    if asked.changes != NONE:
        other = changed(what, asked.changes)
        stages["changed"] = lambda seed: (drawn(other, seed), None)
    goal = (DEFAULT, *what.strategies, *asked.changes.strategies)[-1]
    return _Question(stages, goal, {"kind": "synthetic"})


def _recorded(asked: Simulation, events: Iterable[AnyEvent]) -> _Question:
    what = asked.recorded
    assert what is not None
    recording = recording_of(events, what.pool_id)
    repeated = repeat(recording, what.start)
    traces = traces_of(recording.told)
    period = Period(recording, repeated, traces, Fitted(traces.values()), what.start, what.end)
    stages: dict[str, Stage] = {"baseline": lambda seed: (restaged(period, NONE, seed), repeated.quiet)}
    if asked.changes != NONE:
        stages["changed"] = lambda seed: (restaged(period, asked.changes, seed), repeated.quiet)
    in_force = [rules_of(each.document).strategy for each in repeated.last.strategies.values()]
    goal = (DEFAULT, *in_force, *asked.changes.strategies)[-1]
    about = {
        "kind": "recorded",
        "reproduced": {
            "choices": repeated.choices,
            "equal": repeated.equal,
            "differing": repeated.differing,
        },
    }
    answered_by = {contact_id: trace.first_agent_id for contact_id, trace in traces.items()}
    return _Question(stages, goal, about, answered_by)
