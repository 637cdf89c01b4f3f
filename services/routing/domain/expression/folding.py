"""Work out beforehand what is known: an expression of agent and contact becomes one of the agent alone."""

from services.routing.domain.expression.operators import OPERATORS
from services.routing.domain.expression.tree import Apply, Literal, Name, Node, Scope, seen


def fold(node: Node, known: Scope, prefixes: tuple[str, ...]) -> Node:
    """
    Return the expression with every name of these prefixes replaced by its value, and worked out as far as
    that goes. What remains speaks of other names only.
    """
    match node:
        case Literal():
            return node
        case Name():
            if not node.name.startswith(prefixes):
                return node
            return Literal(seen(known, node.name, node.kind), node.kind)
    operands = tuple(fold(each, known, prefixes) for each in node.operands)
    match node.operator:
        case "and" | "or":
            return _joined(node, operands)
        case "if" if isinstance(operands[0], Literal):
            return operands[1] if operands[0].value else operands[2]
    if node.operator != "if" and all(isinstance(each, Literal) for each in operands):
        values = [each.value for each in operands if isinstance(each, Literal)]
        return Literal(OPERATORS[node.operator].work(*values), node.kind)
    return Apply(node.operator, operands, node.kind)


def _joined(node: Apply, operands: tuple[Node, ...]) -> Node:
    """Return and / or without the operands that decide nothing; the one that decides all stands for it."""
    deciding = node.operator == "or"
    open_ones: list[Node] = []
    for each in operands:
        if isinstance(each, Literal):
            if each.value is deciding:
                return each
        elif each not in open_ones:
            open_ones.append(each)
    match open_ones:
        case []:
            return Literal(not deciding, node.kind)
        case [only]:
            return only
    return Apply(node.operator, tuple(open_ones), node.kind)
