"""Sessions in a real database: two processes and one person, paging, what an adapter may put in."""

import uuid
from collections.abc import AsyncIterator, Collection

import pytest

from libs import mongo
from libs.apply import Apply
from libs.errors import Unavailable
from libs.events import session as told
from libs.events.base import Event, Identity
from libs.local import LocalBus
from libs.mongo import MongoStore
from libs.stored import Key
from services.session.domain import context
from services.session.domain.session import decider
from services.session.handlers import Handler
from services.session.journal import Journal, Part
from services.session.store import CONTEXTS, Place, Places, Sessions
from services.session.tests.making import RULES, ZHANG, at, ended, started

pytestmark = pytest.mark.real


class BlindAtFirst:
    """Finds nothing when first asked: as a process that asked before another one had saved."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._asked = False

    async def around(self, interactions: Collection[Key], keys: Collection[str]) -> list[Place]:
        if not self._asked:
            self._asked = True
            return []
        return await self._places.around(interactions, keys)


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[mongo.Database]:
    async with mongo.connect(mongo_url, f"t{uuid.uuid4().hex[:8]}") as database:
        yield database


async def service(database: mongo.Database, bus: LocalBus, *, blind: bool = False) -> Handler:
    sessions = Sessions(database, RULES)
    contexts = MongoStore(database, CONTEXTS)
    for each in (sessions, contexts):
        await each.create_indexes()
    return Handler(
        Apply(sessions, decider(RULES), bus.publish, "/trunkline/session"),
        Apply(contexts, context.decide, bus.publish, "/trunkline/session"),
        BlindAtFirst(sessions) if blind else sessions,
        bus,
        RULES,
        lambda: at(0),
    )


async def test_it_refuses_to_open_a_second_session_for_one_person_and_resumes_instead(
    database: mongo.Database,
) -> None:
    bus = LocalBus()
    quick, slow = await service(database, bus), await service(database, bus, blind=True)
    await quick([started(0, "i-1")])

    with pytest.raises(Unavailable):  # the bus tries a batch again
        await slow([started(1, "i-2")])
    await slow([started(1, "i-2")])

    facts = {each.id: each for each in bus.told("trunkline.session")}  # another process may tell again
    assert [each.type for each in facts.values()] == [told.Started.type, told.Resumed.type]
    assert len({each.key for each in facts.values()}) == 1


async def test_it_opens_a_session_where_another_of_the_same_person_closed(database: mongo.Database) -> None:
    bus = LocalBus()
    handler = await service(database, bus)
    again = started(4000, "i-2", distribution="external")

    await handler([started(0, distribution="external"), ended(10), again])

    kinds = [each.type.split(".")[2] for each in bus.told("trunkline.session")]
    assert sorted(kinds) == ["closed", "contact_closed", "started", "started"]


async def test_it_keeps_many_without_any_key(database: mongo.Database) -> None:
    bus = LocalBus()
    handler = await service(database, bus)

    await handler([started(place, f"i-{place}", identities=()) for place in range(3)])

    assert len({each.key for each in bus.told("trunkline.session")}) == 3


async def test_it_stores_whatever_json_allows(database: mongo.Database) -> None:
    bus = LocalBus()
    handler = await service(database, bus)
    strange = started(0, context={"$set": 1, "a.b": 2**90, "nul\x00": "x\x00", "": 1e300})

    await handler([strange])

    kept = await MongoStore(database, CONTEXTS).find("acme", {})
    assert {each.name for each in kept[0].entries} == {"$set", "a.b", "nul\x00", ""}


async def test_it_writes_an_event_into_the_journal_once(database: mongo.Database) -> None:
    journal = Journal(database)
    await journal.create_indexes()
    events = [started(place, f"i-{place}", visitor_id="v-1") for place in range(5)]

    await journal(events[:3])
    await journal(events)

    lines = await journal.read("acme", ["v:v-1"], Part())
    assert [line.event_id for line in lines] == [each.id for each in events]
    assert ZHANG.value not in "".join(line.data for line in lines)
    assert all(ZHANG.value in line.pii for line in lines)
    assert await journal.read("globex", ["v:v-1"], Part()) == []


async def test_it_pages_through_lines_of_one_moment(database: mongo.Database) -> None:
    journal = Journal(database)
    same = [Event(f"e-{place}", "acme", at(0), started().data, "j-9") for place in range(7)]
    await journal(same)

    seen: list[str] = []
    part = Part(limit=3)
    while lines := await journal.read("acme", ["j:j-9"], part):
        seen += [line.event_id for line in lines]
        part = Part(limit=3, after=lines[-1].place)

    assert seen == [each.id for each in same]


async def test_it_finds_a_person_by_an_identity_learned_later(database: mongo.Database) -> None:
    bus = LocalBus()
    handler = await service(database, bus)
    mail = Identity(kind="email", value="zhang@example.com")

    await handler([started(0, "i-1")])
    await handler([started(1, "i-2", identities=(ZHANG, mail))])
    await handler([started(2, "i-3", identities=(mail,))])

    assert len({each.key for each in bus.told("trunkline.session")}) == 1
