"""The context of a session: versions, expiry, and what flows into it."""

from typing import Any

import pytest

from libs.errors import Conflict
from libs.events.base import AnyEvent, Tick
from libs.stored import Key
from services.session.domain.context import ENTRIES, Context, Put, blank, decide, due
from services.session.tests.making import at, completed, event, started


def put(seconds: float, value: str = '"a"', name: str = "topic", **said: Any) -> AnyEvent:
    data = Put(session_id="s-1", journey_id="j-1", name=name, value=value, by="ana", **said)
    return event(data, seconds, f"put/{seconds}")


def run(*events: AnyEvent) -> tuple[Context, list[tuple[str, int, bool]]]:
    context, changes = blank(Key("acme", "session:s-1")), []
    for each in events:
        context, facts = decide(context, each, each.time)
        changes += [(fact.data.name, fact.data.version, fact.data.removed) for fact in facts]  # type: ignore[attr-defined]  # only ContextChanged is told
    return context, changes


CASES: dict[str, tuple[list[AnyEvent], list[tuple[str, int, bool]], dict[str, str]]] = {
    "writes": ([put(1)], [("topic", 1, False)], {"topic": '"a"'}),
    "counts versions": ([put(1), put(2, "2")], [("topic", 1, False), ("topic", 2, False)], {"topic": "2"}),
    "removes": ([put(1), put(2, "")], [("topic", 1, False), ("topic", 2, True)], {}),
    "removes nothing": ([put(1, "")], [], {}),
    "goes on counting after a removal": (
        [put(1), put(2, ""), put(3, "3", expected_version=0)],
        [("topic", 1, False), ("topic", 2, True), ("topic", 3, False)],
        {"topic": "3"},
    ),
    "lets values expire": (
        [put(1, ttl_s=10), event(Tick(of="x"), 11)],
        [("topic", 1, False), ("topic", 2, True)],
        {},
    ),
    "keeps what has not expired": (
        [put(1, ttl_s=10), event(Tick(of="x"), 10.9)],
        [("topic", 1, False)],
        {"topic": '"a"'},
    ),
    "takes over what the channel knows": (
        [started(context={"page": "/fund", "cart": 3, "none": None})],
        [("page", 1, False), ("cart", 1, False)],
        {"page": '"/fund"', "cart": "3"},
    ),
    "takes over what self-service collected": (
        [completed(1, "queue", pii={"collected": {"account": "622"}})],
        [("account", 1, False)],
        {"account": '"622"'},
    ),
    "says nothing of a value that stayed the same": (
        [started(context={"page": "/fund"}), completed(1, "queue", pii={"collected": {"page": "/fund"}})],
        [("page", 1, False)],
        {"page": '"/fund"'},
    ),
}


@pytest.mark.parametrize(("events", "changes", "left"), CASES.values(), ids=CASES.keys())
def test_it(events: list[AnyEvent], changes: list[tuple[str, int, bool]], left: dict[str, str]) -> None:
    context, told = run(*events)

    assert told == changes
    assert {each.name: each.value for each in context.live(events[-1].time)} == left


@pytest.mark.parametrize(
    ("before", "expected_version"), [([], 1), ([put(1)], 0), ([put(1), put(2)], 1), ([put(1), put(2, "")], 2)]
)
def test_it_refuses_a_write_that_expected_another_version(
    before: list[AnyEvent], expected_version: int
) -> None:
    context, _ = run(*before)

    with pytest.raises(Conflict):
        decide(context, put(9, expected_version=expected_version), at(9))


def test_it_remembers_what_it_answered() -> None:
    context, _ = run(put(1), put(2, "2"))

    assert [(name, entry.version) for name, entry in context.answers] == [("put/1", 1), ("put/2", 2)]


def test_it_wants_to_hear_when_the_first_value_expires() -> None:
    context, _ = run(put(1, ttl_s=60, name="a"), put(2, ttl_s=10, name="b"), put(3, name="c"))

    assert due(context) == at(12)


def test_it_takes_no_more_than_it_can_hold() -> None:
    context, _ = run(started(context={f"n{place}": place for place in range(ENTRIES + 5)}))

    assert len(context.entries) == ENTRIES
