"""Confidence intervals of means over independent replications, by Student's distribution."""

from collections.abc import Sequence
from functools import lru_cache
from math import atan, cos, pi, sin, sqrt
from statistics import fmean, stdev
from typing import NamedTuple

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A mean and how far the true one may be from it; `half` is None where one value says nothing of that."""

    mean: float
    half: float | None

    def contains(self, value: float) -> bool:
        return self.half is not None and abs(value - self.mean) <= self.half


def of(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """
    Return mean +- t(n - 1) * s / sqrt(n) of n replications, each begun anew with a seed of its own.

    Source: A. Law, "Simulation Modeling and Analysis", 5th ed., section 9.4.1 (replication / deletion).
    """
    mean = fmean(values)
    if len(values) < 2:
        return Interval(mean, None)
    half = quantile((1 + confidence) / 2, len(values) - 1) * stdev(values) / sqrt(len(values))
    return Interval(mean, half)


@lru_cache(maxsize=256)
def quantile(share: float, freedom: int) -> float:
    """Return what a variable of Student's distribution stays below with this probability, 0.5 or more."""
    low, high = 0.0, 2.0
    while probability(high, freedom) < share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if probability(middle, freedom) < share else (low, middle)
    return (low + high) / 2


def probability(value: float, freedom: int) -> float:
    """
    Return the probability that Student's variable of so much freedom is below a value, of 0 or more.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4 (finite series).
    """
    angle = atan(value / sqrt(freedom))
    square = cos(angle) ** 2
    term = total = cos(angle) if freedom % 2 else 1.0
    if freedom == 1:
        return 0.5 + angle / pi
    for k in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= square * (k - 1) / k
        total += term
    between = 2 / pi * (angle + sin(angle) * total) if freedom % 2 else sin(angle) * total
    return 0.5 + between / 2
