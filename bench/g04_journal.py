"""G4: an event on its topic, durable in the journal of journeys, its offset committed."""

from collections.abc import Sequence
from typing import Any

import orjson
from pymongo import IndexModel

from bench.g03_bus import TOPIC, page
from bench.harness import Figure, Stage, compare
from bench.reading import by_hand, by_the_library, fill, fresh_database, naively, nothing
from libs import topics
from libs.events import visitor
from services.session.journal import Journal

EVENTS = 20_000
ONE_BY_ONE = 300
KEYS = IndexModel([("tenant", 1), ("keys", 1), ("time", 1), ("sequence", 1), ("event_id", 1)])


def line(row: Any) -> dict[str, Any]:
    """Return a record as one would keep it by hand: what it is found by, and its data as text."""
    attributes = {name: value.decode() for name, value in row.headers}
    data = orjson.loads(row.value)
    return {
        "_id": f"{attributes['ce_tenant']}/{attributes['ce_id']}",
        "event_id": attributes["ce_id"],
        "tenant": attributes["ce_tenant"],
        "keys": [f"j:{attributes['ce_correlationid']}", f"v:{data['visitor_id']}"],
        "time": attributes["ce_time"],
        "sequence": int(attributes["ce_sequence"]),
        "type": attributes["ce_type"],
        "data": row.value.decode(),
    }


async def run(stage: Stage) -> list[Figure]:
    """Compare the journal's reader with reading alone, with a loop by hand, and with one event at a time."""
    settings = stage.settings()
    await topics.create(settings)
    await fill(settings, (page(number) for number in range(EVENTS)))

    async def ours() -> float:
        async with fresh_database(stage) as database:
            journal = Journal(database)
            await journal.create_indexes()
            rate = await by_the_library(settings, [visitor.PageViewed], journal, EVENTS)
            assert await database["journal"].estimated_document_count() == EVENTS
            return rate

    async def hand_written() -> float:
        async with fresh_database(stage) as database:
            lines = database["lines"]
            await lines.create_indexes([KEYS])

            async def append(rows: Sequence[Any]) -> None:
                await lines.insert_many([line(row) for row in rows], ordered=False)

            return await by_hand(settings, TOPIC, append, EVENTS)

    async def one_at_a_time() -> float:
        async with fresh_database(stage) as database:
            lines = database["lines"]
            await lines.create_indexes([KEYS])

            async def append(row: Any) -> None:
                await lines.insert_one(line(row))

            return await naively(settings, TOPIC, append, ONE_BY_ONE)

    rates = await compare(
        {
            "the journal": ours,
            "raw aiokafka getmany + commit": lambda: by_hand(settings, TOPIC, nothing, EVENTS),
            "a loop by hand, insert_many": hand_written,
            "a naive loop, insert_one": one_at_a_time,
        },
        warm_up=False,
    )
    rates.show()
    return [
        rates.figure("G4", "the journal", "raw aiokafka getmany + commit", 0.06),
        rates.figure("G4", "the journal", "a loop by hand, insert_many", 0.75),
        rates.figure("G4", "the journal", "a naive loop, insert_one", 45),
    ]
