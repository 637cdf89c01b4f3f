"""What the repair service answers: questions and commands about dead letters, to admins and services."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar
from uuid import uuid4

from pydantic import ValidationError

from libs import paging
from libs.apply import Pairs
from libs.clock import Now
from libs.errors import Invalid, NotFound, Violation
from libs.events.base import AnyEvent, Event, follow_id
from libs.mongo import Document
from libs.rpc.common.v1.common_pb2 import PageResponse
from libs.rpc.repair.v1 import repair_pb2 as pb
from libs.rpc.repair.v1.repair_pb2_grpc import RepairServiceServicer
from libs.rpc_caller import SERVICE_ROLE
from libs.rpc_server import Caller, Context, caller
from libs.stored import Key, Stored
from libs.structs import time_of
from services.repair.domain.commands import Command, Discard, Edit, Inspect, Replay
from services.repair.domain.letter import Letter, journey_of
from services.repair.messages import audit_message, letter_message
from services.repair.store import Audit, Letters

ADMIN = "admin"
STATUSES = ("", "open", "replayed", "discarded")
BULK, LARGEST_BULK = 100, 500
C = TypeVar("C", bound=Command)
Obey = Callable[
    [Pairs, datetime], Awaitable[dict[Key, Stored[Letter]]]
]  # an Apply, or what lets through to one


class RepairRpc(RepairServiceServicer):
    """Answers for one tenant's letters; a tenant never sees another's, nor the installation's."""

    def __init__(self, letters: Letters, audit: Audit, obey: Obey, now: Now) -> None:
        self._letters = letters
        self._audit = audit
        self._obey = obey
        self._now = now

    async def ListLetters(self, request: pb.ListLettersRequest, context: Context) -> pb.ListLettersResponse:
        who = allowed()
        if request.everywhere:
            who.require(SERVICE_ROLE)
        size = paging.size_of(request.page.page_size)
        after = paging.places_of(request.page.page_token, [datetime, str])
        tenant = "" if request.everywhere else who.tenant
        found = await self._letters.search(tenant, where_of(request.filter), after, size + 1)
        page, token = found[:size], ""
        if len(found) > size:
            key, last = page[-1]
            assert last.set_aside_at is not None, "what is listed was set aside"
            token = paging.token_of([last.set_aside_at, str(key)])
        return pb.ListLettersResponse(
            letters=[letter_message(key, letter) for key, letter in page],
            page=PageResponse(next_page_token=token),
        )

    async def GetLetter(self, request: pb.GetLetterRequest, context: Context) -> pb.GetLetterResponse:
        who = allowed()
        command = made(Inspect, letter_id=request.letter_id, by=who.subject)
        letter = await self._do(who, command, request.request_id)
        key = Key(who.tenant, letter.letter_id)
        came_back = await self._letters.came_back(key)
        return pb.GetLetterResponse(letter=letter_message(key, letter, whole=True, came_back_as=came_back))

    async def EditLetter(self, request: pb.EditLetterRequest, context: Context) -> pb.EditLetterResponse:
        who = allowed()
        if not (request.HasField("body") or request.headers or request.without_headers):
            raise Invalid(Violation("body", "names nothing to change"))
        command = made(
            Edit,
            letter_id=request.letter_id,
            by=who.subject,
            expected_version=request.expected_version if request.HasField("expected_version") else None,
            body=request.body if request.HasField("body") else None,
            headers=dict(request.headers),
            without_headers=tuple(request.without_headers),
            note=request.note,
        )
        letter = await self._do(who, command, request.request_id)
        return pb.EditLetterResponse(letter=letter_message(Key(who.tenant, letter.letter_id), letter))

    async def ReplayLetter(
        self, request: pb.ReplayLetterRequest, context: Context
    ) -> pb.ReplayLetterResponse:
        who = allowed()
        expected = request.expected_version if request.HasField("expected_version") else None
        command = made(Replay, letter_id=request.letter_id, by=who.subject, expected_version=expected)
        letter = await self._do(who, command, request.request_id)
        return pb.ReplayLetterResponse(letter=letter_message(Key(who.tenant, letter.letter_id), letter))

    async def DiscardLetter(
        self, request: pb.DiscardLetterRequest, context: Context
    ) -> pb.DiscardLetterResponse:
        who = allowed()
        expected = request.expected_version if request.HasField("expected_version") else None
        command = made(
            Discard,
            letter_id=request.letter_id,
            by=who.subject,
            expected_version=expected,
            why=reason_in(request.why),
        )
        letter = await self._do(who, command, request.request_id)
        return pb.DiscardLetterResponse(letter=letter_message(Key(who.tenant, letter.letter_id), letter))

    async def ReplayLetters(
        self, request: pb.ReplayLettersRequest, context: Context
    ) -> pb.ReplayLettersResponse:
        who = allowed()
        found, more = await self._open(who, request.filter, request.limit)
        commands = [made(Replay, letter_id=each, by=who.subject, if_open=True) for each in found]
        done = await self._do_all(who, commands, request.request_id, "replayed")
        return pb.ReplayLettersResponse(replayed=len(done), more=more, letter_ids=done)

    async def DiscardLetters(
        self, request: pb.DiscardLettersRequest, context: Context
    ) -> pb.DiscardLettersResponse:
        who = allowed()
        why = reason_in(request.why)
        found, more = await self._open(who, request.filter, request.limit)
        commands = [made(Discard, letter_id=each, by=who.subject, why=why, if_open=True) for each in found]
        done = await self._do_all(who, commands, request.request_id, "discarded")
        return pb.DiscardLettersResponse(discarded=len(done), more=more, letter_ids=done)

    async def ListAudit(self, request: pb.ListAuditRequest, context: Context) -> pb.ListAuditResponse:
        who = allowed()
        key = Key(who.tenant, request.letter_id)
        if await self._letters.get(key) is None:
            raise NotFound("dead_letter", request.letter_id)
        size = paging.size_of(request.page.page_size)
        after = paging.places_of(request.page.page_token, [datetime, str])
        lines = await self._audit.of_letter(key, after, size + 1)
        token = (
            paging.token_of([lines[size - 1]["time"], lines[size - 1]["_id"]]) if len(lines) > size else ""
        )
        return pb.ListAuditResponse(
            lines=[audit_message(line) for line in lines[:size]], page=PageResponse(next_page_token=token)
        )

    async def _open(self, who: Caller, filter_: pb.Filter, limit: int) -> tuple[list[str], bool]:
        """Return open letters of a topic, and whether there are more."""
        if not filter_.topic:
            raise Invalid(Violation("filter.topic", "must be given"))
        if filter_.status not in ("", "open"):
            raise Invalid(Violation("filter.status", "only open letters can be dealt with"))
        if not 0 <= limit <= LARGEST_BULK:
            raise Invalid(Violation("limit", f"must be 0 to {LARGEST_BULK}"))
        size = limit or BULK
        where = where_of(filter_) | {"ix.status": "open"}
        found = await self._letters.search(who.tenant, where, (), size + 1)
        return [key.id for key, _ in found[:size]], len(found) > size

    async def _do(self, who: Caller, command: Command, request_id: str) -> Letter:
        key = Key(who.tenant, command.letter_id)
        event = self._event(who, command, request_id)
        return (await self._obey([(key, event)], self._now()))[key].state

    async def _do_all(self, who: Caller, commands: list[C], request_id: str, status: str) -> list[str]:
        """Do the same to many letters at once; return those that came to have the status."""
        pairs = [
            (Key(who.tenant, command.letter_id), self._event(who, command, request_id))
            for command in commands
        ]
        done = await self._obey(pairs, self._now()) if pairs else {}
        return [key.id for key, stored in done.items() if stored.state.status == status]

    def _event(self, who: Caller, command: Command, request_id: str) -> AnyEvent:
        what = f"{command.type}/{command.letter_id}"
        command_id = (
            follow_id(f"{who.tenant}/{who.subject}/{request_id}", what) if request_id else str(uuid4())
        )
        journey = journey_of(who.tenant, command.letter_id)
        return Event(command_id, who.tenant, self._now(), command, journey)


def allowed() -> Caller:
    """Return who calls. :raises Forbidden: neither an admin nor a service."""
    who = caller()
    who.require(ADMIN, SERVICE_ROLE)
    return who


def made(kind: type[C], **fields: object) -> C:
    """Return the command. :raises Invalid: naming each field that is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise Invalid(
            *(
                Violation(".".join(map(str, each["loc"])), each["msg"])
                for each in error.errors(include_input=False, include_url=False)
            )
        ) from None


def reason_in(why: str) -> str:
    """Return the reason given. :raises Invalid: none is."""
    if not why.strip():
        raise Invalid(Violation("why", "must say why the letter is of no use"))
    return why.strip()


def where_of(wanted: pb.Filter) -> Document:
    """Return the filter as the store has it. :raises Invalid: there is no such status."""
    if wanted.status not in STATUSES:
        raise Invalid(Violation("filter.status", f"must be one of {', '.join(STATUSES[1:])}"))
    where: Document = {
        f"ix.{name}": str(getattr(wanted, name))
        for name in ("topic", "reason", "status")
        if getattr(wanted, name)
    }
    span: Document = {}
    if wanted.HasField("from_time"):
        span["$gte"] = time_of(wanted.from_time)
    if wanted.HasField("to_time"):
        span["$lt"] = time_of(wanted.to_time)
    return where | ({"ix.at": span} if span else {})
