"""Gets the events of a recorded period: from a file, or from the topics."""

import json
from collections.abc import Iterable, Iterator
from contextlib import aclosing, suppress
from datetime import datetime
from pathlib import Path

from libs import wire
from libs.bus_following import Follow, follow
from libs.events.base import AnyEvent
from libs.settings import Settings
from libs.wire import Record, Unreadable
from services.routing.whatif.play import DRAIN, TooMany
from services.routing.whatif.recording import TOPICS, WANTED

MOST_EVENTS_READ = 2_000_000
_WANTED_TYPES = frozenset(each.type.encode() for each in WANTED)


def of_lines(path: Path) -> Iterator[AnyEvent]:
    """
    Yield the events of a file: one CloudEvent in structured JSON a line, each topic in its order.

    :raises Unreadable: a line is no event of the platform.
    """
    with path.open() as lines:
        for line in lines:
            if line.strip():
                yield wire.from_structured(json.loads(line))


async def of_topics(
    settings: Settings,
    tenant: str,
    until: datetime,
    *,
    most: int = MOST_EVENTS_READ,
    opened: Follow = follow,
) -> list[AnyEvent]:
    """
    Return what the topics have of a tenant's routing until a moment, and some hours more for what has begun.

    They are read from their beginning, since a pool is what all of its events have made it.

    :raises TooMany: more than `most` events.
    """
    found: list[AnyEvent] = []
    async with opened(settings, TOPICS, None) as follower, aclosing(follower.rest()) as batches:
        async for records in batches:
            found += [each for each in wanted(records, tenant) if each.time < until + DRAIN]
            if len(found) > most:
                raise TooMany(f"the topics hold more than {most:,} events of routing")
    return found


def wanted(records: Iterable[Record], tenant: str) -> Iterator[AnyEvent]:
    """Yield the events of a tenant that routing reads or tells; bad ones are somebody else's to set aside."""
    name = tenant.encode()
    for record in records:
        headers = dict(record.headers)
        if headers.get("ce_tenant") == name and headers.get("ce_type") in _WANTED_TYPES:
            with suppress(Unreadable):
                yield wire.decode(record.headers, record.value)
