"""
Compute projections of a service anew from the topics: python -m services.rebuild SERVICE [--force]

Prints how both versions compare. Exits with 1, keeping the live one, where they differ and it is not forced,
or where they differ and the first records are gone from broker and archive.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from importlib import import_module

from libs import bus, mongo, objects
from libs.bus_following import Follow, follow
from libs.pause import NotQuiet
from libs.projections import Rebuildable
from libs.rebuild import Rebuild, Unsure
from libs.settings import Settings
from libs.wire import Record
from services.analytics import refill

REBUILT = ("analytics", "session", "repair")
# What is no projection: it decides, or is told by calls, so that topics alone do not lead to it.
WHY_NOT = {
    "routing": "pools decide who gets whom and when time is out: restore the database",
    "ivr": "flows are published by calls, and dialogues decide: restore the database",
    "crm_context": "customers are recorded by calls, and no fact holds all of one: restore the database",
    "workflow": "tickets are made by calls and by time-outs that decide: restore the database",
    "recording": "recordings hold media, holds and erasures that came by calls: restore database and objects",
    "gateway": "streams number frames as clients saw them come; they live 7 days",
}


async def rebuild(
    settings: Settings, service: str, *, force: bool, archive: bool, opened: Follow = follow
) -> int:
    """Do it, and return the exit code."""
    if service not in REBUILT:
        why = WHY_NOT.get(service, f"there is no such service; rebuilt can be: {', '.join(REBUILT)}")
        print(f"{service} is not rebuilt from topics: {why}", file=sys.stderr)
        return 2
    what: Rebuildable = import_module(f"services.{service}.rebuilding").PROJECTIONS
    kept = objects.of(settings)

    async def older(topic: str) -> AsyncGenerator[list[Record]]:
        async for records in refill.batches(kept, topic, refill.Wanted(), set(), placed=True):
            yield records

    async with (
        mongo.connect(settings.mongo_url, settings.database_of(service)) as database,
        bus.connect(settings, f"/trunkline/{service}") as a_bus,
    ):
        try:
            one = Rebuild(what, settings, database, a_bus, older, opened=opened)
            in_force = await one.run(force=force, archive=archive)
        except (Unsure, NotQuiet) as error:
            print(f"nothing has changed: {error}", file=sys.stderr)
            return 1
    return 0 if in_force else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compute a service's projections anew from the topics.")
    parser.add_argument("service")
    parser.add_argument("--force", action="store_true", help="exchange them although they differ")
    parser.add_argument(
        "--archive", action="store_true", help="read the archive first, whatever the broker has"
    )
    chosen = parser.parse_args()
    sys.exit(asyncio.run(rebuild(Settings(), chosen.service, force=chosen.force, archive=chosen.archive)))
