"""Simulates a drawn period, as it is and changed, over several replications."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from services.routing.domain.strategy.document import DEFAULT, Strategy
from services.routing.whatif import report
from services.routing.whatif.changes import NONE, Changes, changed
from services.routing.whatif.drawing import Piece, Synthetic, drawn
from services.routing.whatif.figures import figures
from services.routing.whatif.goal import goal_of
from services.routing.whatif.play import MOST_EVENTS, Play
from services.routing.whatif.story import Told

Progress = Callable[[int, int], None]  # plays done, and of how many


class Simulation(Piece):
    """What is asked: a period, what is to be changed in it, and how often it is drawn."""

    synthetic: Synthetic
    changes: Changes = NONE
    replications: Annotated[int, Field(ge=1, le=200)] = 10
    seed: Annotated[str, Field(max_length=64)] = "1"
    service_level_s: Annotated[float, Field(ge=0, le=86_400)] = 20.0


def simulate(
    what: Simulation, *, most_events: int = MOST_EVENTS, progress: Progress = lambda done, of: None
) -> dict[str, Any]:
    """
    Return the report on a period as drawn (`baseline`) and, where anything is changed, as `changed`.

    The replications of both have the same seeds. The contacts whose agent changed are those of the first one.

    :raises TooMany: a replication took more than `most_events` events.
    """
    periods = {"baseline": what.synthetic}
    if what.changes != NONE:
        periods["changed"] = changed(what.synthetic, what.changes)
    score = goal_of(compared_by(what))
    rows: dict[str, list[report.Row]] = {name: [] for name in periods}
    first: dict[str, Told] = {}
    done, of = 0, len(periods) * what.replications
    for number in range(what.replications):
        for name, period in periods.items():
            script = drawn(period, f"{what.seed}/{number}")
            told = Play(script, score=score, most_events=most_events).run()
            rows[name].append(figures(told, what.service_level_s))
            first.setdefault(name, told)
            done += 1
            progress(done, of)
    found: dict[str, Any] = {
        "kind": "synthetic",
        "seed": what.seed,
        "replications": what.replications,
        "service_level_s": what.service_level_s,
        "measured_from": report.moment(first["baseline"].begin),
        "measured_until": report.moment(first["baseline"].end),
        "figures": {name: report.summary(each) for name, each in rows.items()},
    }
    if "changed" in periods:
        found["difference"] = report.differences(rows["baseline"], rows["changed"])
        found["moved"] = report.moved(first["baseline"], first["changed"])
    return found


def compared_by(what: Simulation) -> Strategy:
    """Return the strategy whose goal both are measured by: the last changed one, else the period's last."""
    return (DEFAULT, *what.synthetic.strategies, *what.changes.strategies)[-1]
