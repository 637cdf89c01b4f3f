"""
What an expression is once it has been read: a tree whose every node knows its kind.

Nodes are values: two expressions that say the same are equal and hash alike, so what was worked out for one
(which agents it holds for) serves the other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import Protocol, TypeAlias

Kind: TypeAlias = OneOf["boolean", "number", "text", "set"]
Value: TypeAlias = bool | float | str | frozenset[str]

BOOLEAN: Kind = "boolean"
NUMBER: Kind = "number"
TEXT: Kind = "text"
SET: Kind = "set"

# What was never said of an agent or a contact: so no expression can fail for want of a value.
EMPTY: Mapping[Kind, Value] = {BOOLEAN: False, NUMBER: 0, TEXT: "", SET: frozenset()}
_TYPES: Mapping[Kind, tuple[type, ...]] = {
    BOOLEAN: (bool,), NUMBER: (int, float), TEXT: (str,), SET: (frozenset,),
}  # fmt: skip


class Scope(Protocol):
    """Where the values of names are found: a mapping, or what looks them up when asked."""

    def get(self, name: str, default: Value, /) -> Value: ...


def seen(scope: Scope, name: str, kind: Kind) -> Value:
    """Return the value of a name; one that is missing or of another kind than declared is empty."""
    value = scope.get(name, EMPTY[kind])
    return value if type(value) in _TYPES[kind] else EMPTY[kind]


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value
    kind: Kind


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator or function with what it is applied to; `kind` is that of the result."""

    operator: str
    operands: tuple["Node", ...]
    kind: Kind


Node: TypeAlias = Literal | Name | Apply


def names_in(node: Node) -> frozenset[str]:
    """Return the names whose values the expression depends on."""
    return frozenset(_names(node))


def _names(node: Node) -> Iterator[str]:
    match node:
        case Name():
            yield node.name
        case Apply():
            for each in node.operands:
                yield from _names(each)


def written(node: Node) -> str:
    """Return the expression as text, every operation in brackets; reading it gives the same tree."""
    match node:
        case Literal(value=bool()):
            return str(node.value)
        case Literal(value=frozenset() as members):
            return "[" + ", ".join(_quoted(each) for each in sorted(members)) + "]"
        case Literal(value=str() as text):
            return _quoted(text)
        case Literal():
            return repr(node.value)
        case Name():
            name, bracket, key = node.name.partition("[")
            return f"{name}[{_quoted(key[:-1])}]" if bracket else name
    operands = [written(each) for each in node.operands]
    match node.operator:
        case "not" | "-" if len(operands) == 1:
            return f"({node.operator} {operands[0]})"
        case "if":
            condition, then, otherwise = operands
            return f"({then} if {condition} else {otherwise})"
        case word if word.isidentifier() and word not in ("and", "or", "in"):
            return f"{word}({', '.join(operands)})"
    return "(" + f" {node.operator} ".join(operands) + ")"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
