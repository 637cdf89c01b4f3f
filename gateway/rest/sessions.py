"""Sessions, journeys, and the context that everybody who serves one customer shares."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from gateway.asking import Ask, Asked, Cursor, Limit, Name, NameQuery, answer, json_answer
from gateway.messages import plain, reference
from gateway.openapi import answers, body, gives
from gateway.rest import router
from libs.rpc.crm_context.v1 import crm_context_pb2 as crm
from libs.rpc.ivr.v1 import ivr_pb2 as ivr
from libs.rpc.session.v1 import session_pb2 as pb
from libs.structs import stamp, value_of

routes = router("sessions")
Types = Annotated[list[str], Query(max_length=50, alias="type", description="Event types; none: all.")]
Key = Annotated[str, Field(pattern=r"^[^/]{1,128}$")]
CONTEXT = answers(
    {
        "type": "object",
        "properties": {"items": {"type": "array", "items": reference(pb.ContextEntry.DESCRIPTOR)}},
    },
    {"items": []},
)


class ContextBody(BaseModel):
    """A value to share; null removes it."""

    model_config = body(value={"step": "card blocked"}, ttl_s=3600)
    value: Any
    ttl_s: Annotated[int, Field(ge=0, le=366 * 86400)] = 0


@routes.get("/sessions", operation_id="list_sessions", **gives(pb.Session, listed=True))
async def list_sessions(
    ask: Ask,
    interaction_id: NameQuery = "",
    customer_id: NameQuery = "",
    journey_id: NameQuery = "",
    channel: NameQuery = "",
    open_only: bool = False,
    started_from: AwareDatetime | None = None,
    started_to: AwareDatetime | None = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Find sessions, the newest first."""
    found = await ask.services.session.FindSessions(
        pb.FindSessionsRequest(
            interaction_id=interaction_id,
            customer_id=customer_id,
            journey_id=journey_id,
            channel=channel,
            open_only=open_only,
            started_from=stamp(started_from),
            started_to=stamp(started_to),
            page=ask.page(limit, cursor),
        )
    )
    return ask.listed(found.sessions, found.page)


@routes.get("/sessions/{session_id}", operation_id="get_session", **gives(pb.Session))
async def get_session(ask: Ask, session_id: Name) -> Response:
    """Return one session."""
    found = await ask.services.session.GetSession(pb.GetSessionRequest(session_id=session_id))
    return answer(found.session)


@routes.get(
    "/sessions/{session_id}/journey",
    operation_id="get_session_journey",
    **gives(pb.JourneyEntry, listed=True),
)
async def get_session_journey(
    ask: Ask,
    session_id: Name,
    include_pii: bool = False,
    newest_first: bool = False,
    types: Types = [],  # noqa: B006  (FastAPI copies it)
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Return the journey that a session belongs to."""
    request = pb.GetJourneyRequest(
        session_id=session_id, include_pii=include_pii, newest_first=newest_first, types=types
    )
    return await _journey(ask, request, limit, cursor)


@routes.get(
    "/customers/{customer_id}/journey",
    operation_id="get_customer_journey",
    **gives(pb.JourneyEntry, listed=True),
)
async def get_customer_journey(
    ask: Ask,
    customer_id: Name,
    include_pii: bool = False,
    newest_first: bool = False,
    types: Types = [],  # noqa: B006  (FastAPI copies it)
    from_time: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    to_time: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Return everything a customer lived through, over all channels."""
    request = pb.GetJourneyRequest(
        customer_id=customer_id,
        include_pii=include_pii,
        newest_first=newest_first,
        types=types,
        from_time=stamp(from_time),
        to_time=stamp(to_time),
    )
    return await _journey(ask, request, limit, cursor)


@routes.get("/journeys/{journey_id}", operation_id="get_journey", **gives(pb.JourneyEntry, listed=True))
async def get_journey(
    ask: Ask,
    journey_id: Name,
    include_pii: bool = False,
    newest_first: bool = False,
    types: Types = [],  # noqa: B006  (FastAPI copies it)
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Return one journey."""
    request = pb.GetJourneyRequest(
        journey_id=journey_id, include_pii=include_pii, newest_first=newest_first, types=types
    )
    return await _journey(ask, request, limit, cursor)


@routes.get("/events/{event_id}", operation_id="get_event", **gives(pb.JourneyEntry))
async def get_event(ask: Ask, event_id: Name, include_pii: bool = False) -> Response:
    """Return one event: of a journey, of a queue, an agent, a recording, or figures that were told."""
    request = pb.GetEventRequest(event_id=event_id, include_pii=include_pii)
    return answer((await ask.services.session.GetEvent(request)).entry)


async def _journey(ask: Asked, request: pb.GetJourneyRequest, limit: int, cursor: str) -> Response:
    request.page.CopyFrom(ask.page(limit, cursor))
    found = await ask.services.session.GetJourney(request)
    return ask.listed(found.entries, found.page)


@routes.get("/sessions/{session_id}/context", operation_id="get_session_context", **CONTEXT)
async def get_session_context(
    ask: Ask,
    session_id: Name,
    key: Annotated[list[Key], Query(max_length=100)] = [],  # noqa: B006  (FastAPI copies it)
) -> Response:
    """Return the entries of a session's context that have not expired."""
    request = pb.GetContextRequest(session_id=session_id, keys=key)
    found = await ask.services.session.GetContext(request)
    return json_answer({"items": [plain(each) for each in found.entries]})


@routes.put(
    "/sessions/{session_id}/context/{key}", operation_id="put_session_context", **gives(pb.ContextEntry)
)
async def put_session_context(ask: Ask, session_id: Name, key: Name, entry: ContextBody) -> Response:
    """Write one entry. If-Match: "0" creates only; another version replaces only that one."""
    return await _put(ask, session_id, key, entry)


@routes.delete("/sessions/{session_id}/context/{key}", operation_id="delete_session_context", status_code=204)
async def delete_session_context(ask: Ask, session_id: Name, key: Name) -> Response:
    """Remove one entry."""
    await _put(ask, session_id, key, ContextBody(value=None))
    return Response(status_code=204)


async def _put(ask: Asked, session_id: str, key: str, entry: ContextBody) -> Response:
    kept = await ask.services.session.PutContext(
        pb.PutContextRequest(
            session_id=session_id,
            key=key,
            value=value_of(entry.value),
            ttl_s=entry.ttl_s,
            expected_version=ask.expected_version,
            request_id=ask.request_id,
        )
    )
    return answer(kept.entry)


@routes.get("/sessions/{session_id}/context-pack", operation_id="get_context_pack", **gives(crm.ContextPack))
async def get_context_pack(ask: Ask, session_id: Name) -> Response:
    """Return what was prepared for the agent's screen when the session started."""
    found = await ask.services.crm_context.GetContextPack(crm.GetContextPackRequest(session_id=session_id))
    return answer(found.pack)


@routes.get("/interactions/{interaction_id}/dialogue", operation_id="get_dialogue", **gives(ivr.Dialogue))
async def get_dialogue(ask: Ask, interaction_id: Name) -> Response:
    """Return where self-service stands with an interaction."""
    found = await ask.services.ivr.GetDialogue(ivr.GetDialogueRequest(interaction_id=interaction_id))
    return answer(found.dialogue)
