"""The one checker: waits until the platform has come to rest, gathers the evidence, applies the rules."""

import asyncio
import hashlib
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import psutil

from deploy.dev.demo.door import Door
from libs import clock
from tests.faults.acknowledged import AcknowledgementLog
from tests.faults.evidence import CLOSED, Evidence, Finding, ends_of
from tests.faults.house import House
from tests.faults.rules import check
from tests.faults.takeover import places_of
from tests.faults.topics import Row, committed

SETTLES_WITHIN_S = 60.0
TRICKLE = 10  # records between two looks: deadlines of tickets and sessions of an hour ago go on coming
TOLD_WITHIN = timedelta(seconds=10)
# What nobody may find in a log: tokens, phone numbers of seeded customers, words of conversations.
SECRETS = ("eyJhbGciOi", "+861380000", "很高兴为您服务", "请帮我查一下")


async def judge(house: House, log: AcknowledgementLog) -> list[Finding]:
    """
    Return what every rule finds once the platform has come to rest: nothing more is told, all holds.

    What does not hold is looked at again for as long as it may take to settle; then it is a breach.
    """
    began = time.monotonic()
    read: set[tuple[str, str]] = set()
    told = -1
    ends: dict[tuple[str, int], int] = {}
    while True:
        evidence = await _gather(house, log, read)
        evidence.reached = ends
        ends = ends_of(evidence.rows)
        evidence.settled_s = time.monotonic() - began
        findings = await asyncio.to_thread(check, evidence)
        is_quiet, told = 0 <= told >= len(evidence.rows) - TRICKLE, len(evidence.rows)
        holds = not any(each.breaches for each in findings) and log.contacts <= _closed(evidence.rows)
        if (is_quiet and holds) or evidence.settled_s > SETTLES_WITHIN_S:
            return findings
        await asyncio.sleep(1)


async def _gather(house: House, log: AcknowledgementLog, read: set[tuple[str, str]]) -> Evidence:
    read |= await asyncio.to_thread(_topics_read, house)
    offsets = await _offsets(house, read)
    untold = await asyncio.to_thread(_untold, house)
    report = await _report(house)
    return Evidence(
        log,
        await house.rows(),  # after the offsets: so none of these can be ahead
        poison=house.poison,
        report=report,
        objects=dict(_objects(house)),
        committed=offsets,
        untold=untold,
        memory=_memory(house),
        log_lines=list(_log_lines(house)),
        secrets=(*SECRETS, house.stack.env["TRUNKLINE_SERVICE_SECRET"], *house.canaries.values()),
        canaries=house.canaries,
        settles_within_s=SETTLES_WITHIN_S,
    )


def _closed(rows: Sequence[Row]) -> set[str]:
    return {row.data["interaction_id"] for row in rows if row.name == CLOSED}


def _topics_read(house: House) -> set[tuple[str, str]]:
    """Return which group reads which topics, by the processes' own metrics."""
    found = {place for name in house.stack.names for place in places_of(house, name)}
    return {(group, topic) for group, _, topic in found}


async def _offsets(house: House, read: set[tuple[str, str]]) -> dict[tuple[str, str, int], int]:
    topics: dict[str, set[str]] = {}
    for group, topic in read:
        topics.setdefault(group, set()).add(topic)
    found: dict[tuple[str, str, int], int] = {}
    for group, names in topics.items():
        offsets = await committed(house.broker.address, group, names)
        found |= {(group, *place): offset for place, offset in offsets.items()}
    return found


def _untold(house: House) -> dict[str, int]:
    """Return how many aggregates of each collection hold facts that have not been told in time."""
    before = clock.now() - TOLD_WITHIN
    prefix = house.stack.env["TRUNKLINE_MONGO_DATABASE_PREFIX"]
    found: dict[str, int] = {}
    with house.mongo_admin() as client:
        for name in client.list_database_names():
            if name.startswith(prefix):
                for collection in client[name].list_collection_names():
                    count = client[name][collection].count_documents({"untold_at": {"$lt": before}})
                    found[f"{name.removeprefix(prefix)}.{collection}"] = count
    return found


def _objects(house: House) -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield length and checksum of each content in the object store, by recording and checksum."""
    folder = house.stack.folder / "objects" / "recordings"
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            yield f"{file.parent.name}/{file.name}", (len(content), hashlib.sha256(content).hexdigest())


def _memory(house: House) -> dict[str, int]:
    return {
        name: psutil.Process(pid).memory_info().rss
        for name in house.stack.names
        for pid in house.pids([name])
    }


def _log_lines(house: House) -> Iterator[tuple[str, str]]:
    for file in sorted((house.stack.folder / "logs").glob("*.log")):
        for line in file.read_text(errors="replace").splitlines():
            yield file.stem, line


async def _report(house: House) -> dict[str, float]:
    door = house.door()
    try:
        return await _figures(door, await door.token("admin1"))
    finally:
        await door.close()


async def _figures(door: Door, token: str) -> dict[str, float]:
    start = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    query: dict[str, str | int] = {
        "from": start.isoformat(),
        "to": (start + timedelta(days=3)).isoformat(),
        "dimension": "tenant",
        "interval": 0,
    }
    report: dict[str, Any] = await door.get("/v1/reports", token, query)
    return dict(report["total"]["figures"])
