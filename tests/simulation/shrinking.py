"""Cut a failing day down: fewer people, fewer acts, fewer faults, and still the same rule broken."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tests.simulation.day import Result, run
from tests.simulation.script import Script

T = TypeVar("T")
Fails = Callable[[Sequence[T]], bool]


def shrink(result: Result, most_runs: int = 250) -> Result:
    """Return the shortest day found that breaks the same rule, and breaks it again whenever it is run."""
    assert result.violation is not None
    return _Shrinking(result, most_runs).best


class _Shrinking:
    """Tries smaller days for as long as its runs last."""

    def __init__(self, result: Result, most_runs: int) -> None:
        assert result.violation is not None
        self._rule = result.violation.rule
        self._left = most_runs
        self.best = result
        if result.script.points is None:
            fixed = self._run(result.script.fixed(result.points))
            assert fixed is not None, "a replay with the same faults must fail the same way"
            self.best = fixed
        size = self.best.script.size + 1
        while self._left > 0 and self.best.script.size < size:
            size = self.best.script.size
            self._round()

    def _round(self) -> None:
        self._cut("points")
        self._cut("timed")
        self._cut("people")
        for name in [each.name for each in self.best.script.people]:
            self._cut_acts(name)
        self._fails(replace(self.best.script, replicas=1))
        self._fails(replace(self.best.script, partitions=1))

    def _cut(self, part: str) -> None:
        def fails(items: Sequence[Any]) -> bool:
            change: Any = {part: tuple(items)}
            return self._fails(replace(self.best.script, **change))

        fewer(getattr(self.best.script, part), fails)

    def _cut_acts(self, name: str) -> None:
        def fails(items: Sequence[Any]) -> bool:
            people = tuple(
                replace(each, acts=tuple(items)) if each.name == name else each
                for each in self.best.script.people
            )
            return self._fails(replace(self.best.script, people=people))

        person = next((each for each in self.best.script.people if each.name == name), None)
        if person is not None and person.acts:
            fewer(person.acts, fails)

    def _fails(self, script: Script) -> bool:
        return script != self.best.script and self._run(script) is not None

    def _run(self, script: Script) -> Result | None:
        """Return the day where it breaks the rule; it is the best from then on."""
        if self._left <= 0:
            return None
        self._left -= 1
        found = run(script)
        if found.violation is None or found.violation.rule != self._rule:
            return None
        self.best = found
        return found


def fewer(items: Sequence[T], fails: Fails[T]) -> Sequence[T]:
    """Return the fewest of the items found with which it still fails, by taking ever smaller pieces away."""
    if items and fails(()):
        return ()
    piece = max(1, len(items) // 2)
    while items:
        start, shorter = 0, False
        while start < len(items):
            rest = [*items[:start], *items[start + piece :]]
            if rest and fails(rest):
                items, shorter = rest, True
            else:
                start += piece
        if piece == 1 and not shorter:
            break
        piece = max(1, piece // 2)
    return items
