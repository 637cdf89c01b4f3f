"""Lives in the order of time, through the doors, and what is said of them afterwards."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import pairwise

import httpx
import pytest

from libs import wire
from libs.errors import Unavailable
from libs.events import interaction
from libs.events.base import AnyEvent
from services.channels.call_log.domain import Call
from services.channels.call_log.figures import by_day, differences, is_counted, span_of, table
from services.channels.call_log.gateway_door import GatewayDoor, Login, Refused
from services.channels.call_log.life import in_time_order
from services.channels.call_log.log_file import parse
from services.channels.call_log.replay import replay, windows
from services.channels.call_log.tests.rows import AT_ONCE, GONE, LEFT_MENU, MAPPING, SERVED, as_lines

LATER = {"came": "10:00:01", "menu_left": "10:00:09"}


def calls(*rows: dict[str, str]) -> list[Call]:
    numbered = [row | {"no": str(number)} for number, row in enumerate(rows)]
    log = parse(as_lines(*numbered), MAPPING)
    assert not log.rejects
    return log.calls


def told(*rows: dict[str, str]) -> list[AnyEvent]:
    return list(in_time_order(calls(*rows), MAPPING))


class Bus:
    """A door that is shut at first, for a number of tries."""

    def __init__(self, shut_for: int = 0) -> None:
        self.events: list[AnyEvent] = []
        self._shut_for = shut_for

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        if self._shut_for:
            self._shut_for -= 1
            raise Unavailable("bus_unreachable", "not now", retry_after_s=0.001)
        self.events.extend(events)


def test_it_tells_the_life_of_a_call() -> None:
    started, queued, answered, ended = told(SERVED)

    assert isinstance(started.data, interaction.Started)
    assert (started.data.distribution, started.data.entry_point) == ("external", "hotline")
    assert started.data.pii.identities[0].value == "4711"
    assert isinstance(queued.data, interaction.QueueEntered)
    assert (queued.data.queue_id, queued.data.priority) == ("sales", 2)
    assert isinstance(answered.data, interaction.MediaChanged)
    assert (answered.data.agent_id, answered.time - queued.time) == (
        "ana",
        calls(SERVED)[0].left_at - queued.time,
    )
    assert isinstance(ended.data, interaction.Ended)
    assert (ended.data.by, (ended.time - answered.time).total_seconds()) == ("adapter", 120)
    assert {each.tenant for each in (started, queued, answered, ended)} == {"acme"}


@pytest.mark.parametrize(
    ("row", "types"),
    [
        (AT_ONCE, ["started", "media_changed", "ended"]),
        (GONE, ["started", "queue_entered", "ended"]),
        (LEFT_MENU, ["started", "ended"]),
    ],
)
def test_it_tells_only_what_happened(row: dict[str, str], types: list[str]) -> None:
    assert [event.type.split(".")[2] for event in told(row)] == types


def test_it_orders_all_events_by_time_and_those_of_a_call_by_its_life() -> None:
    at_once = {"menu_left": "10:00:00", "menu_s": "0"}
    events = told(SERVED, LEFT_MENU | LATER, LEFT_MENU | at_once)

    assert all(one.time <= two.time for one, two in pairwise(events))
    assert [event.type.split(".")[2] for event in events if event.key.startswith("shop-2")] == [
        "started",
        "ended",
    ]


def test_it_tells_the_same_events_in_every_replay() -> None:
    assert told(SERVED, GONE) == told(SERVED, GONE)
    assert len({event.id for event in told(SERVED, GONE, LEFT_MENU)}) == 9


def test_it_keeps_personal_data_out_of_everything_but_pii() -> None:
    document = wire.to_structured(told(SERVED)[0])
    assert document["data"].pop("pii") == {"identities": [{"kind": "card", "value": "4711"}]}

    assert "4711" not in json.dumps(document)


async def test_it_tries_again_where_the_door_is_shut_for_a_while() -> None:
    bus = Bus(shut_for=3)
    counted: list[int] = []
    said: list[str] = []

    await replay(told(SERVED, GONE), bus, counted.append, waiting=said.append)

    assert bus.events == told(SERVED, GONE)
    assert sum(counted) == 7
    assert said == ["not now"] * 3


async def test_it_gives_up_on_a_door_that_stays_shut() -> None:
    with pytest.raises(Unavailable):
        await replay(told(SERVED), Bus(shut_for=1000), lambda number: None)


async def test_it_keeps_the_pace_it_was_given() -> None:
    bus = Bus()

    await replay(told(LEFT_MENU), bus, lambda number: None, speed=100)  # 8 s of the log in 80 ms

    assert len(bus.events) == 2
    assert [len(window) for window in windows(told(SERVED), 10)] == [1, 1, 1, 1]


def test_it_reports_each_figure_of_a_day() -> None:
    days = by_day(
        calls(SERVED, AT_ONCE, GONE, GONE | {"queue_left": "10:00:18", "wait_s": "10"}, LEFT_MENU),
        MAPPING.zone,
    )

    (day,) = days.values()
    assert day.left_in_self_service == 1
    assert day.figures() == {
        "offered": 4, "answered": 2, "abandoned": 2, "handled": 2, "abandonment_rate": 0.5,
        "service_level_20000ms": 0.25, "service_level_30000ms": 0.5, "service_level_60000ms": 0.5,
        "asa_ms": 15_000, "abandon_wait_ms": 20_000, "att_ms": 120_000,
    }  # fmt: skip


def test_it_says_which_figures_differ() -> None:
    days = by_day(calls(SERVED), MAPPING.zone)
    counted = {date(2026, 5, 4): days[date(2026, 5, 4)].figures()}
    wrong = {date(2026, 5, 4): counted[date(2026, 5, 4)] | {"asa_ms": 1.0}}

    assert is_counted(days, counted)
    assert not is_counted(days, {})
    assert table(days, counted).endswith("yes")
    assert table(days, wrong).endswith("NO: asa_ms")
    assert differences({"a": 1.0}, {}) == ["a"]


def test_it_asks_for_whole_days_of_the_logs_zone() -> None:
    start, end = span_of([date(2026, 3, 29)], MAPPING.zone)

    assert (start.astimezone(UTC), end.astimezone(UTC)) == (
        datetime(2026, 3, 28, 23, tzinfo=UTC),
        datetime(2026, 3, 29, 22, tzinfo=UTC),
    )


class Gateway:
    """Answers as the gateway does; refuses what it is told to."""

    def __init__(self, refuse: str = "", status: int = 202) -> None:
        self.batches: list[list[dict[str, str]]] = []
        self.log_ins: list[str] = []
        self._refuse = refuse
        self._status = status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oidc/token":
            self.log_ins.append(request.content.decode())
            return httpx.Response(200, json={"access_token": "t", "expires_in": 600})
        assert request.headers["authorization"] == "Bearer t"
        if self._status != 202:
            return httpx.Response(self._status, headers={"retry-after": "2"}, json={"title": "no"})
        batch = json.loads(request.content)
        self.batches.append(batch)
        results = [
            {"id": each["id"], "status": "refused" if each["subject"] == self._refuse else "accepted"}
            for each in batch
        ]
        return httpx.Response(202, json={"results": results})

    def door(self) -> GatewayDoor:
        client = httpx.AsyncClient(base_url="http://gateway", transport=httpx.MockTransport(self))
        return GatewayDoor(client, Login("adapter1", "secret"), Login("analyst1", "secret"), lanes=3)


async def test_it_sends_batches_in_which_every_call_keeps_its_order() -> None:
    gateway, events = Gateway(), told(*[SERVED] * 600)

    await gateway.door().publish(events)

    assert max(map(len, gateway.batches)) <= 500
    assert len(gateway.log_ins) == 1
    arrived = [each for batch in gateway.batches for each in batch]
    assert sorted(each["id"] for each in arrived) == sorted(event.id for event in events)
    for subject in {event.key for event in events}:
        assert [each["id"] for each in arrived if each["subject"] == subject] == [
            event.id for event in events if event.key == subject
        ]


async def test_it_stops_at_an_event_that_the_gateway_refuses() -> None:
    with pytest.raises(Refused, match="1 events"):
        await Gateway(refuse="shop-0-04.05.2026").door().publish(told(LEFT_MENU)[:1])


@pytest.mark.parametrize(
    ("status", "error"), [(503, Unavailable), (429, Unavailable), (401, Refused), (413, Refused)]
)
async def test_it_tries_again_only_what_may_succeed(status: int, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        await Gateway(status=status).door().publish(told(LEFT_MENU))

    if isinstance(caught.value, Unavailable):
        assert caught.value.retry_after_s == 2
