"""Every rule of the checker is silent about a good day and speaks of the one thing that is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults.acknowledged import AcknowledgementLog
from tests.faults.evidence import Evidence, Poison
from tests.faults.rules import RULES, check
from tests.faults.topics import Row

CONTACT = {
    "session_id": "s1",
    "contact_id": "c1",
    "pool_id": "main",
    "queue_id": "service",
    "channel": "chat",
}
OFFER = CONTACT | {"offer_id": "o1", "agent_id": "ana"}
CLOSED = {
    "session_id": "s1",
    "interaction_id": "c1",
    "channel": "chat",
    "outcome": "handled",
    "queue_id": "service",
}
STARTED = {"interaction_id": "c1", "channel": "chat", "entry_point": "web"}
AGENT = {"agent_id": "ana", "pool_id": "main"}


def row(kind: str, offset: int, data: dict[str, Any], sequence: int = 0, **headers: str) -> Row:
    owner = kind.partition(".")[0]
    teller = {"queue": "session", "agent": "routing"}.get(owner, owner)
    fields = {
        "type": f"trunkline.{kind}.v1",
        "id": f"{kind}-{offset}",
        "source": f"/trunkline/{teller}",
        "time": f"2026-11-24T10:00:{offset:02}Z",
        "tenant": "demo",
        "correlationid": "j1",
        "sequence": str(sequence),
    } | headers
    value = json.dumps(data).encode()
    return Row(
        f"trunkline.{owner}", 0, offset, "", {f"ce_{name}": text for name, text in fields.items()}, value
    )


def good_day() -> list[Row]:
    until = "2026-11-24T10:01:00Z"
    transcript = {"kind": "transcript", "channel": "chat", "media_type": "application/json"}
    kept = {"size_bytes": 3, "sha256": "abc", "retention_until": "2027-01-01T00:00:00Z"}
    recording = {"session_id": "s1", "interaction_id": "c1", "recording_id": "r1"}
    return [
        row("interaction.started", 0, STARTED, id="e1"),
        row("session.started", 0, STARTED | {"session_id": "s1"}, 1),
        row("queue.contact_queued", 0, CONTACT, 2),
        row("routing.contact_enqueued", 0, CONTACT | {"since": "2026-11-24T10:00:00Z"}, 1),
        row("agent.state_entered", 0, AGENT | {"state": "not_ready", "since": "2026-11-24T10:00:00Z"}, 2),
        row(
            "agent.state_entered",
            1,
            AGENT
            | {
                "state": "ready",
                "since": "2026-11-24T10:00:05Z",
                "previous": "not_ready",
                "previous_ms": 5000,
            },
            3,
        ),
        row("routing.agent_offered", 1, OFFER | {"waited_ms": 10, "expires_at": until}, 4),
        row("routing.contact_assigned", 2, OFFER | {"waited_ms": 20}, 5),
        row("interaction.ended", 3, {"interaction_id": "c1", "by": "customer"}),
        row("queue.contact_withdrawn", 4, {**CONTACT, "by": "customer"}, 3),
        row("routing.contact_released", 5, CONTACT | {"agent_id": "ana", "talked_ms": 30}, 6),
        row("session.contact_closed", 6, CLOSED, 4),
        row("recording.recording_stored", 7, recording | transcript | kept, 1),
    ]


def evidence(tmp_path: Path) -> Evidence:
    log = AcknowledgementLog(tmp_path / "log.jsonl")
    started = {"id": "e1", "type": "trunkline.interaction.started.v1", "data": {"interaction_id": "c1"}}
    log.published([started])
    log.answered("POST", "/v1/events", httpx.Response(202))
    log.framed("agent", {"seq": 1, "type": "offer"})
    log.framed("agent", {"seq": 2, "type": "assigned"})
    return Evidence(
        log,
        good_day(),
        report={"offered": 1.0, "answered": 1.0, "handled": 1.0},
        objects={"r1/abc": (3, "abc")},
        committed={("routing", "trunkline.queue", 0): 5},
        untold={"routing.pools": 0},
        memory={"routing": 1},
        log_lines=[("routing", "started")],
        secrets=("eyJ", "canary"),
        canaries={"acme": "canary"},
    )


def found(given: Evidence) -> dict[str, tuple[str, ...]]:
    given.acknowledged.close()
    return {each.rule: each.breaches for each in check(given) if each.breaches}


def without(kind: str) -> Callable[[Evidence], None]:
    def change(given: Evidence) -> None:
        given.rows = [each for each in given.rows if each.name != kind]

    return change


def with_more(*more: Row) -> Callable[[Evidence], None]:
    def change(given: Evidence) -> None:
        given.rows = [*given.rows, *more]

    return change


def changed(name: str, value: object) -> Callable[[Evidence], None]:
    return lambda given: setattr(given, name, value)


def answered(status: int, **headers: str) -> Callable[[Evidence], None]:
    answer = httpx.Response(status, headers=headers, text="")
    return lambda given: given.acknowledged.answered("GET", "/v1/x", answer)


def gap_in_a_stream(given: Evidence) -> None:
    given.acknowledged.framed("agent", {"seq": 4, "type": "state"})


def acknowledged_and_nowhere(given: Evidence) -> None:
    given.acknowledged.published([{"id": "e2", "type": "trunkline.visitor.page_viewed.v1", "data": {}}])


def test_it_finds_nothing_wrong_with_a_good_day(tmp_path: Path) -> None:
    given = evidence(tmp_path)

    findings = check(given)

    given.acknowledged.close()
    assert [each for each in findings if each.breaches] == []
    empty = {each.rule for each in findings if not each.checked}
    assert empty <= {"I5", "I8"}  # nothing was told twice; nothing of another tenant


def assigned_twice(given: Evidence) -> None:
    release = row("routing.contact_released", 5, CONTACT | {"agent_id": "ana", "talked_ms": 30}, 7)
    again = row("routing.contact_assigned", 3, OFFER | {"agent_id": "bo", "waited_ms": 1}, 6)
    kept = [each for each in given.rows if each.name != release.name]
    given.rows = [*kept, again, release]


DEAD_LETTER = Row(
    "trunkline.queue-dlq",
    0,
    0,
    "",
    {"dlq_topic": "trunkline.queue", "dlq_partition": "0", "dlq_offset": "0", "dlq_reason": "bad_data"},
    b"",
)


GONE = row("interaction.ended", 9, {"interaction_id": "c9", "by": "customer"})
BY_ID = Row(
    "trunkline.interaction-dlq",
    0,
    0,
    "",
    GONE.headers
    | {
        "dlq_topic": "trunkline.interaction",
        "dlq_partition": "-1",
        "dlq_offset": "-1",
        "dlq_reason": "unknown_interaction",
    },
    b"",
)

WRONG: list[tuple[str, Callable[[Evidence], object]]] = [
    ("I1", without("session.contact_closed")),
    ("I1", with_more(row("session.contact_closed", 9, CLOSED | {"outcome": "failed"}, 5))),
    ("I2", assigned_twice),
    ("I3", without("routing.agent_offered")),
    ("I4", without("routing.contact_assigned")),
    ("I5", with_more(row("interaction.started", 9, STARTED | {"entry_point": "app"}, id="e1"))),
    ("I5", lambda given: given.acknowledged.tickets.add("t1")),
    ("I6", changed("report", {"offered": 2.0, "answered": 1.0, "handled": 1.0})),
    ("I7", without("recording.recording_stored")),
    ("I7", changed("objects", {"r1/abc": (2, "abc")})),
    ("I8", with_more(row("visitor.searched", 9, {"visitor_id": "v", "query": "canary"}))),
    (
        "I9",
        with_more(
            row(
                "agent.state_entered",
                2,
                AGENT | {"state": "ready", "since": "2026-11-24T10:00:09Z", "previous": "busy"},
                7,
            )
        ),
    ),
    ("I10", changed("memory", {"routing": 2**40})),
    ("I10", changed("settled_s", 61.0)),
    ("I11", acknowledged_and_nowhere),
    ("I11", changed("committed", {("routing", "trunkline.queue", 0): 6})),
    ("I11", changed("untold", {"routing.pools": 1})),
    ("I12", changed("committed", {("routing", "trunkline.queue", 0): 4})),
    ("I12", changed("committed", {("gateway", "trunkline.session", 0): 0})),  # nobody reads it
    ("I12", changed("reached", {("trunkline.queue", 0): 6})),
    ("I12", changed("poison", [Poison(("trunkline.visitor", 0, 5), "bad_data")])),
    ("I12", with_more(DEAD_LETTER)),
    ("I12", with_more(GONE, BY_ID)),
    ("I13", changed("log_lines", [("gateway", "Bearer eyJhbGciOi")])),
    ("I14", with_more(row("session.wrapped_up", 9, CLOSED | {"agent_id": "ana", "wrap_up_ms": -1}, 5))),
    ("S", gap_in_a_stream),
    ("A", answered(503)),
    ("A", answered(504, **{"retry-after": "1"})),  # the service has to say in time that it cannot
    ("A", answered(500)),
]


@pytest.mark.parametrize(("rule", "change"), WRONG)
def test_it_speaks_of_what_is_wrong(rule: str, change: Callable[[Evidence], object], tmp_path: Path) -> None:
    given = evidence(tmp_path)

    change(given)

    assert rule in found(given)


def test_it_lets_a_client_be_put_off_when_he_is_told_for_how_long(tmp_path: Path) -> None:
    given = evidence(tmp_path)

    answered(503, **{"retry-after": "1"})(given)

    assert found(given) == {}


def test_it_does_not_mind_what_has_only_just_come(tmp_path: Path) -> None:
    given = evidence(tmp_path)
    given.committed = {("routing", "trunkline.queue", 0): 4}
    given.reached = {("trunkline.queue", 0): 4}

    assert found(given) == {}


def test_it_knows_the_record_of_a_dead_letter_by_its_event_where_no_place_is_named(tmp_path: Path) -> None:
    given = evidence(tmp_path)
    given.rows = [*given.rows, GONE, BY_ID]
    given.poison = [Poison(GONE.place, "unknown_interaction")]

    assert found(given) == {}


def test_it_has_a_case_for_every_rule() -> None:
    assert {rule for rule, _ in WRONG} == set(RULES)
