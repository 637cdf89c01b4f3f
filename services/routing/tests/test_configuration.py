"""A configuration as a state: how it changes, what is refused, and what its pools are told."""

from typing import Any

import pytest

from libs.errors import Conflict, Invalid, NotFound, Refused
from libs.events import queue
from libs.events.base import Event, Fact
from services.routing.domain.configuration import document, items
from services.routing.domain.configuration.changing import Adopt, Change, Configuration, decide
from services.routing.domain.configuration.differing import changes
from services.routing.tests.cases import at
from services.routing.tests.test_configuration_file import EXAMPLE, file_of

OFFICE = {"time_zone": "Asia/Shanghai", "weekly": {"0": [{"start": "09:00", "end": "18:00"}]}}


class Office:
    """A configuration under test."""

    def __init__(self) -> None:
        self.now = Configuration()
        self.number = 0

    def tell(self, command: Fact) -> list[Fact]:
        self.number += 1
        event = Event(f"e-{self.number}", "acme", at(self.number), command, "j-1")
        self.now, facts = decide(self.now, event, at(self.number))
        assert len({each.id for each in facts}) == len(facts)
        return [each.data for each in facts]

    def put(self, **more: Any) -> list[Fact]:
        """Put items: `office.put(skills={"zh": {}}, agents={"main/ana": {...}})`."""
        puts: dict[str, str] = {}
        for section, group in more.items():
            for name, plain in group.items():
                place = items.place_of(f"{section}/{name}")
                puts[place.key] = items.text_of(items.read(place, plain))
        return self.tell(Change(puts=puts, overflows_known=True))

    def take_over(self, text: str, *, prune: bool = False) -> list[Fact]:
        found, _ = changes(self.now.texts, {}, file_of(text), prune=prune)
        own = [each for each in found if each.section != document.STRATEGIES]
        return self.tell(
            Change(
                puts={each.key: each.after for each in own if each.after is not None},
                removes=tuple(each.key for each in own if each.after is None),
                overflows_known=True,
            )
        )


def test_pools_are_told_what_concerns_them() -> None:
    office = Office()

    told = office.take_over(EXAMPLE)

    assert [(each.type.split(".")[2], each.key) for each in told] == [
        ("reasons_configured", "berlin"),
        ("reasons_configured", "main"),
        ("queue_configured", "berlin"),
        ("queue_configured", "main"),
        ("queue_configured", "main"),
        ("agent_configured", "main"),
        ("agent_configured", "main"),
    ]
    ana = told[-2]
    assert isinstance(ana, queue.AgentConfigured)
    assert ana.calendar == "office"
    assert [(each.weekday, each.start, each.end) for each in ana.schedule.shifts] == [
        (0, "09:00", "12:00"),
        (0, "13:00", "18:00"),
        (5, "10:00", "00:00"),
    ]
    assert [str(each) for each in ana.schedule.days_off] == ["2026-01-01", "2026-10-01"]
    assert office.now.version == 1
    assert office.take_over(EXAMPLE, prune=True) == []
    assert office.now.version == 1


def test_a_calendar_changes_the_schedules_of_those_who_follow_it() -> None:
    office = Office()
    office.take_over(EXAMPLE)

    told = office.put(calendars={"office": OFFICE})

    assert [each.agent_id for each in told if isinstance(each, queue.AgentConfigured)] == ["ana"]
    assert len(told) == 1 and isinstance(told[0], queue.AgentConfigured)
    assert len(told[0].schedule.shifts) == 1


def test_a_new_pool_hears_of_the_reasons_and_known_ones_do_not_again() -> None:
    office = Office()
    office.take_over(EXAMPLE)

    told = office.put(queues={"main/spare": {}, "paris/service": {}})

    reasons = [each for each in told if isinstance(each, queue.ReasonsConfigured)]
    assert [(each.pool_id, [one.reason_id for one in each.reasons]) for each in reasons] == [
        ("paris", ["break"])
    ]


def test_the_last_reason_gone_pools_hear_of_none() -> None:
    office = Office()
    office.take_over(EXAMPLE)

    told = office.tell(Change(removes=("reasons/break",)))

    assert told == [queue.ReasonsConfigured(pool_id="berlin"), queue.ReasonsConfigured(pool_id="main")]


def test_it_adopts_what_pools_knew_before_once_and_tells_nobody() -> None:
    office = Office()
    told_before = queue.AgentConfigured(
        pool_id="main", agent_id="ana", schedule=queue.Schedule(shifts=(queue.Shift(weekday=1),))
    )
    key, text = items.of_pool(told_before)

    assert office.tell(Adopt(items={key: text})) == []
    assert office.tell(Adopt(items={})) == []
    assert office.now.texts == {"agents/main/ana": text}
    assert items.kept(key, text) == told_before


def test_a_version_that_is_no_more_is_refused() -> None:
    office = Office()
    office.put(skills={"zh": {}})
    office.put(skills={"card": {}})

    with pytest.raises(Conflict):
        office.tell(Change(puts={"skills/fr": "{}"}, expected_version=1))
    with pytest.raises(Conflict):
        office.tell(Change(puts={"skills/zh": '{"name": "x"}'}, versions={"skills/zh": 2}))
    with pytest.raises(Conflict):
        office.tell(Change(puts={"skills/zh": '{"name": "x"}'}, versions={"skills/zh": 0}))
    office.tell(Change(puts={"skills/zh": '{"name": "x"}'}, versions={"skills/zh": 1}, expected_version=2))
    office.tell(Change(puts={"skills/fr": "{}"}, versions={"skills/fr": 0}))
    assert [each.version for each in office.now.items.values()] == [3, 2, 4]


@pytest.mark.parametrize(
    ("removes", "names"),
    [
        (("skills/zh",), "skills/zh"),
        (("calendars/office",), "calendars/office"),
        (("queues/main/vip",), "queues/main/vip"),
        (("skills/zh", "skills/card", "queues/main/service"), ""),
        (("agents/main/ana", "calendars/office"), ""),
    ],
)
def test_what_others_name_stays(removes: tuple[str, ...], names: str) -> None:
    office = Office()
    office.take_over(EXAMPLE)

    if names:
        with pytest.raises(Refused) as raised:
            office.tell(Change(removes=removes))
        assert (raised.value.reason, raised.value.facts["items"]) == ("in_use", names)
        assert office.now.version == 1
    else:  # the last skills may go although agents have them, for then nobody's are checked
        office.tell(Change(removes=removes))
        assert office.now.version == 2


def test_where_contacts_or_agents_are_nothing_is_removed() -> None:
    office = Office()
    office.take_over(EXAMPLE)

    with pytest.raises(Refused, match="agents/main/ana") as raised:
        office.tell(Change(removes=("agents/main/bob", "agents/main/ana"), busy=("agents/main/ana",)))

    assert raised.value.reason == "in_use"
    assert set(office.now.items) == set(file_of(EXAMPLE).items)
    told = office.tell(Change(removes=("agents/main/bob", "queues/main/service")))
    assert told == [
        queue.AgentRemoved(pool_id="main", agent_id="bob"),
        queue.QueueRemoved(pool_id="main", queue_id="service"),
    ]
    with pytest.raises(NotFound):
        office.tell(Change(removes=("agents/main/bob",)))


def test_names_of_nothing_are_refused_with_their_place() -> None:
    office = Office()
    office.put(skills={"zh": {}})

    with pytest.raises(Invalid) as raised:
        office.put(
            queues={"main/s": {"needs": [{"skill": "zj"}], "overflow_queue_id": "nowhere"}},
            agents={"main/a": {"skills": {"zh": 1, "hz": 1}, "schedule": "shop"}},
        )

    assert [(each.field, each.text) for each in raised.value.violations] == [
        ("pools.main.queues.s.needs.0.skill", "there is no skill zj"),
        ("pools.main.queues.s.overflow_queue_id", "there is no queue nowhere"),
        ("pools.main.agents.a.skills.hz", "there is no skill hz"),
        ("pools.main.agents.a.schedule", "there is no calendar shop"),
    ]
    assert office.now.version == 1


def test_skills_are_anybodys_where_none_are_configured() -> None:
    office = Office()

    office.put(agents={"main/a": {"skills": {"hz": 1}}})

    assert office.now.version == 1
