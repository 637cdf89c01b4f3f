"""The session service as a process, on a real broker and a real database."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.dev.ports import free_ports
from libs import bus, clock, topics
from libs.errors import Conflict, Forbidden, Invalid, NotFound
from libs.events import crm_context, interaction, ivr, queue, visitor
from libs.events import session as told
from libs.events.base import AnyEvent, Event, Fact, Identity, follow_id
from libs.rpc.common.v1 import common_pb2
from libs.rpc.session.v1 import session_pb2 as pb
from libs.rpc.session.v1 import session_pb2_grpc
from libs.rpc_client import Caller, acting_for, channel
from libs.settings import Settings
from libs.structs import plain_of, value_of
from tests.running import eventually, running

pytestmark = pytest.mark.real
SECRET = "a secret that only these tests know"
AGENT = Caller("acme", "agent1", frozenset({"agent"}))
ANALYST = Caller("acme", "ann", frozenset({"analyst"}))
STRANGER = Caller("globex", "eve", frozenset({"agent"}))


@dataclass
class Platform:
    """The running service, and the doors to it."""

    kafka: bus.KafkaBus
    rpc: session_pb2_grpc.SessionServiceStub
    seen: list[AnyEvent]
    settings: Settings

    async def tell(self, *facts: Fact, journey: str = "") -> None:
        events = [Event(str(uuid.uuid4()), "acme", clock.now(), fact, journey) for fact in facts]
        await self.kafka.publish(events)

    def facts(self, kind: type[Fact]) -> list[AnyEvent]:
        return list({each.id: each for each in self.seen if isinstance(each.data, kind)}.values())


@pytest.fixture
async def settings(kafka_bootstrap: str, mongo_url: str) -> Settings:
    grpc_port, health_port = free_ports(2)
    settings = Settings(
        kafka_bootstrap=kafka_bootstrap,
        mongo_url=mongo_url,
        mongo_database_prefix=f"t{uuid.uuid4().hex[:8]}_",
        service_secret=SECRET,
        grpc_port=grpc_port,
        health_port=health_port,
        kafka_partitions=3,
    )
    await topics.create(settings)
    return settings


@pytest.fixture
async def platform(settings: Settings, tmp_path: Path) -> AsyncIterator[Platform]:
    seen: list[AnyEvent] = []

    async def see(events: Sequence[AnyEvent]) -> None:
        seen.extend(events)

    wanted: list[type[Fact]] = [
        told.Started,
        told.Resumed,
        told.CustomerIdentified,
        told.ContextChanged,
        queue.ContactQueued,
    ]
    async with (
        running("session", settings, tmp_path / "session.log"),
        bus.connect(settings, "/trunkline/test") as kafka,
        channel(f"127.0.0.1:{settings.grpc_port}", SECRET, "test", clock.now) as calls,
    ):
        reading = asyncio.create_task(kafka.consume(f"see-{uuid.uuid4().hex}", wanted, see))
        try:
            yield Platform(kafka, session_pb2_grpc.SessionServiceStub(calls), seen, settings)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


def phone() -> Identity:
    return Identity(kind="phone", value=f"+86138{uuid.uuid4().int % 10**8:08}")


def start(interaction_id: str, visitor_id: str = "", *identities: Identity) -> interaction.Started:
    return interaction.Started(
        interaction_id=interaction_id,
        channel="chat",
        entry_point="web-chat",
        visitor_id=visitor_id,
        context={"page": "/fund", "huge": 2**80, "a.$b\x00": 1},
        pii=interaction.StartedPii(identities=identities),
    )


async def began(platform: Platform, interaction_id: str) -> AnyEvent:
    found: list[AnyEvent] = []

    def there() -> bool:
        found[:] = [
            each
            for each in platform.facts(told.ContactBegan)
            if getattr(each.data, "interaction_id", "") == interaction_id
        ]
        return bool(found)

    await eventually(there)
    return found[0]


async def test_it_follows_a_contact_and_joins_what_came_before_it(platform: Platform) -> None:
    name = uuid.uuid4().hex[:8]
    visitor_id, interaction_id, customer_id = f"v-{name}", f"i-{name}", f"c-{name}"
    trail = follow_id(f"acme/visitor/{visitor_id}", "journey")
    page = visitor.PageViewed(visitor_id=visitor_id, url="/fund", title="Funds")

    await platform.tell(page, start(interaction_id, visitor_id, phone()), journey=trail)
    session_id = (await began(platform, interaction_id)).key
    await platform.tell(
        crm_context.ContextPrepared(
            session_id=session_id, interaction_id=interaction_id, customer_id=customer_id, vip_level=3
        ),
        ivr.DialogueCompleted(
            session_id=session_id,
            interaction_id=interaction_id,
            flow_id="f",
            flow_version=1,
            outcome="queue",
            queue_id="service",
            pii=ivr.CollectedPii(collected={"account": "622"}),
        ),
        journey=trail,
    )
    await eventually(lambda: bool(platform.facts(queue.ContactQueued)))

    queued = platform.facts(queue.ContactQueued)[0].data
    assert isinstance(queued, queue.ContactQueued)
    assert (queued.customer_id, queued.vip_level, queued.contact_id) == (customer_id, 3, interaction_id)
    with acting_for(AGENT):
        journey = pb.GetJourneyRequest(customer_id=customer_id)

        async def is_whole() -> bool:
            lines = (await platform.rpc.GetJourney(journey)).entries
            return {"trunkline.visitor.page_viewed.v1", told.CustomerIdentified.type} <= {
                x.type for x in lines
            }

        await eventually(is_whole)
        await paged(platform, customer_id)
        await contexts(platform, session_id)
    await guards(platform, session_id, customer_id)


async def paged(platform: Platform, customer_id: str) -> None:
    # What is still on its way into the journal comes between the pages and the whole: ask when it is quiet.
    known = -1
    whole = (await platform.rpc.GetJourney(pb.GetJourneyRequest(customer_id=customer_id))).entries
    while known != len(whole):
        known = len(whole)
        await asyncio.sleep(2)
        whole = (await platform.rpc.GetJourney(pb.GetJourneyRequest(customer_id=customer_id))).entries
    ids: list[str] = []
    request = pb.GetJourneyRequest(customer_id=customer_id, newest_first=True)
    request.page.page_size = 2
    while True:
        answer = await platform.rpc.GetJourney(request)
        ids += [each.event_id for each in answer.entries]
        if not answer.page.next_page_token:
            break
        request.page.page_token = answer.page.next_page_token
    assert ids == [each.event_id for each in reversed(whole)]
    assert not any(each.HasField("pii") for each in whole)
    with_pii = pb.GetJourneyRequest(customer_id=customer_id, include_pii=True)
    assert any(each.HasField("pii") for each in (await platform.rpc.GetJourney(with_pii)).entries)


async def contexts(platform: Platform, session_id: str) -> None:
    rpc = platform.rpc
    entries = (await rpc.GetContext(pb.GetContextRequest(session_id=session_id))).entries
    assert {each.key: plain_of(each.value) for each in entries} == {
        "page": "/fund",
        "huge": str(2**80),
        "a.$b\x00": 1,
        "account": "622",
    }
    put = pb.PutContextRequest(
        session_id=session_id, key="note", value=value_of({"a": [1]}), expected_version=0, request_id="r-1"
    )
    first = (await rpc.PutContext(put)).entry
    again = (await rpc.PutContext(put)).entry
    assert (first, first.version, first.written_by) == (again, 1, "agent1")
    put.request_id = "r-2"
    with pytest.raises(Conflict):
        await rpc.PutContext(put)
    seen: list[tuple[str, bool]] = []
    watch = pb.WatchContextRequest(session_id=session_id, keys=["note"])
    async for change in rpc.WatchContext(watch, timeout=10):
        seen.append((change.entry.key, change.removed))
        if change.removed:
            break
        await rpc.PutContext(
            pb.PutContextRequest(session_id=session_id, key="note", value=value_of(None), request_id="r-3")
        )
    assert seen == [("note", False), ("note", True)]


async def guards(platform: Platform, session_id: str, customer_id: str) -> None:
    rpc = platform.rpc
    with acting_for(STRANGER):
        with pytest.raises(NotFound):
            await rpc.GetSession(pb.GetSessionRequest(session_id=session_id))
        assert not (await rpc.GetJourney(pb.GetJourneyRequest(customer_id=customer_id))).entries
    with acting_for(ANALYST):
        view = (await rpc.GetSession(pb.GetSessionRequest(session_id=session_id))).session
        assert (view.customer_id, list(view.identities)) == (customer_id, [])
        with pytest.raises(Forbidden):
            await rpc.GetJourney(pb.GetJourneyRequest(customer_id=customer_id, include_pii=True))
    with acting_for(AGENT):
        found = await rpc.FindSessions(pb.FindSessionsRequest(customer_id=customer_id, open_only=True))
        assert [each.session_id for each in found.sessions] == [session_id]
        bad_token = pb.FindSessionsRequest(page=common_pb2.PageRequest(page_token="%%"))
        for call in (
            rpc.GetJourney(pb.GetJourneyRequest()),
            rpc.FindSessions(bad_token),
            rpc.PutContext(pb.PutContextRequest(session_id=session_id, key="")),
        ):
            with pytest.raises(Invalid):
                await call


async def test_it_opens_one_session_when_two_processes_hear_of_one_person(
    platform: Platform, settings: Settings, tmp_path: Path
) -> None:
    grpc_port, health_port = free_ports(2)
    other = settings.model_copy(update={"grpc_port": grpc_port, "health_port": health_port})
    async with running("session", other, tmp_path / "other.log"):
        people = [phone() for _ in range(20)]
        names = [[f"i-{uuid.uuid4().hex[:8]}" for _ in range(4)] for _ in people]
        await asyncio.sleep(3)  # both processes have their partitions

        for person, some in zip(people, names, strict=True):
            await platform.tell(*(start(name, "", person) for name in some))
        sessions = [{(await began(platform, name)).key for name in some} for some in names]

    assert [len(each) for each in sessions] == [1] * len(people)
