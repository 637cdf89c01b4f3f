"""A configuration as a file: read, written in one way only, compared with another."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.domain.configuration import document, items
from services.routing.domain.configuration.differing import changes
from services.routing.domain.configuration.document import File

OFFICE = {"time_zone": "Asia/Shanghai", "weekly": {"0": [{"start": "09:00", "end": "18:00"}]}}
EXAMPLE = """\
format: trunkline.configuration.v1
skills:
  card:
    name: Cards
    name_zh: "信用卡"
  zh: {}
calendars:
  office:
    time_zone: Asia/Shanghai
    weekly:
      "0": [{start: "09:00", end: "12:00"}, {start: "13:00", end: "18:00"}]
      "5": [{start: "10:00", end: "00:00"}]
    holidays: ["2026-01-01", "2026-10-01"]
reasons:
  break:
    name: Break
pools:
  berlin:
    queues:
      service: {}
    agents: {}
  main:
    queues:
      service:
        name: Customer service
        needs: [{skill: zh, level: 3}, {skill: card, hard: false, weight: 5.0}]
        overflow_queue_id: vip
      vip:
        enabled: false
    agents:
      ana:
        name: Ana
        skills:
          card: 2
          zh: 5
        attributes:
          certificates: [fund]
          gender: female
        schedule: office
      bob:
        capacity:
          chat: 2
        interrupts:
          voice: [chat]
        schedule:
          time_zone: UTC
          weekly:
            "1": [{start: "08:00", end: "12:00"}]
strategies:
  gold:
    hours:
      calendar:
        holidays: ["2026-01-01", "2026-05-01"]
        time_zone: UTC
        weekly:
          "0": [{end: "18:00:00", start: "09:00:00"}]
    queues: [service]
"""


def file_of(text: str) -> File:
    found, problems = document.read(text)
    assert found is not None, problems
    return found


def test_a_file_that_is_read_is_written_the_same() -> None:
    found = file_of(EXAMPLE)

    assert document.text(found.items, found.strategies) == EXAMPLE


def test_json_says_the_same() -> None:
    found = file_of(EXAMPLE)

    text = document.text(found.items, found.strategies, is_json=True)
    again, problems = document.read(text, is_json=True)

    assert problems == [] and again is not None
    assert (again.items, again.strategies) == (found.items, found.strategies)


def test_what_is_written_otherwise_comes_out_the_same() -> None:
    other = """
    strategies: {gold: {queues: [service], hours: {calendar: {weekly: {0: [{start: 09:00, end: 18:00}]},
      time_zone: UTC, holidays: [2026-05-01, 2026-01-01]}}}}
    pools:
      main:
        agents:
          bob: {interrupts: {voice: [chat]}, capacity: {chat: 2},
                schedule: {shifts: [{weekday: 1, start: 08:00, end: 12:00}]}}
          ana: {schedule: office, name: Ana, attributes: {gender: female, certificates: [fund]},
                enabled: true, skills: {zh: 5, card: 2}}
        queues: {vip: {enabled: false}, service: {overflow_queue_id: vip, name: Customer service, priority: 0,
          needs: [{skill: zh, level: 3}, {skill: card, hard: false, weight: 5}]}}
      berlin: {queues: {service: }}
    reasons: {break: {name: Break}}
    calendars: {office: {holidays: [2026-10-01, 2026-01-01], weekly: {5: [{start: 10:00, end: 00:00}], 3: [],
      0: [{start: 09:00, end: 12:00}, {start: 13:00, end: 18:00}]}, time_zone: Asia/Shanghai}}
    skills: {zh: , card: {name_zh: 信用卡, name: Cards}}
    """
    found = file_of(other)

    assert document.text(found.items, found.strategies) == EXAMPLE


IDS = st.sampled_from(("a", "b.c", "ana@bank", "no", "007", "x-1"))
SHORT = st.text(st.characters(codec="utf-8"), max_size=12)
NAMED = st.fixed_dictionaries({}, optional={"name": SHORT, "name_zh": SHORT})
CALENDAR = st.fixed_dictionaries(
    {
        "time_zone": st.sampled_from(("UTC", "Asia/Shanghai")),
        "weekly": st.dictionaries(
            st.sampled_from(("0", "3", "6")),
            st.just([{"start": "09:00", "end": "12:30"}, {"start": "13:00", "end": "00:00"}]),
            min_size=1,
        ),
    },
    optional={"holidays": st.lists(st.dates().map(str), max_size=4)},
)
QUEUE = st.fixed_dictionaries(
    {},
    optional={
        "name": SHORT,
        "priority": st.integers(-1000, 1000),
        "offer_timeout_s": st.floats(0.5, 600),
        "needs": st.lists(st.fixed_dictionaries({"skill": IDS, "weight": st.floats(0, 1000)}), max_size=3),
        "enabled": st.booleans(),
    },
)
ATTRIBUTE = (
    st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | SHORT | st.lists(SHORT, max_size=3)
)
AGENT = st.fixed_dictionaries(
    {},
    optional={
        "name": SHORT,
        "skills": st.dictionaries(IDS, st.integers(1, 10)),
        "capacity": st.dictionaries(st.sampled_from(("voice", "chat", "email")), st.integers(0, 50)),
        "languages": st.lists(st.sampled_from(("zh-CN", "en")), max_size=2),
        "attributes": st.dictionaries(st.sampled_from(("gender", "x1")), ATTRIBUTE),
        "schedule": CALENDAR | IDS,
    },
)
FILE = st.fixed_dictionaries(
    {},
    optional={
        "skills": st.dictionaries(IDS, NAMED),
        "calendars": st.dictionaries(IDS, CALENDAR),
        "reasons": st.dictionaries(IDS, NAMED),
        "pools": st.dictionaries(
            IDS,
            st.fixed_dictionaries(
                {}, optional={"queues": st.dictionaries(IDS, QUEUE), "agents": st.dictionaries(IDS, AGENT)}
            ),
        ),
    },
)


@given(FILE)
def test_an_export_taken_over_elsewhere_is_exported_the_same(plain: dict[str, Any]) -> None:
    first, problems = document.read(json.dumps(plain), is_json=True)
    assert first is not None, problems
    exported = document.text(first.items, {})

    there = file_of(exported)

    assert document.text(there.items, {}) == exported
    assert there.items == first.items
    assert changes(first.items, {}, there, prune=True) == ([], 0)
    for key, text in first.items.items():
        assert items.text_of(items.kept(key, text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour: 1", ["colour | line 1: is not known here"]),
        ("", [" | must be a map"]),
        ("[]", [" | line 1: must be a map"]),
        ("format: 2", ["format | line 1: must be trunkline.configuration.v1"]),
        ("skills:\n  zh: {nam: x}", ["skills.zh.nam | line 2: is not known here"]),
        ("skills:\n  a b: {}", ["skills.a b | line 2: String should match pattern '^[A-Za-z0-9._:@+=~-]+$'"]),
        ("skills: {zh: 3}", ["skills.zh | line 1: must be a map"]),
        ("pools: {main: {queus: {}}}", ["pools.main.queus | line 1: is not known here"]),
        (
            "pools:\n main:\n  queues:\n   s:\n    needs:\n    - skill: zh\n      lvl: 3",
            ["pools.main.queues.s.needs.0.lvl | line 7: is not known here"],
        ),
        (
            "pools: {main: {queues: {s: {pool_id: x}}}}",
            ["pools.main.queues.s.pool_id | line 1: is not known here"],
        ),
        (
            "pools: {main: {queues: {s: {priority: 99999}}}}",
            ["pools.main.queues.s.priority | line 1: Input should be less than or equal to 1000"],
        ),
        (
            "pools: {main: {agents: {a: {schedule: {weekli: {}}}}}}",
            ["pools.main.agents.a.schedule.weekli | line 1: is not known here"],
        ),
        (
            "pools: {main: {agents: {a: {schedule: {shifts: [{weekday: 1, ends: x}]}}}}}",
            ["pools.main.agents.a.schedule.shifts.ends | line 1: is not known here"],
        ),
        ("calendars: {o: {time_zone: UTC, weekly: {}}}", ["calendars.o | line 1: has no hours on any day"]),
        (
            "calendars: {o: {time_zone: UTC, weekly: {0: [{start: 09:00:30, end: 10:00}]}}}",
            ["calendars.o | line 1: has hours to the second; the minute is the least"],
        ),
        (
            "calendars: {o: {time_zone: UTC, weekly: {0: [{start: 18:00, end: 09:00}]}}}",
            ["calendars.o | line 1: Value error, a shift ends after it starts; one over midnight is two"],
        ),
        (
            'strategies:\n  gold:\n    filters: [{id: x, keep: "agent.shoes > 3"}]',
            ["strategies.gold.filters.0.keep | line 3: agent.shoes is not known here"],
        ),
        (
            "strategies: {gold: {strategy_id: silver}}",
            ["strategies.gold | line 1: must be a map without strategy_id"],
        ),
    ],
)
def test_it_says_where_a_file_is_wrong(text: str, said: list[str]) -> None:
    found, problems = document.read(text)

    assert found is None
    assert [f"{each.path} | {each.en}" for each in problems] == said


def test_it_tells_what_a_file_changes_field_by_field_and_in_order() -> None:
    before = file_of(EXAMPLE)
    after = file_of(
        EXAMPLE.replace("zh: 5", "zh: 7")
        .replace("card: 2\n          ", "")
        .replace("  zh: {}", "  fr: {}\n  zh: {}")
        .replace("vip:\n        enabled: false", "spare: {}")
    )

    found, left = changes(before.items, before.strategies, after, prune=True)

    assert [(each.kind, each.key) for each in found] == [
        ("added", "skills/fr"),
        ("added", "queues/main/spare"),
        ("removed", "queues/main/vip"),
        ("changed", "agents/main/ana"),
    ]
    assert left == 0
    assert [(each.path, each.before, each.after) for each in found[-1].fields()] == [
        ("skills.card", 2, None),
        ("skills.zh", 5, 7),
    ]


def test_defaults_count_as_given_where_fields_are_compared() -> None:
    before, after = (
        file_of(f"pools: {{main: {{queues: {{s: {text}}}}}}}") for text in ("", "{enabled: false}")
    )

    ((change,), _) = changes(before.items, {}, after, prune=False)

    assert [(each.path, each.before, each.after) for each in change.fields()] == [("enabled", True, False)]


@pytest.mark.parametrize(
    ("text", "prune", "gone", "left"),
    [
        ("skills: {zh: }", False, [], 1),
        ("skills: {zh: }", True, ["skills/card"], 0),
        ("reasons: ", True, ["reasons/break"], 0),
        ("pools: {berlin: {queues: }}", True, ["queues/berlin/service"], 0),
        ("pools: {main: {}}", True, [], 0),
        ("{}", True, [], 0),
        ("strategies: ", True, [], 0),
    ],
)
def test_it_removes_only_where_it_is_asked_to_and_only_from_what_the_file_has(
    text: str, prune: bool, gone: list[str], left: int
) -> None:
    before = file_of(EXAMPLE)

    found, stay = changes(before.items, before.strategies, file_of(text), prune=prune)

    assert [each.key for each in found if each.kind == "removed"] == gone
    assert stay == left
