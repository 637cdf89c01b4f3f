"""What is read from the facts about a contact, and what is fitted from that."""

from datetime import timedelta
from math import inf
from random import Random

import pytest

from libs.events import routing
from libs.events.base import AnyEvent, Event, Fact
from services.routing.whatif.fitting import Fitted
from services.routing.whatif.tests.days import NINE
from services.routing.whatif.tracing import NOTHING_KNOWN, SeenAnswer, Span, Trace, traces_of

KIND = ("q", "voice")


def told(kind: type[Fact], second: float, contact_id: str = "c", **data: object) -> AnyEvent:
    about = {
        "session_id": contact_id,
        "contact_id": contact_id,
        "pool_id": "p",
        "queue_id": "q",
        "channel": "voice",
    }
    fact = kind.model_validate({**about, **data})
    return Event(f"{contact_id}-{second}-{kind.__name__}", "t", NINE + timedelta(seconds=second), fact, "j")


def offer(second: float, agent_id: str = "ana") -> AnyEvent:
    return told(
        routing.AgentOffered,
        second,
        offer_id=f"o-{agent_id}",
        agent_id=agent_id,
        waited_ms=0,
        expires_at=NINE,
    )


def trace(*facts: AnyEvent) -> Trace:
    return traces_of(facts)["c"]


CAME = told(routing.ContactEnqueued, 0)
TAKEN = told(routing.ContactAssigned, 12, offer_id="o-ana", agent_id="ana", waited_ms=0)


def test_it_reads_a_contact_that_was_served() -> None:
    seen = trace(
        CAME,
        offer(10),
        TAKEN,
        told(routing.ContactReleased, 72, agent_id="ana", talked_ms=60_000),
        told(routing.ContactWrappedUp, 90, agent_id="ana", wrap_up_ms=18_000, codes=("sold",)),
    )

    (leg,) = seen.legs
    assert leg.patience == Span(12, known=False)
    assert (leg.talk, leg.wrap_up, leg.codes) == (Span(60), Span(18), ("sold",))
    assert seen.answers == {"ana": [SeenAnswer("accepts", Span(2))]}
    assert seen.first_agent_id == "ana"


def test_it_reads_a_contact_that_left_while_it_was_offered() -> None:
    seen = trace(
        CAME,
        offer(10),
        told(routing.OfferWithdrawn, 14, offer_id="o-ana", agent_id="ana"),
        told(routing.ContactAbandoned, 14, waited_ms=14_000),
    )

    assert seen.legs[0].patience == Span(14)
    assert seen.legs[0].talk == NOTHING_KNOWN
    assert seen.answers == {"ana": [SeenAnswer(None, Span(4, known=False))]}


def test_it_reads_who_declined_and_who_did_not_answer() -> None:
    seen = trace(
        CAME,
        offer(0),
        told(routing.OfferDeclined, 3, offer_id="o-ana", agent_id="ana"),
        offer(3, "bob"),
        told(routing.OfferExpired, 18, offer_id="o-bob", agent_id="bob"),
    )

    assert seen.answers == {
        "ana": [SeenAnswer("declines", Span(3))],
        "bob": [SeenAnswer("ignores", Span(15))],
    }


def test_it_reads_a_transfer_as_two_legs_and_a_wrap_up_that_ran_out() -> None:
    seen = trace(
        CAME,
        offer(10),
        TAKEN,
        told(routing.ContactTransferred, 42, agent_id="ana", to_queue_id="other", talked_ms=30_000),
        told(routing.ContactEnqueued, 42, cause="transferred"),
        told(routing.ContactWrappedUp, 72, agent_id="ana", wrap_up_ms=30_000, timed_out=True),
    )

    first, second = seen.legs
    assert (first.talk, first.to_queue_id, first.wrap_up) == (Span(30), "other", None)
    assert second.patience == NOTHING_KNOWN


def test_a_talk_that_was_cut_short_is_known_in_part() -> None:
    seen = trace(
        CAME, offer(10), TAKEN, told(routing.ContactRequeued, 20, cause="agent_lost", talked_ms=8_000)
    )

    assert seen.legs[0].talk == Span(8, known=False)
    assert len(seen.legs) == 2


def waited(contact_id: str, seconds: float, *, left: bool) -> list[AnyEvent]:
    came = told(routing.ContactEnqueued, 0, contact_id)
    if left:
        return [came, told(routing.ContactAbandoned, seconds, contact_id, waited_ms=0)]
    taken = told(routing.ContactAssigned, seconds, contact_id, offer_id="o", agent_id="a", waited_ms=0)
    talked = told(routing.ContactReleased, seconds + 50, contact_id, agent_id="a", talked_ms=0)
    return [came, taken, talked]


def fitted(*facts: list[AnyEvent]) -> Fitted:
    return Fitted(traces_of([each for some in facts for each in some]).values())


def test_mean_patience_is_all_waiting_by_those_who_left() -> None:
    found = fitted(waited("a", 10, left=False), waited("b", 30, left=True), waited("c", 40, left=False))
    dice = Random(1)

    drawn = [found.patience_s(KIND, Span(25, known=False), dice) for _ in range(20_000)]

    assert min(drawn) > 25  # it is known to have waited so long
    assert sum(drawn) / len(drawn) == pytest.approx(25 + (10 + 30 + 40) / 1, rel=0.03)
    assert found.patience_s(KIND, Span(25), dice) == 25


def test_where_nobody_left_nobody_will() -> None:
    assert fitted(waited("a", 10, left=False)).patience_s(KIND, NOTHING_KNOWN, Random(1)) == inf


def test_talks_are_drawn_from_those_that_were_longer_than_was_seen() -> None:
    found = fitted(waited("a", 10, left=False))

    assert found.talk_s(KIND, Span(20, known=False), Random(1)) == 50
    assert found.talk_s(KIND, Span(60, known=False), Random(1)) == 60 + 50
    assert found.talk_s(("unknown", "chat"), NOTHING_KNOWN, Random(1)) == 50  # of all kinds together


def test_where_nothing_was_seen_a_talk_takes_what_routing_takes_it_for() -> None:
    assert fitted().talk_s(KIND, NOTHING_KNOWN, Random(1)) == 180
    assert fitted().wrap_up_s(KIND, NOTHING_KNOWN, Random(1)) is None
    assert fitted().ring_s(KIND, NOTHING_KNOWN, Random(1)) == 0
