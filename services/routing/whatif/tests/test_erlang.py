"""Where Erlang's assumptions hold, the engine under the virtual clock gives what his formulas say."""

from functools import cache
from itertools import product

import pytest

from services.routing.whatif import intervals
from services.routing.whatif.distribution import Distribution, Exponential
from services.routing.whatif.drawing import drawn
from services.routing.whatif.figures import figures
from services.routing.whatif.intervals import Interval
from services.routing.whatif.play import Play
from services.routing.whatif.tests import days
from services.routing.whatif.tests.erlang import erlang_a, erlang_c

REPLICATIONS = 8
THRESHOLD_S = 20


@cache
def played(patience: Distribution = days.NEVER) -> dict[str, Interval]:
    """Return the figures of eight times three hours: 100 contacts per half hour of 3 minutes, 14 agents."""
    what = days.day(per_hour=200, hours=3.5, warm_up_h=0.5, patience=patience)
    rows = [figures(Play(drawn(what, str(seed))).run(), THRESHOLD_S) for seed in range(REPLICATIONS)]
    return {name: intervals.of([row[name] for row in rows]) for name in rows[0]}


def test_the_formulas_give_the_known_answers() -> None:
    waiting = erlang_c(erlangs=10, agents=14, handling=180, within=THRESHOLD_S)
    leaving = erlang_a(arrivals=100 / 1800, agents=14, handling=180, patience=300)

    assert waiting.waits == pytest.approx(0.17413, abs=5e-6)
    assert waiting.service_level == pytest.approx(0.88835, abs=5e-6)
    assert waiting.occupancy == pytest.approx(0.7143, abs=5e-5)
    assert leaving.waits == pytest.approx(0.14526, abs=5e-6)
    assert leaving.abandonment == pytest.approx(0.0139837, abs=5e-8)


def test_it_reproduces_erlang_c() -> None:
    formula = erlang_c(erlangs=10, agents=14, handling=180, within=THRESHOLD_S)

    found = played()

    assert found["waited"].contains(formula.waits), found["waited"]
    assert found["service_level"].contains(formula.service_level), found["service_level"]
    assert found["wait_mean_s"].contains(formula.mean_wait), found["wait_mean_s"]
    assert found["occupancy"].contains(formula.occupancy), found["occupancy"]
    assert found["abandonment"].mean == 0 and found["unfinished"].mean == 0
    assert found["fairness"].mean > 0.99  # the longest idle is taken: all are worked alike


def test_it_reproduces_erlang_a() -> None:
    formula = erlang_a(arrivals=200 / 3600, agents=14, handling=180, patience=300)

    found = played(Exponential(mean_s=300))

    assert found["waited"].contains(formula.waits), found["waited"]
    assert found["abandonment"].contains(formula.abandonment), found["abandonment"]


def test_its_intervals_are_narrow_enough_to_tell_a_neighbour() -> None:
    found = played()

    for agents in (13, 15):
        other = erlang_c(erlangs=10, agents=agents, handling=180, within=THRESHOLD_S)
        assert not found["waited"].contains(other.waits)
        assert not found["occupancy"].contains(other.occupancy)
    leaving = played(Exponential(mean_s=300))["abandonment"]
    for patience in (150, 900):
        other_share = erlang_a(arrivals=200 / 3600, agents=14, handling=180, patience=patience).abandonment
        assert not leaving.contains(other_share)


@pytest.mark.parametrize(
    ("share", "freedom", "expected"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 9, 2.26216), (0.975, 30, 2.04227), (0.95, 5, 2.01505)],
)
def test_students_quantiles_are_those_of_the_tables(share: float, freedom: int, expected: float) -> None:
    assert intervals.quantile(share, freedom) == pytest.approx(expected, rel=1e-5)


def test_students_distribution_grows_with_value_and_freedom() -> None:
    for freedom, tenths in product(range(1, 12), range(1, 40)):
        value = tenths / 10
        assert intervals.probability(value, freedom) < intervals.probability(value + 0.1, freedom)
        assert intervals.probability(value, freedom) < intervals.probability(value, freedom + 1)


def test_one_replication_says_nothing_of_its_error() -> None:
    assert intervals.of([3.0]) == (3.0, None)
    assert intervals.of([1.0, 2.0, 3.0]).half == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
