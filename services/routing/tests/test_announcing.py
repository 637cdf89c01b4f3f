"""What is said to those who wait: tables of moments, and whatever happens in whatever order."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.documents import has_errors
from libs.events import routing
from libs.events.base import Fact, Tick
from services.routing.domain.announcing import filled_in, text_for
from services.routing.domain.strategy import checking
from services.routing.tests import cases
from services.routing.tests.cases import NINE, POOL, Floor, at, event, floor

PLACE = {"en": "You are number {{ position }}.", "zh-CN": "您排在第 {{position}} 位。"}
WAIT = {"en": "It takes about {{ minutes }} min."}


def saying(*announcements: dict[str, Any], **more: Any) -> Floor:
    """Return a pool with one queue whose strategy has these announcements."""
    pool = floor(cases.service(wrap_up_s=0, **more))
    pool.tell(cases.strategy(announcements=list(announcements)))
    return pool


def said(pool: Floor) -> list[tuple[str, float]]:
    """Return what was said and at which second, in the order in which it was told."""
    return [(each.announcement_id, (at_ - NINE).total_seconds()) for each, at_ in announced(pool)]


def announced(pool: Floor) -> list[tuple[routing.AnnouncementDue, datetime]]:
    return [(each.data, each.time) for each in pool.told if isinstance(each.data, routing.AnnouncementDue)]


def comfort(name: str = "thanks", **more: Any) -> dict[str, Any]:
    return {"id": name, "say": {"en": "Thank you for waiting."}, **more}


def place(name: str = "place", **more: Any) -> dict[str, Any]:
    return {"id": name, "kind": "position", "say": PLACE, **more}


@pytest.mark.parametrize(
    ("announcements", "expected"),
    [
        ([comfort()], [("thanks", 0)]),
        ([comfort(after_s=7.5)], [("thanks", 7.5)]),
        ([comfort(after_s=5, every_s=20)], [("thanks", 5), ("thanks", 25), ("thanks", 45)]),
        ([comfort(after_s=5, every_s=20, at_most=2)], [("thanks", 5), ("thanks", 25)]),
        ([comfort(after_s=5, when="contact.vip_level > 0")], []),
        ([comfort(after_s=5, when='contact.channel == "voice"')], [("thanks", 5)]),
        # Of one kind at one moment the first of the document; another kind beside it.
        ([comfort("b", after_s=5), comfort("a", after_s=5), place(after_s=5)], [("b", 5), ("place", 5)]),
        ([comfort("b", after_s=5, when="False"), comfort("a", after_s=5)], [("a", 5)]),
        ([comfort("b", every_s=20, at_most=2), comfort("a", after_s=20)], [("b", 0), ("b", 20)]),
        ([], []),
    ],
)
def test_it_says_each_thing_at_its_moments(
    announcements: list[dict[str, Any]], expected: list[tuple[str, float]]
) -> None:
    pool = saying(*announcements)
    pool.tell(cases.queued("c"), 0)

    pool.wait_until(60)

    assert said(pool) == expected


def test_it_says_place_and_wait_as_they_are_in_the_language_of_the_customer() -> None:
    wait = {"id": "wait", "kind": "estimated_wait", "after_s": 15, "say": WAIT, "media_url": "wait.wav"}
    pool = saying(place(after_s=15), wait)
    pool.tell(cases.queued("first"), 0)
    pool.tell(cases.queued("c", language="zh-TW"), 1)

    pool.wait_until(16)

    (_, _, (of_place, _), (of_wait, _)) = announced(pool)
    assert (of_place.contact_id, of_place.language, of_place.text) == ("c", "zh-CN", "您排在第 2 位。")
    assert (of_place.position, of_place.number, of_place.due_at) == (2, 1, at(16))
    # Six minutes were told when it came; fifteen seconds of them are over.
    assert (of_wait.estimated_wait_ms, of_wait.text) == (345_000, "It takes about 6 min.")
    assert (of_wait.language, of_wait.media_url) == ("en", "wait.wav")


def test_it_estimates_anew_when_the_wait_that_was_told_is_over() -> None:
    pool = saying({"id": "wait", "kind": "estimated_wait", "after_s": 200, "say": WAIT})
    pool.tell(cases.queued("c"), 0)

    pool.wait_until(200)

    ((of_wait, _),) = announced(pool)
    assert of_wait.estimated_wait_ms == 180_000
    waits = [each.data for each in pool.told if isinstance(each.data, routing.WaitEstimated)]
    assert len(waits) == 2  # what is said is measured as well
    assert pool.contact("c").expected_at == (at(180), at(380))


def test_it_goes_on_while_the_contact_rings_but_for_its_place() -> None:
    pool = saying(comfort(after_s=5, every_s=10), place(every_s=5)).staff("ana")
    pool.tell(cases.queued("c"), 1)
    assert pool.contact("c").state == "offered"

    pool.wait_until(12)
    pool.accept("c", 13)
    pool.wait_until(60)

    assert said(pool) == [("thanks", 6)]


def test_it_says_its_place_again_after_an_offer_in_vain() -> None:
    pool = saying(place(every_s=30)).staff("ana")
    pool.tell(cases.queued("c"), 1)
    pool.decline("c", 10)

    pool.wait_until(35)

    assert said(pool) == [("place", 31)]
    assert announced(pool)[0][0].position == 1


def test_it_begins_anew_in_another_queue() -> None:
    pool = saying(comfort(every_s=20, at_most=2))
    pool.tell(cases.service("vip"), 0)
    pool.tell(cases.queued("c"), 0)
    pool.wait_until(50)
    pool.tell(cases.moved("c", "vip"), 50)

    pool.wait_until(100)

    assert said(pool) == [("thanks", 0), ("thanks", 20), ("thanks", 50), ("thanks", 70)]
    assert [each.queue_id for each, _ in announced(pool)] == ["service", "service", "vip", "vip"]


def test_a_new_strategy_says_nothing_of_what_is_past_and_the_old_one_what_is_due() -> None:
    pool = saying(comfort("old", after_s=30))
    pool.tell(cases.queued("c"), 0)

    new = [comfort("welcome"), comfort("new", after_s=10, every_s=25)]
    pool.tell(cases.strategy(2, announcements=new), 30)
    pool.wait_until(70)

    assert said(pool) == [("old", 30), ("new", 35), ("new", 60)]


def test_it_says_only_the_last_of_what_a_late_look_has_missed() -> None:
    pool = saying(comfort(every_s=10), place(after_s=15))
    pool.tell(cases.queued("c"), 0)

    pool.apply(event(Tick(of=POOL), 47), 47)
    pool.wait_until(50)

    assert said(pool) == [("thanks", 0), ("thanks", 47), ("place", 47), ("thanks", 50)]
    assert [each.number for each, _ in announced(pool)] == [1, 5, 1, 6]
    assert announced(pool)[1][0].due_at == at(40)


@pytest.mark.parametrize(
    ("say", "wanted", "found"),
    [
        (PLACE, "zh-cn", "zh-CN"),
        (PLACE, "zh", "zh-CN"),
        (PLACE, "en-GB", "en"),
        (PLACE, "de", "en"),
        (PLACE, "", "en"),
        ({}, "en", ""),
    ],
)
def test_it_finds_the_nearest_language(say: dict[str, str], wanted: str, found: str) -> None:
    assert text_for(say, wanted) == (found, say.get(found, ""))


@pytest.mark.parametrize(
    ("wait_ms", "minutes"), [(0, "1"), (60_000, "1"), (60_001, "2"), (3_600_000, "60"), (None, "")]
)
def test_it_says_whole_minutes(wait_ms: int | None, minutes: str) -> None:
    assert filled_in("{{ minutes }}", 1, wait_ms) == minutes


@pytest.mark.parametrize(
    ("announcement", "path"),
    [
        ({"id": "a"}, "announcements.0"),
        (comfort(at_most=3), "announcements.0.at_most"),
        ({**comfort(), "say": {"en": "You are {{ position }}"}}, "announcements.0.say.en"),
        ({**place(), "say": {"en": "{{ customer.name }}"}}, "announcements.0.say.en"),
        (comfort(when="contact.typo > 1"), "announcements.0.when"),
        (comfort(when="agent.load > 1"), "announcements.0.when"),
        (comfort(every_s=1), "announcements.0.every_s"),
        (comfort(every=60), "announcements.0.every"),
    ],
)
def test_it_finds_what_is_wrong_with_an_announcement(announcement: dict[str, Any], path: str) -> None:
    _, problems = checking.examine({"strategy_id": "s", "queues": ["*"], "announcements": [announcement]})

    assert [each.path for each in problems if each.severity == "error"] == [path]


def test_two_announcements_cannot_have_one_name() -> None:
    twice = {"strategy_id": "s", "queues": ["*"], "announcements": [comfort(), comfort(after_s=9)]}

    assert has_errors(checking.examine(twice)[1])


# --- whatever happens in whatever order

things = st.builds(
    lambda name, kind, after_s, every_s, at_most: {
        "id": f"{kind}-{name}",
        "kind": kind,
        "after_s": after_s,
        "every_s": every_s,
        "at_most": at_most if every_s else 0,
        "say": {"en": "Hello"},
    },
    st.integers(0, 9),
    st.sampled_from(("comfort", "position", "estimated_wait")),
    st.sampled_from((0, 5, 7.25, 20, 40)),
    st.sampled_from((None, 5, 12.5, 20)),
    st.integers(0, 3),
)
documents = st.lists(things, max_size=6, unique_by=lambda each: each["id"])
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ("join", "join", "sign_in", "sign_out", "accept", "decline", "leave", "move", "publish", "late")
        ),
        st.sampled_from(("c1", "c2", "c3")),
        st.sampled_from((0.0, 2.5, 5.0, 13.0)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(documents, documents, steps)
def test_nothing_is_said_twice_or_out_of_turn_or_to_who_has_an_agent(
    first: list[dict[str, Any]], second: list[dict[str, Any]], doings: list[tuple[str, str, float]]
) -> None:
    pool = saying(*first)
    pool.tell(cases.service("vip"))
    pool.tell(cases.configured("ana"))
    second = [{**each, "id": f"other-{each['id']}"} for each in second]
    version, seconds = 1, 0.0
    for what, who, gap in doings:
        seconds += gap
        if what != "late":
            pool.wait_until(seconds)
        contact = pool.pool.contacts.get(who)
        fact: Fact | None = None
        match what:
            case "join":
                fact = cases.queued(who)
            case "sign_in" | "sign_out":
                fact = cases.signed_in("ana") if what == "sign_in" else cases.signed_out("ana")
            case "leave":
                fact = cases.withdrawn(who)
            case "move":
                fact = cases.moved(who, "vip")
            case "publish":
                version += 1
                fact = cases.strategy(version, announcements=second if version % 2 == 0 else first)
            case "late":
                pool.apply(event(Tick(of=POOL), seconds), seconds)
            case "accept" if contact and contact.state == "offered":
                pool.accept(who, seconds)
            case "decline" if contact and contact.state == "offered":
                pool.decline(who, seconds)
        if fact is not None:
            pool.tell(fact, seconds)
        if what == "sign_in":
            pool.tell(cases.ready("ana"), seconds)

    check(pool)


def check(pool: Floor) -> None:
    """Follow what was told of each contact, in its order."""
    since: dict[str, datetime] = {}
    last: dict[str, datetime] = {}
    told: defaultdict[str, Counter[object]] = defaultdict(Counter)
    for each in pool.told:
        data = each.data
        match data:
            case routing.ContactEnqueued() if data.since is not None:
                since[data.contact_id], last[data.contact_id] = data.since, data.since
                told[data.contact_id].clear()
            case routing.ContactRequeued() if data.talked_ms is not None:
                since[data.contact_id], last[data.contact_id] = each.time, each.time
                told[data.contact_id].clear()
            case routing.ContactAssigned() | routing.ContactAbandoned():
                del since[data.contact_id]
            case routing.AnnouncementDue():
                assert data.contact_id in since, "said to who does not wait"
                before = last[data.contact_id]
                assert since[data.contact_id] <= data.due_at <= each.time
                assert data.due_at > before or before in (each.time, since[data.contact_id])
                told[data.contact_id][data.announcement_id, data.number] += 1
                told[data.contact_id][data.kind, each.time] += 1
                assert before <= each.time
                last[data.contact_id] = each.time
                assert (data.position is None) == (data.kind == "comfort")
    for counts in told.values():
        assert max(counts.values(), default=1) == 1


@settings(max_examples=100, deadline=None)
@given(documents, st.sampled_from((0.0, 30.0, 61.5)))
def test_all_is_said_to_the_moment_while_ticks_come_in_time(
    document: list[dict[str, Any]], until: float
) -> None:
    pool = saying(*document)
    pool.tell(cases.queued("c"), 0)

    pool.wait_until(until)

    expected: list[tuple[str, float]] = []
    taken: set[tuple[str, float]] = set()
    for each in document:
        number = 0
        moment = each["after_s"]
        while moment <= until:
            if (each["kind"], moment) not in taken:
                taken.add((each["kind"], moment))
                expected.append((each["id"], moment))
            number += 1
            if not each["every_s"] or number == each["at_most"]:
                break
            moment += each["every_s"]
    assert sorted(said(pool)) == sorted(expected)
    assert [second for _, second in said(pool)] == sorted(second for _, second in said(pool))
    assert all(told_at == each.due_at for each, told_at in announced(pool))
    assert timedelta() <= pool.pool.at - NINE
