"""
Deal with dead letters from a shell that knows the service secret: python -m services.repair.command

list [--topic T] [--reason R] [--status S] [--tenant T]     of every tenant and of the installation
show ID · audit ID                                         with content; the look is audited
edit ID [--data FILE] [--header NAME=TEXT] [--without NAME] [--note TEXT]
replay ID · replay --topic T [--reason R]                  once; with a topic, all that are open
discard ID --why TEXT · discard --topic T [--reason R] --why TEXT

A letter is named by its id, or by the first characters of it.
"""

import argparse
import asyncio
import getpass
import re
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from libs import clock, rpc_client
from libs.errors import Refusal
from libs.rpc.common.v1.common_pb2 import PageRequest
from libs.rpc.repair.v1 import repair_pb2 as pb
from libs.rpc.repair.v1.repair_pb2_grpc import RepairServiceStub
from libs.rpc_caller import SERVICE_ROLE, Caller, acting_for
from libs.structs import time_of
from services.repair.domain.letter import NOBODY
from services.repair.settings import Settings

PAGE, AT_ONCE = 500, 500
SHOWN_ID = 12
Row = pb.Letter


class NotOne(Exception):
    """No letter, or more than one, has an id that begins so."""


class Desk:
    """Calls the repair service in the name of whoever sits at the shell."""

    def __init__(self, stub: RepairServiceStub, operator: str) -> None:
        self._stub = stub
        self._operator = operator

    def of(self, tenant: str) -> Caller:
        return Caller(tenant or NOBODY, self._operator, frozenset({SERVICE_ROLE}))

    async def letters(self, wanted: argparse.Namespace) -> AsyncIterator[pb.Letter]:
        """Yield the letters that fit, the latest first."""
        filter_ = pb.Filter(topic=wanted.topic, reason=wanted.reason, status=wanted.status)
        token = ""
        while True:
            page = PageRequest(page_size=PAGE, page_token=token)
            request = pb.ListLettersRequest(filter=filter_, page=page, everywhere=not wanted.tenant)
            with acting_for(self.of(wanted.tenant)):
                found = await self._stub.ListLetters(request, timeout=20)
            for letter in found.letters:
                yield letter
            token = found.page.next_page_token
            if not token:
                return

    async def one(self, name: str, wanted: argparse.Namespace) -> pb.Letter:
        """Return the letter whose id begins so. :raises NotOne: it is not one."""
        found = [each async for each in self.letters(wanted) if each.letter_id.startswith(name)]
        if len(found) != 1:
            raise NotOne(f"{len(found)} letters have an id that begins with {name}")
        return found[0]

    async def show(self, letter: pb.Letter) -> pb.Letter:
        with acting_for(self.of(letter.tenant)):
            return (await self._stub.GetLetter(pb.GetLetterRequest(letter_id=letter.letter_id))).letter

    async def audit(self, letter: pb.Letter) -> list[pb.AuditLine]:
        request = pb.ListAuditRequest(letter_id=letter.letter_id, page=PageRequest(page_size=PAGE))
        with acting_for(self.of(letter.tenant)):
            return list((await self._stub.ListAudit(request)).lines)

    async def edit(self, letter: pb.Letter, asked: argparse.Namespace) -> pb.Letter:
        request = pb.EditLetterRequest(
            letter_id=letter.letter_id,
            body=asked.data.read_bytes() if asked.data else None,
            headers=dict(each.partition("=")[::2] for each in asked.header),
            without_headers=asked.without,
            note=asked.note,
            expected_version=letter.version,
        )
        with acting_for(self.of(letter.tenant)):
            return (await self._stub.EditLetter(request)).letter

    async def close(self, letter: pb.Letter, why: str) -> pb.Letter:
        """Replay a letter, or discard it where a reason is given."""
        with acting_for(self.of(letter.tenant)):
            if why:
                discard = pb.DiscardLetterRequest(letter_id=letter.letter_id, why=why)
                return (await self._stub.DiscardLetter(discard)).letter
            return (await self._stub.ReplayLetter(pb.ReplayLetterRequest(letter_id=letter.letter_id))).letter

    async def close_all(self, wanted: argparse.Namespace, why: str) -> int:
        """Replay all open letters that fit, tenant by tenant, or discard them; return how many."""
        wanted.status = "open"
        tenants = {each.tenant async for each in self.letters(wanted)}
        filter_ = pb.Filter(topic=wanted.topic, reason=wanted.reason)
        count = 0
        for tenant in sorted(tenants):
            more = True
            while more:
                with acting_for(self.of(tenant)):
                    if why:
                        discards = pb.DiscardLettersRequest(filter=filter_, why=why, limit=AT_ONCE)
                        discarded = await self._stub.DiscardLetters(discards, timeout=60)
                        done, more = discarded.discarded, discarded.more
                    else:
                        replays = pb.ReplayLettersRequest(filter=filter_, limit=AT_ONCE)
                        replayed = await self._stub.ReplayLetters(replays, timeout=60)
                        done, more = replayed.replayed, replayed.more
                count += done
                more = more and done > 0
        return count


def row(letter: pb.Letter) -> str:
    """Return a letter as one line; nothing of its content."""
    at = time_of(letter.set_aside_at)
    words = [
        letter.letter_id[:SHOWN_ID],
        f"{at:%Y-%m-%d %H:%M:%S}",
        letter.tenant or "(installation)",
        letter.topic,
        letter.status + (" edited" if letter.edited else ""),
        letter.reason,
        letter.detail,
        letter.event_type,
        letter.event_id,
    ]
    return "  ".join(word or "-" for word in words)


def whole(letter: pb.Letter) -> str:
    """Return all of a letter."""
    lines = [row(letter), f"id {letter.letter_id}, version {letter.version}, {letter.size_bytes} bytes"]
    lines += [f"set aside by {letter.set_aside_by} at {', '.join(letter.places)}"]
    lines += [f"a replay of {letter.replay_of}"] if letter.replay_of else []
    lines += [f"came back as {', '.join(letter.came_back_as)}"] if letter.came_back_as else []
    for name in ("original", "repaired"):
        if letter.HasField(name):
            content: pb.Content = getattr(letter, name)
            lines += [f"--- {name}", *(f"{each.name}: {each.text}" for each in content.headers), content.text]
    return "\n".join(lines)


def line(entry: pb.AuditLine) -> str:
    at = time_of(entry.time)
    change = f"{entry.before_sha256[:SHOWN_ID]} -> {entry.after_sha256[:SHOWN_ID]}"
    return f"{at:%Y-%m-%d %H:%M:%S}  {entry.what}  {entry.by}  {change}  {entry.note}".rstrip()


async def run(asked: argparse.Namespace, desk: Desk) -> int:
    """Do what the command line says, and return the exit code."""
    if asked.action == "list":
        count = 0
        async for letter in desk.letters(asked):
            print(row(letter))
            count += 1
        print(f"{count} dead letters")
        return 0
    if asked.action in ("replay", "discard") and not asked.letter:
        if not asked.topic:
            print("name a letter, or a --topic", file=sys.stderr)
            return 2
        print(f"{await desk.close_all(asked, asked.why)} {asked.action}ed")
        return 0
    letter = await desk.one(asked.letter, asked)
    match asked.action:
        case "show":
            print(whole(await desk.show(letter)))
        case "audit":
            print(*map(line, await desk.audit(letter)), sep="\n")
        case "edit":
            print(row(await desk.edit(letter, asked)))
        case _:
            print(row(await desk.close(letter, asked.why)))
    return 0


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dead-letters", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["list", "show", "audit", "edit", "replay", "discard"])
    parser.add_argument("letter", nargs="?", default="")
    parser.add_argument("--data", type=Path, metavar="FILE")
    for name in ("topic", "reason", "status", "tenant", "note", "why"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--header", action="append", default=[], metavar="NAME=TEXT")
    parser.add_argument("--without", action="append", default=[], metavar="NAME")
    asked = parser.parse_args(words)
    if asked.action == "discard" and not asked.why.strip():
        parser.error("discard wants --why")
    if asked.action == "replay" and asked.why:
        parser.error("--why is for discard")
    if asked.action in ("show", "audit", "edit") and not asked.letter:
        parser.error(f"{asked.action} wants the id of a letter")
    return asked


async def main(words: Sequence[str], settings: Settings) -> int:
    asked = arguments(words)
    operator = f"operator:{re.sub(r'[^A-Za-z0-9._-]', '-', getpass.getuser())[:64]}"
    async with rpc_client.channel(
        settings.repair_address, settings.service_secret, "dead-letters", clock.now
    ) as channel:
        try:
            return await run(asked, Desk(RepairServiceStub(channel), operator))
        except (Refusal, NotOne) as refusal:
            print(refusal, file=sys.stderr)
            return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:], Settings())))
