"""
Look at dead letters and try them again.

python -m libs.dead_letters list TOPIC
python -m libs.dead_letters replay TOPIC [--reason REASON]

A replayed record goes to the topic it came from; readers that had applied it before know its id.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from uuid import uuid4

from libs import bus
from libs.events.catalogue import dead_letters_of
from libs.reading import Bus, HandleRecords, without_dead_letter_marks
from libs.settings import Settings
from libs.wire import Record

QUIET_S = 3.0  # nothing more has come for so long: that was all


async def replay(a_bus: Bus, topic: str, reason: str = "", *, quiet_s: float = QUIET_S) -> Counter[str]:
    """
    Publish the dead letters of `topic` that were not replayed before once more, and count them by reason.

    What was replayed is remembered as the offset of the group "dead-letters-replay"; with a `reason`, letters
    of other reasons stay where they are but are passed by.
    """
    counted: Counter[str] = Counter()

    async def handle(records: Sequence[Record]) -> None:
        again = [record for record in records if reason in ("", reason_of(record))]
        await a_bus.publish_records([without_dead_letter_marks(record, topic) for record in again])
        counted.update(reason_of(record) for record in again)

    group = "dead-letters-replay" + (f"-{reason}" if reason else "")
    await _until_quiet(a_bus, group, topic, handle, quiet_s)
    return counted


async def listing(a_bus: Bus, topic: str, run: str, *, quiet_s: float = QUIET_S) -> list[Record]:
    """Return all dead letters of `topic`; `run` makes the reading group's name unique."""
    found: list[Record] = []

    async def handle(records: Sequence[Record]) -> None:
        found.extend(records)

    await _until_quiet(a_bus, f"dead-letters-list-{run}", topic, handle, quiet_s)
    return found


async def _until_quiet(a_bus: Bus, group: str, topic: str, handle: HandleRecords, quiet_s: float) -> None:
    """Read a topic's dead letters until none has come for a while."""
    steps = count()
    latest = next(steps)

    async def note(records: Sequence[Record]) -> None:
        nonlocal latest
        await handle(records)
        latest = next(steps)

    task = asyncio.create_task(a_bus.consume_records(group, [dead_letters_of(topic)], note))
    try:
        seen = -1
        while seen != latest:
            seen = latest
            await asyncio.sleep(quiet_s)
            if task.done():
                await task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def reason_of(record: Record) -> str:
    """Return why a record was set aside."""
    return dict(record.headers).get("dlq_reason", b"").decode("utf-8", "replace")


async def main(action: str, topic: str, reason: str) -> None:
    settings = Settings()
    async with bus.connect(settings, "/trunkline/dead-letters") as a_bus:
        # A group that nobody has used needs a moment until it is given its partitions.
        if action == "replay":
            counted = await replay(a_bus, topic, reason, quiet_s=8)
            print(f"{counted.total()} replayed", *(f"{n} x {why}" for why, n in counted.items()), sep="\n  ")
        else:
            for record in await listing(a_bus, topic, str(uuid4()), quiet_s=8):
                headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
                shown = ("ce_id", "ce_type", "ce_tenant", "dlq_reason", "dlq_detail", "dlq_group")
                print(record.offset, *(f"{name}={headers.get(name, '')}" for name in shown))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Look at dead letters and try them again.")
    parser.add_argument("action", choices=["list", "replay"])
    parser.add_argument("topic", help='the topic they came from, e.g. "trunkline.interaction"')
    parser.add_argument("--reason", default="", help="only those set aside for this reason")
    chosen = parser.parse_args()
    asyncio.run(main(chosen.action, chosen.topic, chosen.reason))
