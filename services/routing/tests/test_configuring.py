"""A configuration moves between tenants as a file, is changed piece by piece, and the pools follow it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from libs import clock
from libs.apply import Apply
from libs.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from libs.local import LocalBus
from libs.rpc.routing.v1 import configuration_pb2 as pb
from libs.rpc.routing.v1.configuration_pb2_grpc import (
    ConfigurationServiceStub,
    add_ConfigurationServiceServicer_to_server,
)
from libs.rpc_client import Caller, acting_for, channel
from libs.rpc_server import serve
from libs.stored import Key
from libs.structs import plain_of, struct_of
from libs.wire import decode
from services.routing.domain.configuration import changing
from services.routing.domain.model import Pool
from services.routing.domain.strategy import publishing
from services.routing.handlers import Matching, handler, teller
from services.routing.rpc_configuration import ConfigurationService
from services.routing.tests import cases
from services.routing.tests.places import LocalConfigurations, LocalDecisions, LocalPools, LocalStrategies
from services.routing.tests.test_configuration_file import EXAMPLE

SECRET = "a secret that only these tests know"
ADA = Caller("acme", "ada", frozenset({"admin"}))
BEA = Caller("other", "bea", frozenset({"admin"}))
ANA = Caller("acme", "ana", frozenset({"agent"}))


class Strategies(LocalStrategies):
    """Strategies that take so long to list that something else may happen meanwhile."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def listed(self, tenant: str, after: str, limit: int) -> list[publishing.StrategyRecord]:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            await act()
        return await super().listed(tenant, after, limit)


@dataclass
class House:
    ask: ConfigurationServiceStub
    bus: LocalBus
    pools: LocalPools
    matching: Matching
    strategies: Strategies
    read: int = 0

    async def follow(self) -> None:
        """Let routing read what is new on the topic of queues."""
        new = self.bus.topics["trunkline.queue"][self.read :]
        self.read += len(new)
        await handler(self.matching, lambda: cases.at(30))([decode(each.headers, each.value) for each in new])

    async def pool(self, pool_id: str = "main", tenant: str = "acme") -> Pool:
        await self.follow()
        found = await self.pools.get(Key(tenant, pool_id))
        assert found is not None
        return found

    async def export(self, form: str = "") -> str:
        return (await self.ask.ExportConfiguration(pb.ExportConfigurationRequest(format=form))).text

    async def take_over(self, text: str, **more: Any) -> pb.ImportConfigurationResponse:
        return await self.ask.ImportConfiguration(pb.ImportConfigurationRequest(text=text, **more))

    async def put(
        self, section: str, item_id: str, document: dict[str, Any], **more: Any
    ) -> pb.PutItemResponse:
        request = pb.PutItemRequest(section=section, item_id=item_id, document=struct_of(document), **more)
        return await self.ask.PutItem(request)

    async def remove(self, section: str, item_id: str, **more: Any) -> None:
        await self.ask.RemoveItem(pb.RemoveItemRequest(section=section, item_id=item_id, **more))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    pools, strategies, configurations, bus = (
        LocalPools(),
        Strategies(),
        LocalConfigurations(),
        LocalBus(),
    )
    matching = Matching(pools, teller(bus, LocalDecisions()))
    source = "/trunkline/routing"
    service = ConfigurationService(
        configurations,
        Apply(configurations, changing.decide, bus.publish, source),
        strategies,
        Apply(strategies, publishing.decide, bus.publish, source),
        pools,
        lambda: cases.at(20),
    )
    register = partial(add_ConfigurationServiceServicer_to_server, service)
    async with (
        serve(register, port=0, secret=SECRET, now=clock.now) as serving,
        channel(f"127.0.0.1:{serving.port}", SECRET, "test", clock.now) as line,
    ):
        with acting_for(ADA):
            yield House(ConfigurationServiceStub(line), bus, pools, matching, strategies)


def kinds(answer: pb.ImportConfigurationResponse) -> list[str]:
    return [
        f"{each.change} {each.section}/{'/'.join(filter(None, (each.pool_id, each.item_id)))}"
        for each in answer.changes
    ]


async def test_what_is_exported_here_and_taken_over_there_is_exported_there_the_same(house: House) -> None:
    await house.take_over(EXAMPLE)
    here = await house.export()

    with acting_for(BEA):
        await house.take_over(here)
        there = await house.export()
        pool = await house.pool(tenant="other")

    assert here == there == EXAMPLE
    assert pool == await house.pool(tenant="acme")
    assert sorted(pool.queues) == ["service", "vip"] and sorted(pool.agents) == ["ana", "bob"]
    assert pool.queues["service"].rules.strategy.strategy_id == "gold"
    assert pool.agents["ana"].config.schedule.shifts and pool.reasons == ("break",)


async def test_a_dry_run_says_what_would_change_and_changes_nothing(house: House) -> None:
    dry = await house.take_over(EXAMPLE, dry_run=True)

    assert (dry.dry_run, dry.version, len(house.bus.topics["trunkline.queue"])) == (True, 0, 0)
    wet = await house.take_over(EXAMPLE)
    assert kinds(dry) == kinds(wet)
    assert kinds(wet) == [
        "added skills/card",
        "added skills/zh",
        "added calendars/office",
        "added reasons/break",
        "added queues/berlin/service",
        "added queues/main/service",
        "added queues/main/vip",
        "added agents/main/ana",
        "added agents/main/bob",
        "added strategies/gold",
    ]
    assert wet.version == 2  # of the items, and of the strategy
    assert kinds(await house.take_over(EXAMPLE, prune=True, dry_run=True)) == []


async def test_it_shows_each_field_that_changes(house: House) -> None:
    await house.take_over(EXAMPLE)

    answer = await house.take_over(
        EXAMPLE.replace("zh: 5", "zh: 6").replace("queues: [service]", "queues: [vip]"), dry_run=True
    )

    assert kinds(answer) == ["changed agents/main/ana", "changed strategies/gold"]
    shown = [
        (one.field, plain_of(one.before), plain_of(one.after))
        for each in answer.changes
        for one in each.fields
    ]
    assert shown == [("skills.zh", 5, 6), ("queues", ["service"], ["vip"])]


async def test_it_goes_on_from_what_pools_knew_before_there_was_a_configuration(house: House) -> None:
    told = [cases.event(each) for each in (cases.service("old"), cases.configured("eve", skills={"zh": 2}))]
    await handler(house.matching, lambda: cases.at(1))(told)

    text = await house.export()
    await house.put("agents", "eve", {"skills": {"zh": 3}})

    assert "      old: {}\n" in text and "          zh: 2\n" in text
    pool = await house.pool()
    assert set(pool.queues) == {"old"} and pool.agents["eve"].config.skills == {"zh": 3}


async def test_only_the_version_that_was_looked_at_is_replaced(house: House) -> None:
    first = await house.take_over(EXAMPLE, expected_version=0)
    await house.put("skills", "fr", {})

    with pytest.raises(Conflict):
        await house.take_over("skills: {es: }", expected_version=first.version)
    with pytest.raises(Conflict):
        await house.take_over("skills: {es: }", expected_version=first.version, dry_run=True)
    again = await house.take_over("skills: {es: }", expected_version=first.version + 1)
    assert again.version == first.version + 2


async def test_it_looks_again_where_an_item_changes_while_it_compares(house: House) -> None:
    async def somebody_else() -> None:
        with acting_for(ADA):
            await house.put("skills", "zh", {"name": "Chinese"})

    house.strategies.meanwhile = somebody_else
    answer = await house.take_over("skills: {zh: {name: Mandarin}}")

    assert kinds(answer) == ["changed skills/zh"]
    assert plain_of(answer.changes[0].fields[0].before) == "Chinese"


async def test_the_same_request_again_changes_nothing(house: House) -> None:
    await house.take_over("skills: {es: }", request_id="r-1")
    await house.remove("skills", "es")
    again = await house.take_over("skills: {es: }", request_id="r-1")

    first = await house.put("skills", "fr", {"name": "French"}, request_id="r-2")
    second = await house.put("skills", "fr", {"name": "French"}, request_id="r-2")

    assert again.version == 2
    assert first == second


async def test_prune_removes_what_the_file_does_not_have_and_pools_hear_of_it(house: House) -> None:
    await house.take_over(EXAMPLE)
    text = EXAMPLE.replace("        overflow_queue_id: vip\n", "").replace(
        "      vip:\n        enabled: false\n", ""
    )

    stays = await house.take_over(text)
    assert (kinds(stays), stays.not_in_file) == (["changed queues/main/service"], 1)
    goes = await house.take_over(text, prune=True)

    assert (kinds(goes), goes.not_in_file) == (["removed queues/main/vip"], 0)
    assert set((await house.pool()).queues) == {"service"}
    assert await house.export() == text


async def test_nothing_is_removed_where_contacts_wait_or_agents_are_at_work(house: House) -> None:
    await house.take_over(EXAMPLE)
    await house.follow()
    busy = [cases.signed_in("bob"), cases.queued("c-1", "service")]
    await handler(house.matching, lambda: cases.at(31))([cases.event(each, 31) for each in busy])
    text = "pools: {main: {queues: {vip: {enabled: false}}, agents: }}"

    for dry_run in (True, False):
        with pytest.raises(Refused, match="agents/main/bob, queues/main/service") as raised:
            await house.take_over(text, prune=True, dry_run=dry_run)
        assert raised.value.reason == "in_use"
    with pytest.raises(Refused):
        await house.remove("agents", "bob")
    assert await house.export() == EXAMPLE
    await house.remove("agents", "ana")
    assert set((await house.pool()).agents) == {"bob"}


async def test_a_file_that_is_wrong_changes_nothing_and_says_where(house: House) -> None:
    for text, field, said in (
        ("skills: {zh: {nam: x}}", "skills.zh.nam", "line 1: is not known here"),
        ("skills: {zh: }\npools:\n main:\n  agents:\n   a:\n    skills: {hz: 3}",
         "pools.main.agents.a.skills.hz", "line 6: there is no skill hz"),
        ("pools: {main: {queues: {a: {overflow_queue_id: b}}}}",
         "pools.main.queues.a.overflow_queue_id", "line 1: there is no queue b"),
        ("a: &a [1]\nb: *a", "b", "line 2: YAML aliases are not taken"),
    ):  # fmt: skip
        for dry_run in (True, False):
            with pytest.raises(Invalid) as raised:
                await house.take_over(text, dry_run=dry_run)
            assert [(each.field, each.text) for each in raised.value.violations] == [(field, said)]
    assert house.bus.topics["trunkline.queue"] == []


async def test_a_strategy_of_another_pool_is_refused_before_anything_changes(house: House) -> None:
    await house.take_over(EXAMPLE)

    with pytest.raises(Refused, match="gold stays in pool main"):
        await house.take_over("skills: {fr: }\nstrategies: {gold: {pool_id: berlin}}")

    assert await house.export() == EXAMPLE


async def test_items_are_put_read_listed_and_removed_one_by_one(house: House) -> None:
    made = await house.put("reasons", "lunch", {"name": "Lunch"}, expected_version=0)
    await house.put("reasons", "break", {})
    await house.put("queues", "service", {"needs": [{"skill": "zh"}]}, pool_id="berlin")

    got = await house.ask.GetItem(pb.GetItemRequest(section="reasons", item_id="lunch"))
    assert got.item == made.item
    assert (plain_of(got.item.document), got.item.version) == ({"name": "Lunch"}, 1)
    changed = await house.put("reasons", "lunch", {"name": "Noon"}, expected_version=1)
    assert changed.item.version == 4
    for stale in (0, 1, 3):
        with pytest.raises(Conflict):
            await house.put("reasons", "lunch", {}, expected_version=stale)
    with pytest.raises(Conflict):
        await house.remove("reasons", "lunch", expected_version=1)
    assert (await house.pool("berlin")).reasons == ("break", "lunch")

    page = pb.ListItemsRequest(section="reasons")
    page.page.page_size = 1
    first = await house.ask.ListItems(page)
    page.page.page_token = first.page.next_page_token
    second = await house.ask.ListItems(page)
    assert [each.item_id for each in (*first.items, *second.items)] == ["break", "lunch"]
    assert not second.page.next_page_token

    await house.remove("reasons", "lunch", expected_version=4)
    with pytest.raises(NotFound):
        await house.ask.GetItem(pb.GetItemRequest(section="reasons", item_id="lunch"))
    with pytest.raises(NotFound):
        await house.remove("reasons", "lunch")
    assert (await house.pool("berlin")).reasons == ("break",)


@pytest.mark.parametrize(
    ("section", "item_id", "document", "field"),
    [
        ("colours", "x", {}, "section"),
        ("skills", "a b", {}, ""),
        ("skills", "x", {"nam": "y"}, "nam"),
        ("queues", "x", {"needs": [{"skill": "y", "lvl": 3}]}, "needs.0.lvl"),
        ("queues", "x", {"priority": 10**6}, "priority"),
        ("agents", "x", {"schedule": "nowhere"}, "pools.main.agents.x.schedule"),
    ],
)
async def test_an_item_that_is_wrong_is_refused(
    house: House, section: str, item_id: str, document: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as raised:
        await house.put(section, item_id, document)

    assert [each.field for each in raised.value.violations] == [field]


async def test_agents_see_reasons_and_skills_but_not_each_other(house: House) -> None:
    await house.put("reasons", "break", {})

    with acting_for(ANA):
        seen = await house.ask.ListItems(pb.ListItemsRequest(section="reasons"))
        with pytest.raises(Forbidden):
            await house.ask.ListItems(pb.ListItemsRequest(section="agents"))
        with pytest.raises(Forbidden):
            await house.put("reasons", "lunch", {})
        with pytest.raises(Forbidden):
            await house.export()

    assert [each.item_id for each in seen.items] == ["break"]


async def test_nothing_of_another_tenant_is_seen(house: House) -> None:
    await house.take_over(EXAMPLE)

    with acting_for(BEA):
        text = await house.export()
        with pytest.raises(NotFound):
            await house.ask.GetItem(pb.GetItemRequest(section="skills", item_id="zh"))

    assert "zh" not in text
