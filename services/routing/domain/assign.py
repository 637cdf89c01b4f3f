"""
Several contacts and several agents at once: pairs whose scores add up to nearly the most there is.

An auction (Bertsekas): whoever has no agent bids for the one worth most to him, by as much as he would lose
with the second best; who is outbid bids again. Each bid raises a price by at least `STEP` of the mean score,
so the sum stays within that much a contact of the best possible one, and in practice within a hundredth.
"""

from collections.abc import Sequence
from operator import sub

UNABLE = float("-inf")
NOBODY = -1
STEP = 0.08
FINE_STEP = 0.02  # where there are few, it costs nothing
FEW = 200
NEAR = 0.2  # of the mean score: a bidder remembers the agents that are so near to his best one
MOST_BIDS = 40  # a contact, on average; beyond that what is left is given what is left

Scores = Sequence[Sequence[float]]


def assign(scores: Scores) -> list[int]:
    """
    Return for each contact (row) its agent (column), NOBODY where there is none for it.

    `scores` are rows of one length; UNABLE says that an agent cannot have a contact. Nobody is given twice,
    and who is left over could have nobody who is left over. It is never worse than one row after the other.
    """
    if not scores or not scores[0]:
        return [NOBODY] * len(scores)
    by_auction = _auction(scores)
    _fill(scores, by_auction)
    one_by_one = [NOBODY] * len(scores)
    _fill(scores, one_by_one)
    return max(by_auction, one_by_one, key=lambda given: (_served(given), total(scores, given)))


def total(scores: Scores, given: Sequence[int]) -> float:
    return sum(row[column] for row, column in zip(scores, given, strict=True) if column != NOBODY)


def _served(given: Sequence[int]) -> int:
    return len(given) - given.count(NOBODY)


def _auction(scores: Scores) -> list[int]:
    columns = range(len(scores[0]))
    best_of = [max(row) for row in scores]
    bidding = [row for row in range(len(scores) - 1, -1, -1) if best_of[row] != UNABLE]
    mean = sum(abs(best_of[row]) for row in bidding) / len(bidding) if bidding else 0.0
    step = (mean or 1.0) * (FINE_STEP if len(scores) <= FEW else STEP)
    near = (mean or 1.0) * NEAR
    prices = [0.0] * len(columns)
    owner, given = [NOBODY] * len(columns), [NOBODY] * len(scores)
    at_hand: list[list[int]] = [[]] * len(
        scores
    )  # the agents near a bidder's best when he last looked at all
    floors = [float("inf")] * len(scores)  # what all others are worth to him at most: prices only rise
    bids = MOST_BIDS * len(scores)
    while bidding and bids:
        bids -= 1
        row = bidding.pop()
        mine = scores[row]
        best, first, second = _best_two(mine, prices, at_hand[row])
        if first < floors[row]:
            worth = list(map(sub, mine, prices))
            floor = floors[row] = max(worth) - near
            at_hand[row] = [column for column in columns if worth[column] >= floor]
            best, first, second = _best_two(mine, prices, at_hand[row])
        prices[best] += first - max(second, floors[row]) + step
        outbid = owner[best]
        if outbid != NOBODY:
            given[outbid] = NOBODY
            bidding.append(outbid)
        owner[best], given[row] = row, best
    return given


def _best_two(
    mine: Sequence[float], prices: Sequence[float], some: Sequence[int]
) -> tuple[int, float, float]:
    """Return who of some is worth most, how much, and what the next is worth."""
    best, first, second = NOBODY, UNABLE, UNABLE
    for column in some:
        worth = mine[column] - prices[column]
        if worth > first:
            best, first, second = column, worth, first
        elif worth > second:
            second = worth
    return best, first, second


def _fill(scores: Scores, given: list[int]) -> None:
    """Give those who have nobody the best of what is left, one after the other."""
    free = sorted(set(range(len(scores[0]))) - set(given))
    for row, mine in enumerate(scores):
        if given[row] == NOBODY and free:
            best = max(free, key=mine.__getitem__)
            if mine[best] != UNABLE:
                given[row] = best
                free.remove(best)
