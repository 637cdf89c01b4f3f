"""The CRM context and the session service as processes, on a real broker and a real database."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.dev.ports import free_ports
from libs import bus, clock, topics
from libs.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, Refused
from libs.events import interaction, visitor
from libs.events.base import Event, Fact, Identity
from libs.rpc.common.v1 import common_pb2
from libs.rpc.crm_context.v1 import crm_context_pb2 as pb
from libs.rpc.crm_context.v1 import crm_context_pb2_grpc
from libs.rpc.session.v1 import session_pb2, session_pb2_grpc
from libs.rpc_client import Caller, acting_for, channel
from libs.settings import Settings
from libs.structs import plain_of, struct_of
from tests.running import eventually, running

pytestmark = pytest.mark.real
SECRET = "a secret that only these tests know"
AGENT = Caller("acme", "agent1", frozenset({"agent"}))
BOSS = Caller("acme", "boss", frozenset({"admin"}))
QA = Caller("acme", "quinn", frozenset({"qa"}))
STRANGER = Caller("globex", "eve", frozenset({"supervisor"}))


@dataclass
class Platform:
    """The running services, and the doors to them."""

    kafka: bus.KafkaBus
    crm: crm_context_pb2_grpc.CrmContextServiceStub
    sessions: session_pb2_grpc.SessionServiceStub

    async def tell(self, fact: Fact, journey: str) -> None:
        await self.kafka.publish([Event(str(uuid.uuid4()), "acme", clock.now(), fact, journey)])

    async def upsert(self, customer: pb.Customer, **said: object) -> pb.UpsertResponse:
        return await self.crm.Upsert(pb.UpsertRequest(customer=customer, **said))  # type: ignore[arg-type]  # by name


@pytest.fixture
async def platform(kafka_bootstrap: str, mongo_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    common = Settings(
        kafka_bootstrap=kafka_bootstrap,
        mongo_url=mongo_url,
        mongo_database_prefix=f"t{uuid.uuid4().hex[:8]}_",
        service_secret=SECRET,
    )
    await topics.create(common)
    async with AsyncExitStack() as stack:
        doors = []
        for service in ("session", "crm_context"):
            grpc_port, health_port = free_ports(2)
            settings = common.model_copy(update={"grpc_port": grpc_port, "health_port": health_port})
            await stack.enter_async_context(running(service, settings, tmp_path / f"{service}.log"))
            door = channel(f"127.0.0.1:{grpc_port}", SECRET, "test", clock.now)
            doors.append(await stack.enter_async_context(door))
        kafka = await stack.enter_async_context(bus.connect(common, "/trunkline/test"))
        yield Platform(
            kafka,
            crm_context_pb2_grpc.CrmContextServiceStub(doors[1]),
            session_pb2_grpc.SessionServiceStub(doors[0]),
        )


def number() -> str:
    return f"+86138{uuid.uuid4().int % 10**8:08}"


def phone(value: str) -> common_pb2.Identity:
    return common_pb2.Identity(kind="phone", value=value)


async def up(platform: Platform) -> None:
    """Return when the services answer."""

    async def answers() -> bool:
        try:
            await platform.crm.Search(pb.SearchRequest(), wait_for_ready=True, timeout=20)
            await platform.sessions.FindSessions(
                session_pb2.FindSessionsRequest(), wait_for_ready=True, timeout=20
            )
        except Forbidden:
            return False
        return True

    with acting_for(AGENT):
        await eventually(answers, 30)


async def test_it_tells_sessions_who_their_customer_is(platform: Platform) -> None:
    await up(platform)
    own, name = number(), uuid.uuid4().hex[:8]
    with acting_for(AGENT):
        record = pb.Customer(
            name="张伟", identities=[phone(own)], vip_level=3, profile=struct_of({"card": 1})
        )
        customer = (await platform.upsert(record, request_id="r-1")).customer
        await platform.tell(visitor.PageViewed(visitor_id=f"v-{name}", url="/f", title="Fund"), f"j-{name}")
        await platform.tell(
            interaction.Started(
                interaction_id=f"i-{name}",
                channel="chat",
                entry_point="web-chat",
                visitor_id=f"v-{name}",
                pii=interaction.StartedPii(identities=(Identity(kind="phone", value=own[3:]),)),
            ),
            f"j-{name}",
        )
        found: list[session_pb2.Session] = []

        async def is_identified() -> bool:
            wanted = session_pb2.FindSessionsRequest(interaction_id=f"i-{name}")
            found[:] = (await platform.sessions.FindSessions(wanted)).sessions
            return bool(found) and found[0].customer_id == customer.customer_id

        await eventually(is_identified)
        asked = pb.GetContextPackRequest(session_id=found[0].session_id)
        pack = (await platform.crm.GetContextPack(asked)).pack
        assert (pack.customer.name, plain_of(pack.customer.profile)) == ("张伟", {"card": 1})
        assert [step.subject for step in pack.trail] == ["Fund"]
        assert pack.journey_id == f"j-{name}"


async def test_it_makes_a_person_known_who_gets_a_record_during_the_contact(platform: Platform) -> None:
    await up(platform)
    own, name = number(), uuid.uuid4().hex[:8]
    await platform.tell(
        interaction.Started(
            interaction_id=f"i-{name}",
            channel="voice",
            entry_point="hotline",
            pii=interaction.StartedPii(identities=(Identity(kind="phone", value=own),)),
        ),
        f"j-{name}",
    )
    with acting_for(AGENT):
        wanted = session_pb2.FindSessionsRequest(interaction_id=f"i-{name}")

        async def is_prepared() -> bool:
            sessions = (await platform.sessions.FindSessions(wanted)).sessions
            if not sessions:
                return False
            await platform.crm.GetContextPack(pb.GetContextPackRequest(session_id=sessions[0].session_id))
            return True

        await eventually(is_prepared)
        created = await platform.upsert(pb.Customer(name="Li", identities=[phone(own)]))

        async def is_identified() -> bool:
            sessions = (await platform.sessions.FindSessions(wanted)).sessions
            return sessions[0].customer_id == created.customer.customer_id

        await eventually(is_identified)


async def test_it_keeps_records(platform: Platform) -> None:
    await up(platform)
    await upserts(platform)
    await searches(platform)
    await merges(platform)
    await imports(platform)


async def upserts(platform: Platform) -> None:
    own = number()
    with acting_for(AGENT):
        record = pb.Customer(name="Ann", identities=[phone(own)])
        first, again = [await platform.upsert(record, request_id="u-1") for _ in range(2)]
        assert (first, first.created, first.customer.version) == (again, True, 1)
        changed = pb.Customer(customer_id=first.customer.customer_id, vip_level=4)
        after = await platform.upsert(changed, expected_version=1)
        assert (after.customer.name, after.customer.vip_level, after.customer.version) == ("Ann", 4, 2)
        with pytest.raises(Conflict):
            await platform.upsert(changed, expected_version=1)
        with pytest.raises(AlreadyExists):
            await platform.upsert(pb.Customer(name="Bob", identities=[phone(own[3:])]))
        raced = [pb.Customer(name=f"R{place}", identities=[phone(number())]) for place in range(2)]
        for each in raced:
            each.identities[0].value = raced[0].identities[0].value
        answers = await asyncio.gather(*(platform.upsert(each) for each in raced), return_exceptions=True)
        assert sorted(type(each).__name__ for each in answers) == ["AlreadyExists", "UpsertResponse"]
        for wrong in (
            pb.Customer(),
            pb.Customer(name="x", identities=[phone("12")]),
            pb.Customer(name="x", identities=[common_pb2.Identity(kind="fax", value="1")]),
            pb.Customer(customer_id="a/b", name="x"),
            pb.Customer(name="x", vip_level=99),
        ):
            with pytest.raises(Invalid):
                await platform.upsert(wrong)
        with pytest.raises(Forbidden):
            await platform.crm.Delete(pb.DeleteRequest(customer_id=first.customer.customer_id))
    with acting_for(QA):
        seen = (await platform.crm.LookUp(pb.LookUpRequest(identity=phone(own)))).customer
        assert (seen.masked, seen.identities[0].value) == (True, f"{own[:6]}****{own[-4:]}")
    with acting_for(STRANGER), pytest.raises(NotFound):
        await platform.crm.LookUp(pb.LookUpRequest(identity=phone(own)))
    with acting_for(BOSS):
        delete = pb.DeleteRequest(customer_id=first.customer.customer_id, request_id="d-1")
        await platform.crm.Delete(delete)
        await platform.crm.Delete(delete)
        with pytest.raises(NotFound):
            await platform.crm.LookUp(pb.LookUpRequest(identity=phone(own)))


async def searches(platform: Platform) -> None:
    mark = f"m{uuid.uuid4().hex[:6]}"
    with acting_for(AGENT):
        for place in range(5):
            await platform.upsert(pb.Customer(name=f"王{place} {mark}", tags=[mark, "all"], vip_level=place))
        ids: list[str] = []
        request = pb.SearchRequest(text=f"王 {mark[:5]}", sort_by="vip_level", descending=True, tags=["all"])
        request.page.page_size = 2
        while True:
            answer = await platform.crm.Search(request)
            ids += [each.name for each in answer.customers]
            request.page.page_token = answer.page.next_page_token
            if not request.page.page_token:
                break
        assert ids == [f"王{place} {mark}" for place in (4, 3, 2, 1, 0)]
        for harmless in ("$where", ".*", '{"$ne": null}', "^", "\\", "\x00", "(" * 50):
            found = await platform.crm.Search(pb.SearchRequest(text=harmless, tags=[mark]))
            assert not found.customers
        assert len((await platform.crm.Search(pb.SearchRequest(tags=[mark], min_vip_level=3))).customers) == 2
        for wrong in (pb.SearchRequest(sort_by="$x"), pb.SearchRequest(page={"page_token": "e30"})):  # type: ignore[arg-type]  # a dict does
            with pytest.raises(Invalid):
                await platform.crm.Search(wrong)


async def merges(platform: Platform) -> None:
    here, there = number(), number()
    with acting_for(BOSS):
        kept = (
            await platform.upsert(pb.Customer(name="Kept", identities=[phone(here)], tags=["a"]))
        ).customer
        gone = (
            await platform.upsert(pb.Customer(name="Gone", identities=[phone(there)], tags=["b"]))
        ).customer
        merge = pb.MergeRequest(
            source_customer_id=gone.customer_id, target_customer_id=kept.customer_id, request_id="m-1"
        )
        first = (await platform.crm.Merge(merge)).customer
        again = (await platform.crm.Merge(merge)).customer
        assert first == again
        assert (first.customer_id, list(first.tags), list(first.merged_ids)) == (
            kept.customer_id,
            ["a", "b"],
            [gone.customer_id],
        )
        for question in (phone(here), phone(there)):
            found = (await platform.crm.LookUp(pb.LookUpRequest(identity=question))).customer
            assert found.customer_id == kept.customer_id
        led = (await platform.crm.GetCustomer(pb.GetCustomerRequest(customer_id=gone.customer_id))).customer
        assert led.customer_id == kept.customer_id
        with pytest.raises(Refused):
            await platform.crm.Merge(
                pb.MergeRequest(source_customer_id=kept.customer_id, target_customer_id=gone.customer_id)
            )


async def imports(platform: Platform) -> None:
    known, new = number(), number()
    with acting_for(AGENT), pytest.raises(Forbidden):
        await platform.crm.ImportCustomers(pb.ImportCustomersRequest(csv=b"x"))
    with acting_for(BOSS):
        await platform.upsert(pb.Customer(name="Known", identities=[phone(known)]))
        rows = [
            f"New,{new},",
            f"Known,{known},",
            f"Renamed,{known},{known[1:]}@x.cn",
            "Broken,12,",
            f",{new},",
            f"Late,,{known[1:]}@x.cn",
        ]
        lines = "\n".join(["name,identity.phone,identity.email", *rows])
        request = pb.ImportCustomersRequest(csv=lines.encode(), request_id="imp-1", dry_run=True)
        assert (await platform.crm.ImportCustomers(request)).created == 1
        request.dry_run = False
        first = await platform.crm.ImportCustomers(request)
        again = await platform.crm.ImportCustomers(request)
        assert (first.created, first.updated, first.unchanged, first.rejected) == (1, 2, 2, 1)
        assert [(each.row, each.reason) for each in first.errors] == [(5, "bad_phone")]
        assert first == again
        found = (await platform.crm.LookUp(pb.LookUpRequest(identity=phone(known)))).customer
        assert (found.name, len(found.identities)) == ("Late", 2)

        # Several import the same people at once: each is made once, and nobody is put off.
        people = "\n".join(["name,identity.phone", *(f"Same,{number()}" for _ in range(40))]).encode()
        answers = await asyncio.gather(
            *(platform.crm.ImportCustomers(pb.ImportCustomersRequest(csv=people)) for _ in range(4))
        )
        assert sum(answer.created for answer in answers) == 40
        assert sum(answer.created + answer.updated + answer.unchanged for answer in answers) == 160
