"""
From text to tree: the grammar is Python's, of which a small part is allowed; nothing of it is ever executed.

    "fund" in agent.certificates and agent.level["zh"] >= 3
    10 * portrait.conversion if contact.product == "fund" else soft_needs

Every name must be known with its kind, and every operator must fit what it is applied to: what has been read
without complaint can be computed for any agent and any contact.
"""

import ast
from collections.abc import Callable, Mapping

from services.routing.domain.expression.operators import FUNCTIONS, OPERATORS
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
)

LONGEST = 1000
MOST_PARTS = 200
LARGEST = 1e12

KindOf = Callable[[str], Kind | None]  # of a name, None where it is unknown

_SIGNS: Mapping[type[ast.operator] | type[ast.cmpop] | type[ast.boolop], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.And: "and", ast.Or: "or",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.In: "in", ast.NotIn: "in",
}  # fmt: skip


class BadExpression(ValueError):
    """The text is no expression of this language; says why in English and Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        super().__init__(en)
        self.en = en
        self.zh = zh


def read(text: str, kind_of: KindOf, wanted: Kind) -> Node:
    """
    Return the expression that a text is.

    :raises BadExpression: it is none, has a name that `kind_of` does not know, or gives another kind.
    """
    node = _Reader(kind_of).node(_parsed(text))
    if node.kind != wanted:
        raise BadExpression(f"gives a {node.kind}, not a {wanted}", f"结果类型为 {node.kind}，应为 {wanted}")
    return node


def _parsed(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise BadExpression(f"longer than {LONGEST} characters", f"超过 {LONGEST} 个字符")
    try:
        tree = ast.parse(text.strip().replace("\n", " "), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExpression("cannot be read", "无法解析") from error
    if sum(1 for _ in ast.walk(tree)) > MOST_PARTS:
        raise BadExpression(f"more than {MOST_PARTS} parts", f"超过 {MOST_PARTS} 个部分")
    return tree.body


class _Reader:
    def __init__(self, kind_of: KindOf) -> None:
        self._kind_of = kind_of

    def node(self, part: ast.expr) -> Node:
        match part:
            case ast.Constant(value=bool() as value):
                return Literal(value, BOOLEAN)
            case ast.Constant(value=str() as value):
                return Literal(value, TEXT)
            case ast.Constant(value=int() | float() as value) if abs(value) <= LARGEST:
                return Literal(value, NUMBER)
            case ast.Constant(value=int() | float()):
                raise BadExpression(f"no number may be larger than {LARGEST:g}", f"数值不得超过 {LARGEST:g}")
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._name(_dotted(part))
            case ast.List() | ast.Tuple() | ast.Set():
                return self._members(part.elts)
            case ast.BoolOp():
                return self._applied(_SIGNS[type(part.op)], *(self.node(each) for each in part.values))
            case ast.UnaryOp(op=ast.Not()):
                return self._applied("not", self.node(part.operand))
            case ast.UnaryOp(op=ast.USub()):
                return self._negative(self.node(part.operand))
            case ast.BinOp() if type(part.op) in _SIGNS:
                return self._applied(_SIGNS[type(part.op)], self.node(part.left), self.node(part.right))
            case ast.Compare():
                return self._compared(part)
            case ast.IfExp():
                return self._either(self.node(part.test), self.node(part.body), self.node(part.orelse))
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
                return self._applied(name, *(self.node(each) for each in part.args))
        word = type(part).__name__.lower()
        raise BadExpression(f"{word} is not part of the language", f"不支持 {word}")

    def _name(self, name: str) -> Node:
        kind = self._kind_of(name)
        if kind is None:
            raise BadExpression(f"{name} is not known here", f"未知名称 {name}")
        return Name(name, kind)

    def _members(self, parts: list[ast.expr]) -> Node:
        members = [self.node(each) for each in parts]
        texts = [each.value for each in members if isinstance(each, Literal) and isinstance(each.value, str)]
        if len(texts) != len(members):
            raise BadExpression("a list holds texts only", "列表只能包含文本")
        return Literal(frozenset(texts), SET)

    def _applied(self, sign: str, *operands: Node) -> Node:
        known = OPERATORS[sign]
        kinds = [each.kind for each in operands]
        if not known.fits(kinds):
            said = ", ".join(kinds) or "nothing"
            raise BadExpression(f"{sign} cannot be applied to {said}", f"{sign} 不能用于 {said}")
        return Apply(sign, operands, known.gives)

    def _negative(self, operand: Node) -> Node:
        if (
            isinstance(operand, Literal)
            and operand.kind == NUMBER
            and not isinstance(operand.value, str | frozenset)
        ):
            return Literal(-operand.value, NUMBER)
        return self._applied("-", operand)

    def _compared(self, part: ast.Compare) -> Node:
        operands = [self.node(each) for each in (part.left, *part.comparators)]
        pairs: list[Node] = []
        for sign, left, right in zip(part.ops, operands, operands[1:], strict=False):
            if type(sign) not in _SIGNS:
                raise BadExpression("things are compared with ==, not with is", "请使用 == 比较")
            pair = self._applied(_SIGNS[type(sign)], left, right)
            pairs.append(self._applied("not", pair) if isinstance(sign, ast.NotIn) else pair)
        return pairs[0] if len(pairs) == 1 else self._applied("and", *pairs)

    def _either(self, condition: Node, then: Node, otherwise: Node) -> Node:
        if condition.kind != BOOLEAN or then.kind != otherwise.kind:
            raise BadExpression("if takes a condition and two of one kind", "if 需要一个条件和两个同类型的值")
        return Apply("if", (condition, then, otherwise), then.kind)


def _dotted(part: ast.expr) -> str:
    """Return a name as it is looked up: `agent.level["zh"]` is "agent.level[zh]"."""
    match part:
        case ast.Name():
            return part.id
        case ast.Attribute():
            return f"{_dotted(part.value)}.{part.attr}"
        case ast.Subscript(slice=ast.Constant(value=str() as key)):
            return f"{_dotted(part.value)}[{key}]"
    raise BadExpression("a dot or bracket stands inside a name only", "点号和方括号只能用于名称")
