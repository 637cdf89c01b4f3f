"""What routing answers about its configuration: files of it, what they would change, and items one by one."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from uuid import uuid4

from libs import paging
from libs.apply import Apply
from libs.clock import Now
from libs.errors import Conflict, Exhausted, Invalid, NotFound, Refused, Violation
from libs.events.base import Event, Fact, follow_id
from libs.rpc.common.v1.common_pb2 import PageResponse
from libs.rpc.routing.v1 import configuration_pb2 as pb
from libs.rpc.routing.v1.configuration_pb2_grpc import ConfigurationServiceServicer
from libs.rpc_server import Caller, Context, caller
from libs.stored import Key
from libs.structs import plain_of
from services.routing import configuration_messages as messages
from services.routing.domain.configuration import changing, differing, document, items
from services.routing.domain.configuration.changing import ALL, MOST_CHANGES, Adopt, Change, Configuration
from services.routing.domain.configuration.document import STRATEGIES
from services.routing.domain.configuration.items import Wrong, place_of
from services.routing.domain.strategy.publishing import Publish, StrategyRecord
from services.routing.store import ConfigurationStore, Pools, StrategyStore

LARGEST_FILE = 7 * 1024 * 1024  # what a message of gRPC can carry, with room
MOST_STRATEGIES = 1000
ATTEMPTS = 5  # to take a file over while others change single items


class ConfigurationService(ConfigurationServiceServicer):
    """Keeps the configuration of tenants; who may do what says libs/rpc_roles.py."""

    def __init__(
        self,
        configurations: ConfigurationStore,
        apply: Apply[Configuration],
        strategies: StrategyStore,
        apply_strategy: Apply[StrategyRecord],
        pools: Pools,
        now: Now,
    ) -> None:
        self._configurations = configurations
        self._apply = apply
        self._strategies = strategies
        self._apply_strategy = apply_strategy
        self._pools = pools
        self._now = now

    # --- files

    async def ExportConfiguration(
        self, request: pb.ExportConfigurationRequest, context: Context
    ) -> pb.ExportConfigurationResponse:
        is_json = messages.is_json(request.format)
        who = caller()
        configuration = await self._present(who)
        records = await self._all_strategies(who)
        text = await asyncio.to_thread(
            document.text, configuration.texts, messages.in_force(records), is_json=is_json
        )
        if len(text.encode()) > LARGEST_FILE:
            raise Exhausted("configuration_too_large", f"the file would be larger than {LARGEST_FILE} bytes")
        return pb.ExportConfigurationResponse(text=text, version=messages.version_of(configuration, records))

    async def ImportConfiguration(
        self, request: pb.ImportConfigurationRequest, context: Context
    ) -> pb.ImportConfigurationResponse:
        who = caller()
        is_json = messages.is_json(request.format)
        file, problems = await asyncio.to_thread(document.read, request.text, is_json=is_json)
        if file is None:
            raise messages.invalid_by(problems)
        for attempt in range(ATTEMPTS):
            configuration, records = await self._present(who), await self._all_strategies(who)
            version = messages.version_of(configuration, records)
            if request.HasField("expected_version") and request.expected_version != version:
                raise Conflict(request.expected_version, version)
            found, left = differing.changes(
                configuration.texts, messages.in_force(records), file, prune=request.prune
            )
            _check_pools(found, records)
            command = await self._command(who, configuration, found)
            try:
                if request.dry_run:
                    changing.decide(
                        configuration, Event("dry run", who.tenant, self._now(), command, ""), self._now()
                    )
                else:
                    configuration = await self._change(
                        who, request.request_id, "ImportConfiguration", command
                    )
                break
            except Conflict:  # somebody has changed an item meanwhile: look again what the file changes
                if attempt == ATTEMPTS - 1:
                    raise
            except Invalid as invalid:
                raise messages.with_lines(file, invalid) from None
        if not request.dry_run:
            await self._publish(who, request.request_id, found, records)
            records = await self._all_strategies(who)
        return pb.ImportConfigurationResponse(
            version=messages.version_of(configuration, records),
            dry_run=request.dry_run,
            changes=[messages.change_of(each) for each in found],
            not_in_file=left,
        )

    async def _command(
        self, who: Caller, configuration: Configuration, found: list[differing.Change]
    ) -> Change:
        own = [each for each in found if each.section != STRATEGIES]
        if len(own) > MOST_CHANGES:
            raise Refused("too_many_changes", f"a file changes {MOST_CHANGES} items at most; divide it")
        removes = tuple(each.key for each in own if each.after is None)
        return Change(
            puts={each.key: each.after for each in own if each.after is not None},
            removes=removes,
            expected_version=configuration.version,
            busy=await self._busy(who, removes),
            overflows_known=True,
        )

    async def _publish(
        self,
        who: Caller,
        request_id: str,
        found: list[differing.Change],
        records: Mapping[str, StrategyRecord],
    ) -> None:
        """Publish the strategies of a file, each only if nobody else has published it meanwhile."""
        for each in found:
            if each.section == STRATEGIES and each.after is not None:
                record = records.get(each.item_id)
                command = Publish(
                    strategy_id=each.item_id,
                    pool_id=json.loads(each.after).get("pool_id", messages.DEFAULT_POOL),
                    document=each.after,
                    comment="imported with the configuration",
                    by=who.subject,
                    expected_version=record.version if record else 0,
                )
                event = self._event(who, request_id, f"ImportConfiguration/{each.item_id}", command)
                await self._apply_strategy([(Key(who.tenant, each.item_id), event)], self._now())

    # --- items

    async def ListItems(self, request: pb.ListItemsRequest, context: Context) -> pb.ListItemsResponse:
        who = caller()
        messages.check_section(who, request.section)
        size = paging.size_of(request.page.page_size)
        after = paging.places_of(request.page.page_token, [str])
        configuration = await self._present(who)
        places = [place_of(key) for key in configuration.items if key.startswith(f"{request.section}/")]
        wanted = sorted(
            (each for each in places if request.pool_id in ("", each.pool_id)), key=lambda each: each.order
        )
        if after:
            start = place_of(str(after[0])).order
            wanted = [each for each in wanted if each.order > start]
        token = paging.token_of([wanted[size - 1].key]) if len(wanted) > size else ""
        return pb.ListItemsResponse(
            items=[messages.item_of(configuration, each) for each in wanted[:size]],
            page=PageResponse(next_page_token=token),
        )

    async def GetItem(self, request: pb.GetItemRequest, context: Context) -> pb.GetItemResponse:
        who = caller()
        place = messages.named(who, request)
        configuration = await self._present(who)
        if place.key not in configuration.items:
            raise NotFound(place.section.removesuffix("s"), place.item_id)
        return pb.GetItemResponse(item=messages.item_of(configuration, place))

    async def PutItem(self, request: pb.PutItemRequest, context: Context) -> pb.PutItemResponse:
        who = caller()
        place = messages.named(who, request)
        try:
            text = items.text_of(items.read(place, plain_of(request.document)))
        except Wrong as wrong:
            raise messages.invalid_by(list(wrong.problems)) from None
        except ValueError as error:
            raise Invalid(Violation("document", str(error))) from error
        await self._present(who)
        command = Change(puts={place.key: text}, versions=messages.versions_of(request, place))
        event = self._event(who, request.request_id, "PutItem", command)
        configuration = await self._applied(who, event)
        if place.key not in configuration.items:  # the same request again, and the item has gone since
            raise NotFound(place.section.removesuffix("s"), place.item_id)
        return pb.PutItemResponse(item=messages.item_of(configuration, place), change_id=event.id)

    async def RemoveItem(self, request: pb.RemoveItemRequest, context: Context) -> pb.RemoveItemResponse:
        who = caller()
        place = messages.named(who, request)
        await self._present(who)
        busy = await self._busy(who, (place.key,))
        command = Change(removes=(place.key,), versions=messages.versions_of(request, place), busy=busy)
        configuration = await self._change(who, request.request_id, "RemoveItem", command)
        return pb.RemoveItemResponse(version=configuration.version)

    # --- what it stands on

    async def _present(self, who: Caller) -> Configuration:
        """Return the tenant's configuration; one that begins adopts what its pools have been told before."""
        key = Key(who.tenant, ALL)
        stored = (await self._configurations.load([key])).get(key)
        if stored is not None and stored.state.version:
            return stored.state
        known: list[tuple[str, str]] = []
        for pool in await self._pools.of_tenant(who.tenant):
            known += [items.of_pool(each.config) for each in pool.queues.values()]
            known += [items.of_pool(each.config) for each in pool.agents.values()]
        if not known:
            return Configuration()
        command = Adopt(items=dict(known))
        event = Event(follow_id(str(key), "adopt"), who.tenant, self._now(), command, "")
        return await self._applied(who, event)

    async def _all_strategies(self, who: Caller) -> dict[str, StrategyRecord]:
        found = await self._strategies.listed(who.tenant, "", MOST_STRATEGIES)
        return {each.strategy_id: each for each in found if each.versions}

    async def _busy(self, who: Caller, removes: tuple[str, ...]) -> tuple[str, ...]:
        """Return which of the items cannot go now: contacts are in the queue, or the agent is signed in."""
        if not any(place_of(key).pool_id for key in removes):
            return ()
        busy = {key for pool in await self._pools.of_tenant(who.tenant) for key in messages.busy_in(pool)}
        return tuple(key for key in removes if key in busy)

    async def _change(self, who: Caller, request_id: str, method: str, command: Change) -> Configuration:
        return await self._applied(who, self._event(who, request_id, method, command))

    async def _applied(self, who: Caller, event: Event[Fact]) -> Configuration:
        key = Key(who.tenant, ALL)
        stored = await self._apply([(key, event)], self._now())
        return stored[key].state

    def _event(self, who: Caller, request_id: str, method: str, command: Fact) -> Event[Fact]:
        command_id = follow_id(f"{who.tenant}/{request_id}", method) if request_id else str(uuid4())
        journey = follow_id(f"{who.tenant}/{command.key}", "journey")
        return Event(command_id, who.tenant, self._now(), command, journey)


def _check_pools(found: Sequence[differing.Change], records: Mapping[str, StrategyRecord]) -> None:
    """Refuse a strategy that would move before anything is changed: publishing would refuse it too late."""
    for each in found:
        if each.section == STRATEGIES and each.item_id in records and each.after is not None:
            before = records[each.item_id].numbered(0).pool_id
            if json.loads(each.after).get("pool_id", messages.DEFAULT_POOL) != before:
                raise Refused("pool_is_fixed", f"strategy {each.item_id} stays in pool {before}")
