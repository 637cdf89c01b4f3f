"""The figures of a period that was played."""

from collections.abc import Sequence
from math import ceil
from statistics import fmean

from services.routing.whatif.story import Presence, Told

PERCENTILES = (50, 80, 90, 95, 99)


def figures(told: Told, threshold_s: float) -> dict[str, float]:
    """
    Return the figures of the contacts and the time measured; waits in seconds, rates as shares of one.

    - `offered`: contacts that came, without those that no queue admitted (`rejected`).
    - `waited`: the share that was not offered an agent in the moment it came (Erlang's P(wait)).
    - `wait_mean_s`, `wait_p50_s`, ...: from coming to being answered, of the answered (nearest rank).
    - `abandonment`: the share that left before. `service_level`: the share answered within `threshold_s`.
    - `occupancy`: time busy and wrapping up / (that and time ready and rung), of all agents together.
    - `goal`: the mean score of the answered contacts with the agents who took them.
    - `fairness`: Jain's index of the agents' occupancies, 1 where all are alike, 1 / n where one does it all
      (R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984).
    """
    stories = told.measured()
    end = told.ended_at or told.end
    offered = [each for each in stories if each.outcome != "rejected"]
    answered = [each for each in offered if each.answered_at is not None]
    waits = sorted(each.waited_s(end) for each in answered)
    scores = [each.score for each in answered if each.score is not None]
    found = {
        "offered": float(len(offered)),
        "rejected": float(len(stories) - len(offered)),
        "answered": float(len(answered)),
        "unfinished": float(sum(each.outcome == "unfinished" for each in offered)),
        "waited": _share(sum(each.first_offer_at != each.came_at for each in offered), len(offered)),
        "wait_mean_s": fmean(waits) if waits else 0.0,
        "abandonment": _share(sum(each.outcome == "abandoned" for each in offered), len(offered)),
        "service_level": _share(sum(each <= threshold_s for each in waits), len(offered)),
        "goal": fmean(scores) if scores else 0.0,
    }
    found |= {f"wait_p{each}_s": percentile(waits, each) for each in PERCENTILES}
    return found | _of_agents(list(told.presences.values()))


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the least value that at least so many percent of the values do not exceed; 0 of none."""
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def _of_agents(presences: Sequence[Presence]) -> dict[str, float]:
    there = [each for each in presences if each.busy_s + each.free_s > 0]
    shares = [each.busy_s / (each.busy_s + each.free_s) for each in there]
    busy_s = sum(each.busy_s for each in there)
    squares = sum(each**2 for each in shares)
    return {
        "agents": float(len(there)),
        "occupancy": _share(busy_s, busy_s + sum(each.free_s for each in there)),
        "fairness": sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0,
    }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
