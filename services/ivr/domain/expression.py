"""
The language of conditions: comparisons of variables and values, joined by and, or, not.

    customer.vip_level >= 2 and channel in ["chat", "app"]

A dotted name is a variable; one that was never set is None. A text that reads as a number is compared with a
number as one, since customers type digits. Comparing other things of different kinds is false, not an error,
so a condition never breaks a dialogue. There are no calls, no arithmetic and no loops: an
expression's cost is bounded by its length.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from libs.events.base import Scalar

LONGEST = 500
MOST_PARTS = 100

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.eq,
    ast.IsNot: operator.ne,
}
_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.Name,
    ast.Load, ast.Attribute, ast.Constant, ast.List, ast.Tuple, *_COMPARE,
)  # fmt: skip


class BadExpression(ValueError):
    """The text is no expression of this language; the message says why."""


def evaluate(text: str, variables: Mapping[str, Scalar]) -> bool:
    """Return whether the expression holds. :raises BadExpression: it is none."""
    return bool(_value(_parsed(text), variables))


def names_in(text: str) -> set[str]:
    """Return the variables that the expression speaks of. :raises BadExpression: it is none."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Name | ast.Attribute):
            found.add(_dotted(node))
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(_parsed(text))
    return found


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise BadExpression(f"longer than {LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExpression("cannot be read") from error
    parts = list(ast.walk(tree))
    if len(parts) > MOST_PARTS:
        raise BadExpression(f"more than {MOST_PARTS} parts")
    for part in parts:
        if not isinstance(part, _ALLOWED):
            raise BadExpression(f"{type(part).__name__.lower()} is not part of the language")
        if isinstance(part, ast.Constant) and not isinstance(part.value, str | int | float | None):
            raise BadExpression("a value is a text, a number, True, False or None")
        if isinstance(part, ast.Attribute):
            _dotted(part)
        if isinstance(part, ast.UnaryOp) and isinstance(part.op, ast.USub):
            _number(part)
    return tree.body


def _number(part: ast.UnaryOp) -> float:
    value = part.operand.value if isinstance(part.operand, ast.Constant) else None
    if not isinstance(value, int | float):
        raise BadExpression("a minus stands before a number only")
    return -value


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise BadExpression("a dot stands inside a variable's name only")


def _value(node: ast.expr, variables: Mapping[str, Scalar]) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Name() | ast.Attribute():
            return variables.get(_dotted(node))
        case ast.List() | ast.Tuple():
            return [_value(each, variables) for each in node.elts]
        case ast.UnaryOp(op=ast.Not()):
            return not _value(node.operand, variables)
        case ast.UnaryOp():
            return _number(node)
        case ast.BoolOp(op=ast.And()):
            return all(_value(each, variables) for each in node.values)
        case ast.BoolOp():
            return any(_value(each, variables) for each in node.values)
        case ast.Compare():
            return _compared(node, variables)
    raise BadExpression(f"{type(node).__name__.lower()} is not part of the language")


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Return both as numbers where one is a number and the other a text that reads as one."""
    if isinstance(left, str) and isinstance(right, int | float):
        number = _as_number(left)
        return (left if number is None else number), right
    if isinstance(right, str) and isinstance(left, int | float):
        number = _as_number(right)
        return left, (right if number is None else number)
    return left, right


def _as_number(text: str) -> float | None:
    try:
        return float(text) if len(text) < 32 else None
    except ValueError:
        return None


def _compared(node: ast.Compare, variables: Mapping[str, Scalar]) -> bool:
    left = _value(node.left, variables)
    for sign, right_node in zip(node.ops, node.comparators, strict=True):
        right = _value(right_node, variables)
        try:
            if not _COMPARE[type(sign)](*_alike(left, right)):
                return False
        except TypeError:
            return False
        left = right
    return True
