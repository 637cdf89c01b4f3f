"""The configuration in the words of the gRPC contract, and what a request may ask of it."""

import json
from collections.abc import Mapping
from typing import Any

from libs.documents import Problem
from libs.errors import Forbidden, Invalid, Violation
from libs.rpc.routing.v1 import configuration_pb2 as pb
from libs.rpc_caller import SERVICE_ROLE, Caller
from libs.rpc_roles import ADMIN, MANAGER, SUPERVISOR
from libs.structs import struct_of, value_of
from services.routing.domain.configuration import differing, document
from services.routing.domain.configuration.changing import Configuration
from services.routing.domain.configuration.document import File
from services.routing.domain.configuration.items import IN_POOLS, SECTIONS, Place
from services.routing.domain.model import Pool
from services.routing.domain.strategy.publishing import StrategyRecord

DEFAULT_POOL = "main"
FORMATS = {"": False, "yaml": False, "json": True}  # whether it is JSON
OPEN = frozenset({"skills", "calendars", "reasons"})  # to all staff; the others say much about agents
SEES_ALL = frozenset({SUPERVISOR, MANAGER, ADMIN, SERVICE_ROLE})


def busy_in(pool: Pool) -> set[str]:
    """Return the keys of the queues with contacts in them, and of the agents who are signed in."""
    queues = {each.queue_id for each in pool.contacts.values()}
    queues |= {held.queue_id for agent in pool.agents.values() for held in agent.holds.values()}
    signed_in = {agent_id for agent_id, each in pool.agents.items() if each.signed_in}
    return {Place("queues", pool.pool_id, each).key for each in queues} | {
        Place("agents", pool.pool_id, each).key for each in signed_in
    }


def check_section(who: Caller, section: str) -> None:
    if section not in SECTIONS:
        raise Invalid(Violation("section", f"must be one of {', '.join(SECTIONS)}"))
    if section not in OPEN and who.roles.isdisjoint(SEES_ALL):
        raise Forbidden("section_closed", f"the {section} are shown to supervisors and administrators")


def named(who: Caller, request: pb.GetItemRequest | pb.PutItemRequest | pb.RemoveItemRequest) -> Place:
    check_section(who, request.section)
    pool_id = (request.pool_id or DEFAULT_POOL) if request.section in IN_POOLS else ""
    return Place(request.section, pool_id, request.item_id)


def versions_of(request: pb.PutItemRequest | pb.RemoveItemRequest, place: Place) -> dict[str, int]:
    return {place.key: request.expected_version} if request.HasField("expected_version") else {}


def is_json(form: str) -> bool:
    if form not in FORMATS:
        raise Invalid(Violation("format", "must be yaml or json"))
    return FORMATS[form]


def in_force(records: Mapping[str, StrategyRecord]) -> dict[str, str]:
    return {name: document.canonical_strategy(each.versions[-1].document) for name, each in records.items()}


def version_of(configuration: Configuration, records: Mapping[str, StrategyRecord]) -> int:
    """Return a number that grows with every change of what a file holds."""
    return configuration.version + sum(each.version for each in records.values())


def invalid_by(problems: list[Problem]) -> Invalid:
    return Invalid(*(Violation(each.path, each.en) for each in problems))


def with_lines(file: File, invalid: Invalid) -> Invalid:
    """Return what is wrong with items of a file, with the lines where they are."""
    return Invalid(
        *(
            Violation(each.field, file.placed.said(tuple(each.field.split(".")), each.text), each.reason)
            for each in invalid.violations
        )
    )


def item_of(configuration: Configuration, place: Place) -> pb.ConfiguredItem:
    kept = configuration.items[place.key]
    return pb.ConfiguredItem(
        section=place.section,
        pool_id=place.pool_id,
        item_id=place.item_id,
        document=struct_of(json.loads(kept.text)),
        version=kept.version,
    )


def change_of(change: differing.Change) -> pb.ConfigurationChange:
    return pb.ConfigurationChange(
        section=change.section,
        pool_id=change.pool_id,
        item_id=change.item_id,
        change=change.kind,
        fields=[_field_of(each) for each in change.fields()],
    )


def _field_of(change: differing.FieldChange) -> pb.FieldChange:
    sides: dict[str, Any] = {"before": change.before, "after": change.after}
    return pb.FieldChange(
        field=change.path, **{name: value_of(side) for name, side in sides.items() if side is not None}
    )
