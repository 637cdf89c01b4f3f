"""G9: how near a joint assignment comes to the best there is, and what it costs."""

import random
from collections.abc import Sequence
from time import process_time

from bench.harness import Figure, Stage, say
from services.routing.domain.assign import assign, total

SIZES = (20, 100, 500)
SEEDS = 5
INFINITE = float("inf")


def scores_of(size: int, seed: int) -> list[list[float]]:
    """Return the scores of `size` contacts with as many agents, by soft needs and expected conversion."""
    dice = random.Random(seed)
    kinds = [
        [(dice.randrange(12), dice.randint(2, 8), dice.choice((1, 2, 5))) for _ in range(3)]
        for _ in range(40)
    ]
    agents = [
        ({skill: dice.randint(1, 10) for skill in dice.sample(range(12), 5)}, dice.betavariate(2, 8))
        for _ in range(size)
    ]
    rows = []
    for _ in range(size):
        kind, value = dice.choice(kinds), max(1.0, dice.lognormvariate(0, 0.8))
        rows.append(
            [
                sum(weight * min(1.0, skills.get(skill, 0) / level) for skill, level, weight in kind)
                + 10 * conversion * value
                for skills, conversion in agents
            ]
        )
    return rows


def longest_idle(scores: Sequence[Sequence[float]]) -> list[int]:
    """Return what routing without scores does: who came first has who has been idle longest."""
    return list(range(len(scores)))


def best_first(scores: Sequence[Sequence[float]]) -> list[int]:
    """Return what one contact after the other would choose for himself."""
    free, given = set(range(len(scores[0]))), []
    for row in scores:
        best = max(free, key=row.__getitem__)
        free.remove(best)
        given.append(best)
    return given


def optimum(scores: Sequence[Sequence[float]]) -> list[int]:
    """Return the best assignment there is, by shortest augmenting paths: exact, and slow."""
    size = len(scores)
    high = max(max(row) for row in scores)
    cost = [[high - value for value in row] for row in scores]
    row_price, column_price = [0.0] * (size + 1), [0.0] * (size + 1)
    row_of, way = [0] * (size + 1), [0] * (size + 1)
    for row in range(1, size + 1):
        row_of[0], column = row, 0
        least, used = [INFINITE] * (size + 1), [False] * (size + 1)
        while row_of[column]:
            used[column] = True
            mine, step, following = row_of[column], INFINITE, 0
            base = row_price[mine]
            costs = cost[mine - 1]
            for other in range(1, size + 1):
                if used[other]:
                    continue
                reduced = costs[other - 1] - base - column_price[other]
                if reduced < least[other]:
                    least[other], way[other] = reduced, column
                if least[other] < step:
                    step, following = least[other], other
            for other in range(size + 1):
                if used[other]:
                    row_price[row_of[other]] += step
                    column_price[other] -= step
                else:
                    least[other] -= step
            column = following
        while column:
            row_of[column], column = row_of[way[column]], way[column]
    given = [0] * size
    for column in range(1, size + 1):
        given[row_of[column] - 1] = column - 1
    return given


async def run(stage: Stage) -> list[Figure]:
    """Compare with the optimum and with both greedy ways, on several seeds and sizes."""
    nearness, gains, costs = [], [], []
    for size in SIZES:
        for seed in range(SEEDS):
            scores = scores_of(size, seed)
            began = process_time()
            given = assign(scores)
            spent_ms = (process_time() - began) * 1000
            ours, best = total(scores, given), total(scores, optimum(scores))
            nearness.append(ours / best)
            gains.append(ours / total(scores, longest_idle(scores)))
            if size == SIZES[-1]:
                costs.append(spent_ms / 50)
            say(
                f"   {size:>4} x {size}, seed {seed}: {ours / best:.4f} of the optimum in {spent_ms:.1f} ms; "
                f"one by one {total(scores, best_first(scores)) / best:.4f}, "
                f"longest idle {total(scores, longest_idle(scores)) / best:.4f}"
            )
    return [
        Figure("G9", "the optimum, worst of all seeds and sizes", 0.98, (min(nearness),)),
        Figure("G9", "longest idle first, worst of all seeds", 1.0, (min(gains),)),
        Figure("G9", "50 ms CPU for 500 x 500", 1.0, tuple(costs), at_most=True),
    ]
