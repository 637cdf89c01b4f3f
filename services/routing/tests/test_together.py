"""Contacts that come close to each other are matched together, for the best sum of scores."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.events import routing
from services.routing.domain.assign import NOBODY, UNABLE, assign, total
from services.routing.tests import cases
from services.routing.tests.cases import Floor, floor, names, soft
from services.routing.tests.checker import problems_of

scores = st.one_of(st.just(UNABLE), st.integers(-5, 30).map(float))
matrices = st.integers(1, 6).flatmap(
    lambda width: st.lists(st.lists(scores, min_size=width, max_size=width), min_size=1, max_size=6)
)


squares = st.integers(2, 5).flatmap(
    lambda n: st.lists(
        st.lists(st.integers(1, 30).map(float), min_size=n, max_size=n), min_size=n, max_size=n
    )
)


def best_of(matrix: list[list[float]]) -> float:
    """Return the greatest sum there is with as many served as can be, by trying all."""
    width = len(matrix[0])
    found = []
    for columns in permutations([*range(width), *[NOBODY] * len(matrix)], len(matrix)):
        pairs = [(row, column) for row, column in zip(matrix, columns, strict=True) if column != NOBODY]
        if all(row[column] != UNABLE for row, column in pairs):
            found.append((len(pairs), sum(row[column] for row, column in pairs)))
    _, greatest = max(found)
    return float(greatest)


@settings(max_examples=60, deadline=None)
@given(squares)
def test_it_comes_near_to_the_best_there_is(matrix: list[list[float]]) -> None:
    given_ = assign(matrix)

    assert sorted(given_) == list(range(len(matrix)))
    assert total(matrix, given_) >= 0.9 * best_of(matrix)


@settings(max_examples=300, deadline=None)
@given(matrices)
def test_it_gives_nobody_twice_and_leaves_nobody_over_for_whom_somebody_is_there(
    matrix: list[list[float]],
) -> None:
    found = assign(matrix)
    taken = [column for column in found if column != NOBODY]

    assert len(taken) == len(set(taken))
    assert all(row[column] != UNABLE for row, column in zip(matrix, found, strict=True) if column != NOBODY)
    free = set(range(len(matrix[0]))) - set(taken)
    for row, column in zip(matrix, found, strict=True):
        assert column != NOBODY or all(row[each] == UNABLE for each in free)


def test_it_takes_no_time_over_nothing() -> None:
    assert assign([]) == []
    assert assign([[], []]) == [NOBODY, NOBODY]
    assert assign([[UNABLE, UNABLE]]) == [NOBODY]


def gathered(*needs: tuple[str, int], seconds: tuple[float, ...] = (10, 11)) -> Floor:
    """Return a pool whose contacts are matched every five seconds; ana is good at all, bob at little."""
    pool = floor(cases.service(), cases.strategy(select={"together_s": 5}))
    pool.staff(ana={"zh": 9, "en": 9}, bob={"zh": 8})
    for number, ((skill, weight), second) in enumerate(zip(needs, seconds, strict=True)):
        pool.tell(cases.queued(f"c{number}", needs=(soft(skill, 10, weight),)), second)
    return pool


def test_it_waits_for_the_beat_and_then_serves_all_for_the_best() -> None:
    pool = gathered(("zh", 3), ("en", 3), seconds=(11, 12))
    assert {each.state for each in pool.pool.contacts.values()} == {"waiting"}

    facts = pool.wait_until(15)

    assert names(facts).count("agent_offered") == 2
    assert (pool.contact("c0").agent_id, pool.contact("c1").agent_id) == ("bob", "ana")
    records = [each for each in facts if isinstance(each, routing.DecisionRecorded)]
    assert [each.rule for each in records] == ["together", "together"]
    assert [list(problems_of(each)) for each in records] == [[], []]


def test_one_by_one_would_have_been_worse_by_the_records_own_scores() -> None:
    pool = gathered(("zh", 3), ("en", 3), seconds=(11, 12))
    records = [each for each in pool.wait_until(15) if isinstance(each, routing.DecisionRecorded)]
    by_agent = [{each.agent_id: each.score for each in record.candidates} for record in records]

    together = sum(scores[record.chosen_agent_id] for scores, record in zip(by_agent, records, strict=True))
    free, one_by_one = {"ana", "bob"}, 0.0
    for mine in by_agent:
        best = max(free, key=mine.__getitem__)
        free.remove(best)
        one_by_one += mine[best]

    assert together > one_by_one


def test_the_most_urgent_are_served_where_there_are_too_few() -> None:
    pool = floor(cases.service(), cases.strategy(select={"together_s": 5})).staff("ana")
    for number, vip in enumerate((0, 2, 1)):
        pool.tell(cases.queued(f"c{number}", vip_level=vip), 11 + number / 10)

    pool.wait_until(15)

    assert [each.contact_id for each in pool.pool.contacts.values() if each.state == "offered"] == ["c1"]


def test_who_waits_on_after_the_beat_is_served_as_soon_as_somebody_comes_free() -> None:
    pool = floor(cases.service(), cases.strategy(select={"together_s": 5}))
    pool.tell(cases.queued("c0"), 1)
    pool.wait_until(7)

    pool.staff("ana")

    assert pool.contact("c0").agent_id == "ana"


def test_who_asks_for_somebody_gets_him() -> None:
    pool = floor(cases.service(), cases.strategy(select={"together_s": 5})).staff("ana", "bob")
    for number in range(2):
        pool.tell(cases.queued(f"c{number}", prefers="bob" if number else ""), 11)

    pool.wait_until(15)

    assert pool.contact("c1").agent_id == "bob"
