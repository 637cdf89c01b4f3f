"""What each fact adds to the figures."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from libs.events import agent, interaction, routing, session
from libs.events.base import AnyEvent, Event, Fact, Tick
from services.analytics.domain import agent_time, contact, interval
from services.analytics.domain.agent_time import AgentTime
from services.analytics.domain.contact import Contact
from services.analytics.domain.counts import Counted, bound_ms, grain_of, spread
from services.analytics.domain.interval import Interval
from services.analytics.domain.kpis import figures, quantile

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROUTED = {"session_id": "s", "contact_id": "c", "pool_id": "main", "queue_id": "service", "channel": "chat"}


def at(seconds: float, data: Fact) -> AnyEvent:
    return Event(f"{data.type}-{seconds}", "acme", NOON + timedelta(seconds=seconds), data, "j")


def fold(*events: AnyEvent) -> tuple[Contact, dict[tuple[str, str], dict[str, int]]]:
    """Return the contact after events, and all that was counted by (dimension, id)."""
    known = Contact("c")
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for event in events:
        known, facts = contact.decide(known, event, event.time)
        for fact in facts:
            assert isinstance(fact.data, Counted)
            counts = sums.setdefault((fact.data.dimension, fact.data.id), {})
            for name, n in fact.data.counts.items():
                counts[name] = counts.get(name, 0) + n
    return known, sums


def routed(kind: type[Fact], **more: object) -> Fact:
    return kind.model_validate({**ROUTED, **more})


ANSWERED = (
    at(0, routed(routing.ContactEnqueued)),
    at(12, routed(routing.ContactAssigned, offer_id="o", agent_id="ana", waited_ms=12_000)),
    at(72, routed(routing.ContactReleased, agent_id="ana", talked_ms=60_000)),
    at(90, routed(routing.ContactWrappedUp, agent_id="ana", wrap_up_ms=18_000)),
)


def test_it_counts_an_answered_contact() -> None:
    known, sums = fold(*ANSWERED)

    made = figures(sums["queue", "service"])
    assert (made["offered"], made["answered"], made["waiting"]) == (1, 1, 0)
    assert (made["asa_ms"], made["aht_ms"], made["service_level_20000ms"]) == (12_000, 78_000, 1)
    assert (known.agent_id, known.waited_ms, known.talked_ms) == ("ana", 12_000, 60_000)
    assert sums["queue", "service"] == sums["tenant", "acme"] == sums["channel", "chat"]


def test_it_compares_the_waits_told_with_the_wait_that_came() -> None:
    def taken(contact_id: str, seconds: float, *errors_ms: int) -> AnyEvent:
        data = routed(
            routing.ContactAssigned,
            offer_id="o",
            agent_id="ana",
            waited_ms=12_000,
            estimate_errors_ms=errors_ms,
        )
        return at(seconds, data.model_copy(update={"contact_id": contact_id}))

    _, sums = fold(taken("c", 12, 5_000, -3_000), taken("d", 13, 1_000), taken("e", 14))

    made = figures(sums["queue", "service"])
    assert (made["estimates"], made["answered"]) == (3, 3)
    assert (made["estimate_bias_ms"], made["estimate_error_ms"]) == (1_000, 3_000)
    assert made["estimate_error_p90_ms"] == 5_000
    assert sums["queue", "service"] == sums["channel", "chat"]
    assert "estimate_bias_ms" not in figures(fold(*ANSWERED)[1]["queue", "service"])
    assert not any(name.startswith("estimate") for name in sums["agent", "ana"])


def test_it_counts_who_went_past_agents_as_overflowed() -> None:
    gone = routed(routing.ContactDiverted, to="callback", waited_ms=40_000, callback_id="cb")

    known, sums = fold(at(0, routed(routing.ContactEnqueued)), at(40, gone))

    made = figures(sums["queue", "service"])
    assert (made["offered"], made["overflowed"], made["waiting"], made["to_callback"]) == (1, 1, 0, 1)
    assert (made["to_voicemail"], made["wait_ms"], known.waiting) == (0, 40_000, False)


def test_it_knows_the_same_of_a_contact_in_whichever_order_topics_are_read() -> None:
    of = {"session_id": "s", "interaction_id": "c", "channel": "chat"}
    came = interaction.Started.model_validate({**of, "visitor_id": "v", "entry_point": "web"})
    gone = interaction.Ended(interaction_id="c", by="agent")
    began = session.Started.model_validate({**of, "entry_point": "web"})
    closed = session.ContactClosed.model_validate(
        {**of, "outcome": "handled", "reason": "x", "queue_id": "service", "agent_id": "ana"}
    )
    adapter = [at(0, came)._replace(journey_id="its-own"), at(80, gone)._replace(journey_id="its-own")]
    topics = (adapter, [at(0.5, began), at(92, closed)], list(ANSWERED))
    turns = [number for number, topic in enumerate(topics) for _ in topic]

    ends = set()
    for order in set(itertools.permutations(turns)):
        read = [iter(topic) for topic in topics]
        ends.add(fold(*(next(read[number]) for number in order))[0])

    (only,) = ends
    assert (only.journey_id, only.ended_at) == ("j", NOON + timedelta(seconds=72))


def test_it_counts_the_same_in_any_order() -> None:
    assert fold(*reversed(ANSWERED))[1] == fold(*ANSWERED)[1]


def test_it_offers_a_contact_anew_whose_agent_was_lost() -> None:
    lost = routed(routing.ContactRequeued, cause="agent_lost", agent_id="ana", talked_ms=5_000)
    in_vain = routed(routing.ContactRequeued, cause="agent_lost", agent_id="ben")

    known, sums = fold(*ANSWERED[:2], at(17, lost), at(20, in_vain))

    made = figures(sums["queue", "service"])
    assert (made["offered"], made["answered"], made["waiting"], known.status) == (2, 1, 1, "waiting")


def test_it_counts_an_abandoned_contact() -> None:
    _, sums = fold(
        at(0, routed(routing.ContactEnqueued)), at(4, routed(routing.ContactAbandoned, waited_ms=4_000))
    )

    made = figures(sums["queue", "service"])
    assert (made["abandoned"], made["short_abandoned"], made["abandon_wait_ms"]) == (1, 1, 4_000)
    assert made["service_level_20000ms"] == 0
    assert "service_level_long_20000ms" not in made  # nothing to divide by


@pytest.mark.parametrize(
    ("queue_at", "answered_at", "ended_at", "expected"),
    [
        (10, 25, 100, {"offered": 1, "answered": 1, "abandoned": 0, "asa_ms": 15_000, "att_ms": 75_000}),
        (None, 25, 100, {"offered": 1, "answered": 1, "abandoned": 0, "asa_ms": 0, "att_ms": 75_000}),
        (10, None, 40, {"offered": 1, "answered": 0, "abandoned": 1, "abandon_wait_ms": 30_000}),
    ],
)
def test_it_counts_what_an_outside_acd_did(
    queue_at: int | None, answered_at: int | None, ended_at: int, expected: dict[str, float]
) -> None:
    start = interaction.Started(
        interaction_id="c", channel="voice", entry_point="line", distribution="external"
    )
    events = [at(0, start)]
    if queue_at is not None:
        events.append(at(queue_at, interaction.QueueEntered(interaction_id="c", queue_id="PS")))
    if answered_at is not None:
        answered = interaction.MediaChanged(
            interaction_id="c", change="answered", agent_id="tova", queue_id="PS"
        )
        events.append(at(answered_at, answered))
    events.append(at(ended_at, interaction.Ended(interaction_id="c", by="customer")))

    _, sums = fold(*events)

    made = figures(sums["queue", "PS"])
    assert {name: made[name] for name in expected} == expected


OUTSIDE = (
    interaction.Started(interaction_id="c", channel="voice", entry_point="line", distribution="external"),
    interaction.QueueEntered(interaction_id="c", queue_id="PS"),
    interaction.MediaChanged(interaction_id="c", change="answered", agent_id="tova", queue_id="PS"),
    interaction.Ended(interaction_id="c", by="customer"),
)
CLOSED = session.ContactClosed(
    session_id="s", interaction_id="c", channel="voice", outcome="handled", agent_id="tova", queue_id="PS"
)
BEGAN = session.Started(
    session_id="s", interaction_id="c", channel="voice", entry_point="line", distribution="external"
)


@pytest.mark.parametrize("calls", [OUTSIDE, (*OUTSIDE[:2], OUTSIDE[3]), (OUTSIDE[0], *OUTSIDE[2:])])
def test_it_counts_what_an_outside_acd_did_whichever_topic_is_read_first(calls: tuple[Fact, ...]) -> None:
    told = [at(10 * number, each) for number, each in enumerate(calls)]
    ours = [at(1, BEGAN), at(90, CLOSED)]

    for place in range(len(told)):
        assert fold(*told[:place], *ours, *told[place:])[1] == fold(*told, *ours)[1]


def test_it_lets_no_contact_wait_for_ever_whose_adapter_fell_silent() -> None:
    lost = CLOSED.model_copy(update={"outcome": "failed", "reason": "stale"})
    _, sums = fold(at(0, BEGAN), at(0, OUTSIDE[0]), at(10, OUTSIDE[1]), at(70, lost), at(80, OUTSIDE[3]))

    made = figures(sums["queue", "PS"])
    assert (made["offered"], made["abandoned"], made["waiting"]) == (1, 1, 0)
    assert made["abandon_wait_ms"] == 60_000


def test_it_counts_no_negative_time_where_an_adapters_clock_was_put_back() -> None:
    started, queued, answered, ended = OUTSIDE
    known, sums = fold(at(60, started), at(50, queued), at(40, answered), at(30, ended), at(20, ended))

    counts = sums["queue", "PS"]
    assert (known.waited_ms, known.talked_ms) == (0, 0)
    assert (counts["answer_wait_ms"], counts["talk_ms"], counts["handled"]) == (0, 0, 1)


def test_it_counts_a_survey_for_its_queue_and_agent() -> None:
    answer = session.SurveyAnswered(
        session_id="s", interaction_id="c", channel="chat", agent_id="ana", queue_id="service", csat=4
    )

    _, sums = fold(at(0, answer))

    assert figures(sums["agent", "ana"])["csat"] == figures(sums["queue", "service"])["csat"] == 1


def test_it_spreads_a_state_over_the_intervals_it_covered() -> None:
    entered = agent.StateEntered(
        agent_id="ana",
        pool_id="main",
        state="not_ready",
        since=NOON + timedelta(minutes=20),
        previous="ready",
        previous_ms=20 * 60_000,
    )

    known, facts = agent_time.decide(AgentTime(), at(1200, entered), NOON)

    assert known.state == "not_ready"
    mine = [fact.data for fact in facts if isinstance(fact.data, Counted) and fact.data.dimension == "agent"]
    assert [(each.start, each.counts["ready_ms"]) for each in mine] == [
        (NOON, 15 * 60_000),
        (NOON + timedelta(minutes=15), 5 * 60_000),
    ]


def test_it_tells_an_interval_when_it_is_over_and_again_when_late_facts_came() -> None:
    counted = Counted(dimension="queue", id="service", start=NOON, counts={"offered": 1})
    tick = at(0, Tick(of="x"))
    later = NOON + timedelta(hours=1)

    first, _ = interval.decide(Interval(), at(1, counted), NOON)
    early, nothing = interval.decide(first, tick, NOON + timedelta(minutes=5))
    told, (fact,) = interval.decide(early, tick, later)
    late, _ = interval.decide(told, at(2, counted), later)
    _, (again,) = interval.decide(late, tick, later + timedelta(minutes=5))

    assert nothing == []
    assert (fact.data.revision, again.data.revision) == (1, 2)  # type: ignore[attr-defined]
    assert again.data.figures["offered"] == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("waited_ms", "bound"),
    [(0, 0), (1, 10), (1000, 1000), (1001, 1100), (60_001, 61_000), (600_001, 610_000)],
)
def test_it_keeps_whole_seconds_exact(waited_ms: int, bound: int) -> None:
    assert bound_ms(waited_ms) == bound


def test_it_finds_quantiles_by_nearest_rank() -> None:
    histogram = [(100, 5), (200, 4), (900, 1)]

    assert [quantile(histogram, q) for q in (0.5, 0.9, 0.95)] == [100, 200, 900]
    assert quantile([], 0.5) is None


def test_it_cuts_time_at_the_borders() -> None:
    start = NOON + timedelta(minutes=14, seconds=59)

    parts = list(spread(start, start + timedelta(seconds=2)))

    assert [ms for _, ms in parts] == [1000, 1000]
    assert grain_of(start) == NOON
