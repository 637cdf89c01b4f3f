"""Dead letters: records that were set aside, for those who put things right."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, Name, NameQuery, answer
from gateway.openapi import body, gives
from gateway.rest import router
from libs.errors import Invalid, Violation
from libs.rpc.repair.v1 import repair_pb2 as pb
from libs.structs import stamp

routes = router("dead letters")
Reason = Annotated[str, Field(min_length=1, max_length=256)]
TopicText = Annotated[str, Field(pattern=r"^[a-z0-9._-]{1,128}$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:@+=~-]{1,64}$")]
HeaderText = Annotated[str, Field(max_length=1024)]


class RepairBody(BaseModel):
    """What the letter shall be: the event's data as a whole, and headers by name; null takes one away."""

    model_config = body(
        data={"interaction_id": "in-1001", "channel": "chat", "entry_point": "web-chat"},
        headers={"ce_type": "trunkline.interaction.started.v1"},
        note="channel was missing",
    )
    data: dict[str, Any] | None = None
    headers: Annotated[dict[HeaderName, HeaderText | None], Field(max_length=50)] = {}
    note: Annotated[str, Field(max_length=256)] = ""

    def content(self) -> bytes | None:
        """Return the data as JSON, None where none is given. :raises Invalid: it is none."""
        try:
            return None if self.data is None else orjson.dumps(self.data)
        except TypeError:
            raise Invalid(Violation("data", "holds a number or a text that JSON cannot carry")) from None


class DiscardBody(BaseModel):
    """Why the letter is of no use."""

    model_config = body(why="a test of the adapter's maker")
    why: Reason


class WantedBody(BaseModel):
    """Which open letters to deal with: those of one topic, and of one reason where it is given."""

    model_config = body(topic="trunkline.interaction", reason="unknown_interaction", limit=100)
    topic: TopicText
    reason: Annotated[str, Field(max_length=256)] = ""
    from_time: AwareDatetime | None = None
    to_time: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100

    def filter(self) -> pb.Filter:
        return filter_of(self.topic, self.reason, "open", self.from_time, self.to_time)


class DiscardManyBody(WantedBody):
    """Which open letters to discard, and why."""

    model_config = body(topic="trunkline.visitor", reason="bad_data", why="an adapter under test", limit=100)
    why: Reason


def filter_of(
    topic: str, reason: str, status: str, from_time: datetime | None, to_time: datetime | None
) -> pb.Filter:
    try:
        span = {"from_time": stamp(from_time), "to_time": stamp(to_time)}
    except (ValueError, OverflowError):
        raise Invalid(Violation("from_time", "is out of range")) from None
    return pb.Filter(topic=topic, reason=reason, status=status, **span)


@routes.get("/dead-letters", operation_id="list_dead_letters", **gives(pb.Letter, listed=True))
async def list_dead_letters(
    ask: Ask,
    topic: NameQuery = "",
    reason: NameQuery = "",
    status: Annotated[str, Query(pattern="^(open|replayed|discarded|)$")] = "",
    from_time: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    to_time: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Find dead letters, the latest in front. The list shows nothing of their content."""
    request = pb.ListLettersRequest(
        filter=filter_of(topic, reason, status, from_time, to_time), page=ask.page(limit, cursor)
    )
    found = await ask.services.repair.ListLetters(request)
    return ask.listed(found.letters, found.page)


@routes.post("/dead-letters/replay", operation_id="replay_dead_letters", **gives(pb.ReplayLettersResponse))
async def replay_dead_letters(ask: Ask, wanted: WantedBody) -> Response:
    """Replay open letters that fit, at most `limit` of them; `more` says that others are left."""
    request = pb.ReplayLettersRequest(filter=wanted.filter(), limit=wanted.limit, request_id=ask.request_id)
    return answer(await ask.services.repair.ReplayLetters(request))


@routes.post("/dead-letters/discard", operation_id="discard_dead_letters", **gives(pb.DiscardLettersResponse))
async def discard_dead_letters(ask: Ask, wanted: DiscardManyBody) -> Response:
    """Discard open letters that fit, at most `limit` of them, with one reason for all."""
    request = pb.DiscardLettersRequest(
        filter=wanted.filter(), why=wanted.why, limit=wanted.limit, request_id=ask.request_id
    )
    return answer(await ask.services.repair.DiscardLetters(request))


@routes.get("/dead-letters/{letter_id}", operation_id="get_dead_letter", **gives(pb.Letter))
async def get_dead_letter(ask: Ask, letter_id: Name) -> Response:
    """Return one letter with its content: bytes in base64, and as text. The look is audited."""
    found = await ask.services.repair.GetLetter(pb.GetLetterRequest(letter_id=letter_id))
    return answer(found.letter)


@routes.patch("/dead-letters/{letter_id}", operation_id="change_dead_letter", **gives(pb.Letter))
async def change_dead_letter(ask: Ask, letter_id: Name, repair: RepairBody) -> Response:
    """
    Repair an open letter; the original is kept. If-Match guards against overwriting.

    The result must be an event of the letter's topic: its type, its schema, its size; tenant and event id
    stay what they were.
    """
    request = pb.EditLetterRequest(
        letter_id=letter_id,
        body=repair.content(),
        headers={name: text for name, text in repair.headers.items() if text is not None},
        without_headers=[name for name, text in repair.headers.items() if text is None],
        note=repair.note,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.repair.EditLetter(request)).letter)


@routes.post("/dead-letters/{letter_id}/replay", operation_id="replay_dead_letter", **gives(pb.Letter))
async def replay_dead_letter(ask: Ask, letter_id: Name) -> Response:
    """Send a letter to its topic, once, under the event id it has; a second time is a conflict."""
    request = pb.ReplayLetterRequest(
        letter_id=letter_id, request_id=ask.request_id, expected_version=ask.expected_version
    )
    return answer((await ask.services.repair.ReplayLetter(request)).letter)


@routes.post("/dead-letters/{letter_id}/discard", operation_id="discard_dead_letter", **gives(pb.Letter))
async def discard_dead_letter(ask: Ask, letter_id: Name, command: DiscardBody) -> Response:
    """Put a letter away for good."""
    request = pb.DiscardLetterRequest(
        letter_id=letter_id,
        why=command.why,
        request_id=ask.request_id,
        expected_version=ask.expected_version,
    )
    return answer((await ask.services.repair.DiscardLetter(request)).letter)


@routes.get(
    "/dead-letters/{letter_id}/audit",
    operation_id="list_dead_letter_audit",
    **gives(pb.AuditLine, listed=True),
)
async def list_dead_letter_audit(
    ask: Ask, letter_id: Name, limit: Limit = 50, cursor: Cursor = ""
) -> Response:
    """Return who looked at a letter, repaired, replayed or discarded it, and when; the latest first."""
    request = pb.ListAuditRequest(letter_id=letter_id, page=ask.page(limit, cursor))
    found = await ask.services.repair.ListAudit(request)
    return ask.listed(found.lines, found.page)


__all__ = ["routes"]
