"""Files are read with their lines, hostile ones are refused, and what is written is read back the same."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.placed import LONGEST_FILE, MOST_PIECES, read, written

names = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | names,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
documents = st.dictionaries(names, values, max_size=5)


@given(documents)
def test_what_is_written_is_read_back_the_same(document: dict[str, Any]) -> None:
    text = written(document)

    found, problems = read(text)

    assert problems == [] and found is not None
    assert (found.value or {}) == document
    assert list(map(repr, (found.value or {}).items())) == list(map(repr, document.items()))


@given(documents)
def test_json_is_read_back_the_same(document: dict[str, Any]) -> None:
    found, problems = read(json.dumps(document), is_json=True)

    assert problems == [] and found is not None
    assert found.value == document


def test_every_reader_of_yaml_takes_texts_for_texts() -> None:
    import yaml

    texts = [
        "no",
        "On",
        "18:00",
        "2026-01-01",
        "1_000",
        "0x1f",
        "1e3",
        "~",
        "null",
        "=",
        "<<",
        "a: b",
        "- a",
        "",
    ]

    assert yaml.safe_load(written({"of": texts, **{text: text for text in texts}})) == {
        "of": texts,
        **{text: text for text in texts},
    }


def test_it_knows_the_line_of_everything() -> None:
    found, _ = read("a:\n  b: 1\n  c:\n  - 2\n  - d: 3\n")

    assert found is not None
    assert found.said(("a", "b"), "is odd") == "line 2: is odd"
    assert found.said(("a", "c", "1", "d"), "is odd") == "line 5: is odd"
    assert found.said(("a", "missing", "deep"), "is odd") == "line 1: is odd"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 18:00", {"a": "18:00"}),
        ("a: no", {"a": "no"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 010", {"a": "010"}),
        ("0: [1, 1.5, -2e3, true, ~, x]", {"0": [1, 1.5, -2000.0, True, None, "x"]}),
        ("a: .inf", {"a": ".inf"}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ('{"a": {"b": [1]}}', {"a": {"b": [1]}}),
    ],
)
def test_it_reads_words_as_they_look(text: str, value: object) -> None:
    found, problems = read(text)

    assert problems == [] and found is not None
    assert found.value == value


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("a: 1\nb: 2\na: 3", "a", "line 3: stands here twice"),
        ("a: {b: 1, b: 1}", "a.b", "line 1: stands here twice"),
        ("a: &x [1]\nb: *x", "b", "line 2: YAML aliases are not taken"),
        (LAUGHS, "b", "line 2: YAML aliases are not taken"),
        ("a: !!python/object/apply:os.system [id]", "a", "line 1: YAML tags are not taken"),
        ("a: !!binary aGk=", "a", "line 1: YAML tags are not taken"),
        ("? [1, 2]\n: 3", "", "line 1: a name is a text"),
        ("a: 1\n---\nb: 1", "", "more than one document"),
        ("a: [1,\n", "", "line 2: this is no YAML"),
        ("a: 'x\x00'", "", "this is no YAML"),
        ("[" * 100_000, "", "nested too deeply"),
        ("a: [" + "1," * MOST_PIECES + "]", "", f"more than {MOST_PIECES} pieces"),
        ("x" * (LONGEST_FILE + 1), "", f"larger than {LONGEST_FILE} bytes"),
        ("客" * (LONGEST_FILE // 2), "", f"larger than {LONGEST_FILE} bytes"),
    ],
)
def test_it_refuses_what_may_do_harm(text: str, where: str, said: str) -> None:
    found, problems = read(text)

    assert found is None
    assert [(each.path, each.en) for each in problems] == [(where, said)]
    assert problems[0].zh


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        "{",
        "[" * 100_000,
        "[" * 40 + "]" * 40,
    ],
)
def test_it_refuses_json_that_may_do_harm(text: str) -> None:
    found, problems = read(text, is_json=True)

    assert found is None and len(problems) == 1
