"""What was found to be wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold; `rule` is its name in docs/guarantees.md, such as I4."""

    rule: str
    text: str
    at_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.rule} at {self.at_s:.3f} s: {self.text}"


class Violated(BaseException):
    """
    Ends the day at the first violation.

    No Exception: no handler of the platform may take it for one of its own faults.
    """

    def __init__(self, violation: Violation) -> None:
        super().__init__(str(violation))
        self.violation = violation
