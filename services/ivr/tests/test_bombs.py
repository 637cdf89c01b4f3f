"""Texts that would keep the reader of flows busy for ever, or make it fail: each is refused at once."""

import time

import pytest

from libs.documents import MOST_PIECES
from services.ivr.domain import checking

SIZE = 200_000
KEY = "flow_id: x\nstart: a\nnodes: {{a: {{kind: menu, choices: [{{key: {}, labels: {{en: x}}, next: a}}]}}}}"
TEXTS = {
    "nested lists": "[" * SIZE,
    "nested maps": "{a: " * (SIZE // 4),
    "nested blocks": "".join(" " * depth + "a:\n" for depth in range(600)),
    "many pieces": "- a\n" * (MOST_PIECES + 1),
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
    "python": "!!python/object/apply:os.system ['id']",
    "python name": "!!python/name:os.system",
    "a key that is no number": KEY.format(".inf"),
    "a key that is not even that": KEY.format(".nan"),
    "a key of many digits": KEY.format("9" * 5000),
    "no date": "a: 2026-99-99",
    "an unhashable key": "? [a]\n: b",
    "a control character": "a: \x00",
}


@pytest.mark.parametrize("name", TEXTS)
def test_it_refuses_a_bomb_and_soon(name: str) -> None:
    started = time.process_time()

    flow, problems = checking.read(TEXTS[name])

    assert flow is None
    assert problems
    assert time.process_time() - started < 5
