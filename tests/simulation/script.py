"""A day as data: who does what and what breaks; can be cut down, written to a file and read again."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class PointFault:
    """What goes wrong at the nth time that a process waits for its bus or store."""

    process: str
    n: int
    kind: str  # fail, fail_after, crash, twice, stall


@dataclass(frozen=True, slots=True)
class TimedFault:
    """What goes wrong at a certain time; `who` is a process or a consumer group."""

    at_s: float
    kind: str  # crash, stop, lose, rebalance, skew, rewind
    who: str
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody outside, and all he is going to do; what `acts` mean depends on what he is."""

    kind: str  # customer, agent, supervisor, outside, vandal
    name: str
    tenant: str
    at_s: float
    skew_s: float = 0.0  # how far ahead his clock is
    traits: dict[str, Any] = field(default_factory=dict)
    acts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """
    One day. `points` is None where faults at waiting points are drawn by chance, with `fault_rate`.

    A script whose `points` are given is replayed exactly, whatever else chance would have done.
    """

    seed: int
    people: tuple[Person, ...] = ()
    timed: tuple[TimedFault, ...] = ()
    points: tuple[PointFault, ...] | None = None
    fault_rate: float = 0.0
    replicas: int = 2
    partitions: int = 3
    slowness: float = 1.0

    def fixed(self, points: tuple[PointFault, ...]) -> "Script":
        """Return the script with the faults that chance drew."""
        return replace(self, points=points, fault_rate=0.0)

    @property
    def size(self) -> int:
        acts = sum(1 + len(each.acts) for each in self.people)
        return acts + len(self.timed) + len(self.points or ())


def write(script: Script, file: Path) -> None:
    file.write_text(json.dumps(asdict(script), indent=1, ensure_ascii=False) + "\n", "utf-8")


def read(file: Path) -> Script:
    """Return the script of a file."""
    told = json.loads(file.read_text("utf-8"))
    points = told["points"]
    return Script(
        **{
            **told,
            "people": tuple(Person(**{**each, "acts": tuple(each["acts"])}) for each in told["people"]),
            "timed": tuple(TimedFault(**each) for each in told["timed"]),
            "points": None if points is None else tuple(PointFault(**each) for each in points),
        }
    )
