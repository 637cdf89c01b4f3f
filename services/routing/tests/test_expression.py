"""The language of strategies: what it reads, what it computes, what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.domain.expression import (
    BOOLEAN,
    NUMBER,
    SET,
    TEXT,
    Apply,
    BadExpression,
    Kind,
    Literal,
    Name,
    Node,
    Scope,
    Value,
    fold,
    names_in,
    read,
    run,
    written,
)
from services.routing.domain.expression.tree import EMPTY

KINDS: dict[str, Kind] = {
    "agent.level[zh]": NUMBER,
    "agent.gender": TEXT,
    "agent.certificates": SET,
    "agent.trainee": BOOLEAN,
    "contact.value": NUMBER,
    "contact.product": TEXT,
    "contact.tags": SET,
    "contact.known": BOOLEAN,
}
SCOPE: dict[str, Value] = {
    "agent.level[zh]": 4,
    "agent.gender": "female",
    "agent.certificates": frozenset({"fund", "loan"}),
    "contact.value": 250.0,
    "contact.product": "fund",
}


def of(text: str, wanted: Kind = BOOLEAN) -> Node:
    return read(text, KINDS.get, wanted)


@pytest.mark.parametrize(
    ("text", "wanted", "value"),
    [
        ("agent.level['zh'] >= 3", BOOLEAN, True),
        ('agent.gender == "female" and not agent.trainee', BOOLEAN, True),
        ("contact.product in agent.certificates", BOOLEAN, True),
        ("contact.product not in agent.certificates", BOOLEAN, False),
        ('agent.gender in ["male", "none"] or contact.value > 1e3', BOOLEAN, False),
        ("1 < agent.level['zh'] <= 4", BOOLEAN, True),
        ("size(both(agent.certificates, ['fund', 'car']))", NUMBER, 1),
        ("min(contact.value / 100, 2) + -1", NUMBER, 1),
        ("10 if contact.product == 'fund' else 0", NUMBER, 10),
        ("contact.value / 0", NUMBER, 0),
        ("max(1, 2, abs(-3))", NUMBER, 3),
        ("'a' if agent.trainee else agent.gender", TEXT, "female"),
        ("contact.tags", SET, frozenset()),
        ("True", BOOLEAN, True),
        ("1 -\n 3", NUMBER, -2),
    ],
)
def test_it_computes(text: str, wanted: Kind, value: Value) -> None:
    assert run(of(text, wanted))(SCOPE) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("agent.level['zh']", "gives a number, not a boolean"),
        ("agent.shoes == 3", "agent.shoes is not known here"),
        ("agent.gender > 3", "> cannot be applied to text, number"),
        ("agent.gender == 3", "== cannot be applied to text, number"),
        ("agent.gender and True", "and cannot be applied to text, boolean"),
        ("3 in [1, 3]", "a list holds texts only"),
        ("True if contact.value else False", "if takes a condition and two of one kind"),
        ("contact.value is 3", "things are compared with ==, not with is"),
        ("2 ** 9 > 1", "binop is not part of the language"),
        ("1e13 > 1", "no number may be larger than 1e+12"),
        ("lambda: 1", "lambda is not part of the language"),
        ("__import__('os')", "call is not part of the language"),
        ("min(1, 2, key=3) > 1", "call is not part of the language"),
        ("min() > 1", "min cannot be applied to nothing"),
        ("agent.gender.__class__ == 'x'", "agent.gender.__class__ is not known here"),
        ("().__class__", "a dot or bracket stands inside a name only"),
        ("[x for x in [1]]", "listcomp is not part of the language"),
        ("f'{agent.gender}' == 'x'", "joinedstr is not part of the language"),
        ("1 +", "cannot be read"),
        ("", "cannot be read"),
        ("a\x00b", "cannot be read"),
        ("(" * 400 + "1" + ")" * 400, "cannot be read"),
        ("True" + " and True" * 300, "longer than 1000 characters"),
        ("1" + "+1" * 150 + " > 1", "more than 200 parts"),
        ("b'x' == b'x'", "constant is not part of the language"),
        ("None == None", "constant is not part of the language"),
        ("contact[3]", "a dot or bracket stands inside a name only"),
    ],
)
def test_it_refuses(text: str, why: str) -> None:
    with pytest.raises(BadExpression) as raised:
        of(text)

    assert raised.value.en == why
    assert raised.value.zh


def test_it_names_what_an_expression_depends_on() -> None:
    node = of("contact.value > 3 or agent.gender == contact.product")

    assert names_in(node) == {"contact.value", "agent.gender", "contact.product"}


def test_it_folds_what_is_known_of_the_contact_into_a_question_about_the_agent() -> None:
    node = of("contact.value < 100 or (contact.product in agent.certificates and contact.value > 9)")

    folded = fold(node, SCOPE, ("contact.",))

    assert folded == of("'fund' in agent.certificates")
    assert fold(node, {**SCOPE, "contact.value": 5}, ("contact.",)) == Literal(True, BOOLEAN)


# --- trees of every shape

_names: dict[Kind, list[str]] = {
    kind: [name for name, its in KINDS.items() if its == kind] for kind in (BOOLEAN, NUMBER, TEXT, SET)
}
_texts = st.text(max_size=4).filter(lambda text: "\x00" not in text and text.isprintable())
_literals: dict[Kind, st.SearchStrategy[Value]] = {
    BOOLEAN: st.booleans(),
    NUMBER: st.integers(-9, 9) | st.floats(-9, 9, allow_subnormal=False).filter(lambda number: number != 0),
    TEXT: _texts,
    SET: st.frozensets(_texts, max_size=3),
}


def _leaves(kind: Kind) -> st.SearchStrategy[Node]:
    names: st.SearchStrategy[Node] = st.sampled_from(_names[kind]).map(lambda name: Name(name, kind))
    return names | _literals[kind].map(lambda value: Literal(value, kind))


def _applied(sign: str, kind: Kind, *operands: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.tuples(*operands).map(lambda some: Apply(sign, some, kind))


def trees(kind: Kind, depth: int = 2) -> st.SearchStrategy[Node]:
    """Return expressions of one kind."""
    if depth == 0 or kind in (TEXT,):
        return _leaves(kind)
    less = depth - 1
    if kind == SET:
        return _leaves(SET) | _applied("both", SET, trees(SET, less), trees(SET, less))
    if kind == NUMBER:
        two = (trees(NUMBER, less), trees(NUMBER, less))
        return st.one_of(
            _leaves(NUMBER),
            *(_applied(sign, NUMBER, *two) for sign in ("+", "-", "*", "/", "min", "max")),
            _applied("abs", NUMBER, two[0]),
            _applied("size", NUMBER, trees(SET, less)),
            _applied("if", NUMBER, trees(BOOLEAN, less), *two),
        )
    return st.one_of(
        _leaves(BOOLEAN),
        _applied("not", BOOLEAN, trees(BOOLEAN, less)),
        *(_applied(sign, BOOLEAN, trees(BOOLEAN, less), trees(BOOLEAN, less)) for sign in ("and", "or")),
        *(_applied(sign, BOOLEAN, trees(NUMBER, less), trees(NUMBER, less)) for sign in ("<", ">=", "==")),
        _applied("==", BOOLEAN, trees(TEXT), trees(TEXT)),
        _applied("in", BOOLEAN, trees(TEXT), trees(SET, less)),
    )


scopes: st.SearchStrategy[Scope] = st.fixed_dictionaries(
    {}, optional={name: _literals[kind] for name, kind in KINDS.items()}
)


@given(node=trees(BOOLEAN) | trees(NUMBER), scope=scopes)
def test_it_always_gives_a_value_of_its_kind(node: Node, scope: Scope) -> None:
    value = run(node)(scope)

    assert isinstance(value, bool if node.kind == BOOLEAN else int | float)


@given(node=trees(BOOLEAN) | trees(NUMBER), scope=scopes)
def test_it_gives_the_same_when_what_is_known_is_folded_first(node: Node, scope: Scope) -> None:
    folded = fold(node, scope, ("contact.",))

    assert not any(name.startswith("contact.") for name in names_in(folded))
    assert run(folded)(scope) == run(node)(scope)


@given(node=trees(BOOLEAN), scope=scopes)
def test_it_reads_what_it_writes(node: Node, scope: Scope) -> None:
    again = read(written(node), KINDS.get, BOOLEAN)

    assert run(again)(scope) == run(node)(scope)


def test_it_knows_something_empty_of_every_kind() -> None:
    assert set(EMPTY) == {BOOLEAN, NUMBER, TEXT, SET}
