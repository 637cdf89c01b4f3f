"""Erlang's formulas, written down once more for the tests; times in one unit, whichever."""

from math import exp
from typing import NamedTuple


def blocking(erlangs: float, agents: int) -> float:
    """Return Erlang B by its recursion: B(0) = 1, B(n) = a B(n-1) / (n + a B(n-1))."""
    found = 1.0
    for number in range(1, agents + 1):
        found = erlangs * found / (number + erlangs * found)
    return found


class ErlangC(NamedTuple):
    """M/M/n: P(wait), the share answered within `within`, and how busy the agents are."""

    waits: float
    service_level: float
    mean_wait: float
    occupancy: float


def erlang_c(erlangs: float, agents: int, handling: float, within: float) -> ErlangC:
    """Source: Gans, Koole, Mandelbaum, "Telephone Call Centers", M&SOM 5 (2003), section 3."""
    lost = blocking(erlangs, agents)
    load = erlangs / agents
    waits = lost / (1 - load * (1 - lost))
    level = 1 - waits * exp(-(agents - erlangs) * within / handling)
    return ErlangC(waits, level, waits * handling / (agents - erlangs), load)


class ErlangA(NamedTuple):
    """M/M/n+M: P(wait) and the share who leave."""

    waits: float
    abandonment: float


def erlang_a(arrivals: float, agents: int, handling: float, patience: float) -> ErlangA:
    """
    Solve the birth-death process: it goes down at the rate served / handling + waiting / patience.

    Who leaves is found by balance: those who leave in a unit of time are the waiting / patience.
    """
    weights = [1.0]
    for number in range(1, agents + 2_000):
        ends = min(number, agents) / handling + max(0, number - agents) / patience
        weights.append(weights[-1] * arrivals / ends)
    total = sum(weights)
    waits = sum(weights[agents:]) / total
    waiting = sum(weight * (number - agents) for number, weight in enumerate(weights) if number > agents)
    return ErlangA(waits, waiting / total / patience / arrivals)
