"""The language of strategies: typed formulas over an agent and a contact, which call nothing outside."""

from services.routing.domain.expression.folding import fold
from services.routing.domain.expression.reading import BadExpression, read
from services.routing.domain.expression.running import run
from services.routing.domain.expression.tree import (
    BOOLEAN,
    NUMBER,
    SET,
    TEXT,
    Apply,
    Kind,
    Literal,
    Name,
    Node,
    Scope,
    Value,
    names_in,
    seen,
    written,
)

__all__ = [
    "BOOLEAN", "NUMBER", "SET", "TEXT", "Apply", "BadExpression", "Kind", "Literal", "Name", "Node", "Scope",
    "Value", "fold", "names_in", "read", "run", "seen",
    "written",
]  # fmt: skip
