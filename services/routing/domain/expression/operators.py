"""The operators and functions of the language: what they take, what they give, and how."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from services.routing.domain.expression.tree import BOOLEAN, NUMBER, SET, TEXT, Kind, Value


class Operator(NamedTuple):
    """
    `takes` are the kinds of its operands, by alternatives; the last kind of one that `repeats` may recur.

    `work` never fails on operands of these kinds.
    """

    takes: tuple[tuple[Kind, ...], ...]
    gives: Kind
    work: Callable[..., Value]
    repeats: bool = False

    def fits(self, kinds: Sequence[Kind]) -> bool:
        return any(tuple(kinds) == self._repeated(wanted, len(kinds)) for wanted in self.takes)

    def _repeated(self, wanted: tuple[Kind, ...], length: int) -> tuple[Kind, ...]:
        more = length - len(wanted) if self.repeats else 0
        return (*wanted, *(wanted[-1],) * more)


def _finite(work: Callable[..., Any]) -> Callable[..., Value]:
    """Return the arithmetic whose result is a number one can sort by: what is none is 0."""

    def worked(*operands: Any) -> Value:
        try:
            result = work(*operands)
        except (ZeroDivisionError, OverflowError):
            return 0
        return result if math.isfinite(result) else 0

    return worked


def _minus(first: float, *other: float) -> float:
    return first - other[0] if other else -first


_PAIR = ((NUMBER, NUMBER),)
_ALIKE = ((NUMBER, NUMBER), (TEXT, TEXT), (BOOLEAN, BOOLEAN))

OPERATORS: dict[str, Operator] = {
    "and": Operator(((BOOLEAN,),), BOOLEAN, lambda *all_of: all(all_of), repeats=True),
    "or": Operator(((BOOLEAN,),), BOOLEAN, lambda *any_of: any(any_of), repeats=True),
    "not": Operator(((BOOLEAN,),), BOOLEAN, operator.not_),
    "==": Operator(_ALIKE, BOOLEAN, operator.eq),
    "!=": Operator(_ALIKE, BOOLEAN, operator.ne),
    "<": Operator(_PAIR, BOOLEAN, operator.lt),
    "<=": Operator(_PAIR, BOOLEAN, operator.le),
    ">": Operator(_PAIR, BOOLEAN, operator.gt),
    ">=": Operator(_PAIR, BOOLEAN, operator.ge),
    "in": Operator(((TEXT, SET),), BOOLEAN, lambda text, members: text in members),
    "+": Operator(_PAIR, NUMBER, _finite(operator.add)),
    "-": Operator(((NUMBER, NUMBER), (NUMBER,)), NUMBER, _finite(_minus)),
    "*": Operator(_PAIR, NUMBER, _finite(operator.mul)),
    "/": Operator(_PAIR, NUMBER, _finite(operator.truediv)),
    "min": Operator(_PAIR, NUMBER, min, repeats=True),
    "max": Operator(_PAIR, NUMBER, max, repeats=True),
    "abs": Operator(((NUMBER,),), NUMBER, abs),
    "both": Operator(((SET, SET),), SET, operator.and_),
    "size": Operator(((SET,),), NUMBER, len),
}  # fmt: skip
FUNCTIONS = frozenset(name for name in OPERATORS if name.isidentifier()) - {"and", "or", "not", "in"}
