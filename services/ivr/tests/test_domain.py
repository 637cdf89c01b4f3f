"""Tables of the pure parts: conditions, words, hours, checks."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs import hours
from libs.documents import has_errors
from libs.events.base import Scalar
from libs.hours import Calendar
from services.ivr.domain import checking, words
from services.ivr.domain.expression import BadExpression, evaluate, names_in
from services.ivr.domain.flow import Flow

KNOWN: dict[str, Scalar] = {
    "customer.vip_level": 3,
    "channel": "chat",
    "age": "19",
    "done": True,
    "name": "Li",
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("customer.vip_level >= 2", True),
        ("customer.vip_level >= 2 and channel == 'voice'", False),
        ("channel in ['chat', 'app'] or missing", True),
        ("not done", False),
        ("missing == None", True),
        ("missing >= 2", False),
        ("channel > 3", False),
        ("age >= 18", True),
        ("age == 19.0", True),
        ("1 < customer.vip_level < 4", True),
        ("customer.vip_level > -1", True),
        ("'L' in name", True),
        ("channel not in ('chat',)", False),
    ],
)
def test_evaluates_conditions(text: str, holds: bool) -> None:
    assert evaluate(text, KNOWN) is holds


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "name.upper()",
        "(1).real",
        "[x for x in name]",
        "lambda: 1",
        "a if b else c",
        "2 ** 1000",
        "a = 1",
        "name[0]",
        "f'{name}'",
        "-name",
        "b'1'",
        "",
        "a or " * 120 + "a",
        "'" + "x" * 600 + "'",
    ],
)
def test_refuses_what_is_no_condition(text: str) -> None:
    with pytest.raises(BadExpression):
        evaluate(text, KNOWN)


def test_names_the_variables_of_a_condition() -> None:
    assert names_in("customer.vip_level >= 2 and not done") == {"customer.vip_level", "done"}


def test_fills_in_variables_once_and_never_what_a_customer_typed() -> None:
    variables: dict[str, Scalar] = {"name": "{{ secret }}", "secret": "x", "n": 3.0, "m": 12.5}

    assert words.filled_in("{{name}} {{ n }} {{m}} {{ nobody }}.", variables) == "{{ secret }} 3 12.50 ."


@pytest.mark.parametrize(
    ("said", "within", "found"),
    [
        ("1", True, "bill"),
        ("１", True, "bill"),
        ("Card bill", True, "bill"),
        ("i lost my card", True, "lost"),
        ("i lost my card", False, None),
        ("almost lostness", True, None),
        ("我的卡丢失了！", True, "lost"),
        ("21", True, None),
        ("", True, None),
    ],
)
def test_matches_what_was_said(said: str, within: bool, found: str | None) -> None:
    choices = [("bill", ("1", "card bill")), ("lost", ("2", "lost", "丢失"))]

    assert words.matched(said, choices, within=within) == found


@pytest.mark.parametrize(
    ("wanted", "language"),
    [("zh", "zh-CN"), ("ZH-tw", "zh-CN"), ("en-GB", "en"), ("", "zh-CN"), ("fr", "zh-CN")],
)
def test_finds_the_nearest_language(wanted: str, language: str) -> None:
    assert words.language_for(wanted, ("zh-CN", "en")) == language


@pytest.mark.parametrize(
    ("time", "state"),
    [
        ("2026-03-02T00:59:59+00:00", "closed"),  # Monday 08:59:59 in Shanghai
        ("2026-03-02T01:00:00+00:00", "open"),
        ("2026-03-02T10:00:00+00:00", "closed"),
        ("2026-03-07T15:59:59+00:00", "open"),  # Saturday, open until midnight
        ("2026-03-07T16:00:00+00:00", "closed"),
        ("2026-03-03T01:00:00+00:00", "holiday"),
    ],
)
def test_knows_business_hours(time: str, state: str) -> None:
    calendar = Calendar.model_validate(
        {
            "time_zone": "Asia/Shanghai",
            "weekly": {
                0: [{"start": "09:00", "end": "18:00"}],
                1: [{"start": "09:00", "end": "18:00"}],
                5: [{"start": "20:00", "end": "00:00"}],
            },
            "holidays": ["2026-03-03"],
        }
    )

    assert hours.state_of(calendar, datetime.fromisoformat(time).astimezone(UTC)) == state


MENU: dict[str, Any] = {
    "kind": "menu",
    "say": {"en": "Which?"},
    "timeout_s": 10,
    "on_timeout": "agent",
    "on_invalid": "agent",
    "choices": [{"key": 1, "labels": {"en": "One"}, "next": "agent"}],
}
QUEUE = {"kind": "queue", "queue_id": "service"}


def flow(nodes: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"flow_id": "f", "languages": ["en"], "start": "menu", "nodes": nodes, **others}


def prompt(to: str) -> dict[str, Any]:
    return {"kind": "prompt", "say": {"en": "Hello"}, "next": to}


@pytest.mark.parametrize(
    ("document", "path", "severity"),
    [
        (flow({"menu": {**MENU, "on_timeout": "nowhere"}, "agent": QUEUE}), "nodes.menu.on_timeout", "error"),
        (flow({"menu": MENU, "agent": QUEUE}, start="nowhere"), "start", "error"),
        (flow({"menu": MENU, "agent": QUEUE, "alone": QUEUE}), "nodes.alone", "warning"),
        (flow({"menu": MENU, "agent": prompt("agent")}), "nodes.menu", "error"),
        (flow({"menu": MENU, "agent": {"kind": "end"}}), "nodes.menu", "warning"),
        (flow({"menu": MENU, "agent": QUEUE}, languages=["en", "zh-CN"]), "nodes.menu.say", "error"),
        (flow({"menu": {**MENU, "timeout_s": None}, "agent": QUEUE}), "nodes.menu.timeout_s", "error"),
        (flow({"menu": {**MENU, "on_invalid": None}, "agent": QUEUE}), "nodes.menu.on_invalid", "error"),
        (
            flow(
                {
                    "menu": {
                        **MENU,
                        "choices": [*MENU["choices"], {"key": "2", "labels": {"en": "one"}, "next": "agent"}],
                    },
                    "agent": QUEUE,
                }
            ),
            "nodes.menu.choices.1",
            "error",
        ),
        (
            flow(
                {
                    "menu": {
                        "kind": "condition",
                        "cases": [{"when": "f()", "next": "agent"}],
                        "otherwise": "agent",
                    },
                    "agent": QUEUE,
                }
            ),
            "nodes.menu.cases.0.when",
            "error",
        ),
        (flow({"menu": MENU, "agent": {**QUEUE, "reason": "{{ typo }}"}}), "nodes.agent.reason", "warning"),
        (flow({"menu": {**MENU, "kind": "dance"}}), "nodes.menu", "error"),
        (flow({"menu": {**MENU, "tiemout_s": 1}, "agent": QUEUE}), "nodes.menu.menu.tiemout_s", "error"),
        (
            flow({"menu": MENU, "agent": QUEUE, "alone": prompt("menu")}, on_error="alone"),
            "on_error",
            "error",
        ),
        (
            flow({"menu": MENU, "agent": {**QUEUE, "attributes": {"product": "typo"}}}),
            "nodes.agent.attributes",
            "warning",
        ),
        (
            flow(
                {
                    "menu": {
                        "kind": "collect",
                        "say": {"en": "Your card?"},
                        "save_as": "card",
                        "sensitive": True,
                        "timeout_s": 10,
                        "next": "agent",
                        "on_timeout": "agent",
                        "on_invalid": "agent",
                    },
                    "agent": {**QUEUE, "attributes": {"card": "card"}},
                }
            ),
            "nodes.agent.attributes.card",
            "error",
        ),
        (
            flow(
                {
                    "menu": {"kind": "hours", "calendar": "c", "open": "agent", "closed": "agent"},
                    "agent": QUEUE,
                }
            ),
            "nodes.menu.calendar",
            "error",
        ),
    ],
)
def test_finds_what_is_wrong_with_a_flow(document: dict[str, Any], path: str, severity: str) -> None:
    _, problems = checking.examine(document)

    assert (path, severity) in {(each.path, each.severity) for each in problems}


def test_finds_nothing_wrong_with_a_good_flow() -> None:
    assert checking.examine(flow({"menu": MENU, "agent": QUEUE}))[1] == []


@pytest.mark.parametrize(
    "text",
    ["[" * 3000, "a: [", "x: &a [1]\ny: [*a, *a]", "# " + "x" * (300 * 1024), "just words", ""],
    ids=["deep", "broken", "aliases", "large", "no mapping", "empty"],
)
def test_refuses_text_that_is_no_flow(text: str) -> None:
    found, problems = checking.read(text)

    assert found is None
    assert has_errors(problems)


def test_takes_json_as_well() -> None:
    text = Flow.model_validate(flow({"menu": MENU, "agent": QUEUE})).model_dump_json()

    assert checking.read(text) == (Flow.model_validate_json(text), [])
