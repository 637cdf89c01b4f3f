"""The gRPC door of the session service: sessions and journeys."""

from collections.abc import AsyncIterator
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from libs import paging
from libs.errors import Invalid, Violation
from libs.mongo import Document
from libs.rpc.common.v1 import common_pb2
from libs.rpc.session.v1 import session_pb2, session_pb2_grpc
from libs.rpc_server import Context, caller
from libs.stored import Key
from libs.structs import time_of
from services.session.journal import BY_ID, Journal, Part
from services.session.shared_context import SharedContext
from services.session.store import Sessions
from services.session.views import entry_view, line_view, session_view

SEES_PII = ("agent", "supervisor", "qa", "manager", "admin", "service")
SEES_WORK = ("supervisor", "qa", "manager", "admin", "analyst", "service")  # who may ask the audit, too
OF_WORK = frozenset(fact.type for fact in BY_ID)
SESSIONS_OF_ONE = 500  # sessions of one customer or journey that its journal is joined from
SHORT_KINDS = (datetime, str)
LINE_KINDS = (datetime, int, str)


class SessionRpc(session_pb2_grpc.SessionServiceServicer):
    """Answers from the database; the only thing it changes is the context."""

    def __init__(self, sessions: Sessions, journal: Journal, shared: SharedContext) -> None:
        self._sessions = sessions
        self._journal = journal
        self._shared = shared

    async def GetSession(
        self, request: session_pb2.GetSessionRequest, context: Context
    ) -> session_pb2.GetSessionResponse:
        who = caller()
        stored = await self._sessions.stored(Key(who.tenant, request.session_id))
        return session_pb2.GetSessionResponse(session=session_view(stored, pii=sees_pii()))

    async def FindSessions(
        self, request: session_pb2.FindSessionsRequest, context: Context
    ) -> session_pb2.FindSessionsResponse:
        who = caller()
        where: Document = {}
        if request.interaction_id:
            where["ix.interactions"] = f"{who.tenant}/{request.interaction_id}"
        if request.customer_id:
            names = await self._journal.names_of_customer(who.tenant, request.customer_id)
            where["ix.customer"] = {"$in": names}
        if request.journey_id:
            where["ix.journey"] = request.journey_id
        if request.open_only:
            where["ix.open"] = True
        if request.channel:
            where["ix.channels"] = request.channel
        began = {
            "$gte": _time("started_from", request.started_from) if request.HasField("started_from") else None,
            "$lt": _time("started_to", request.started_to) if request.HasField("started_to") else None,
        }
        if limits := {name: value for name, value in began.items() if value is not None}:
            where["ix.began_at"] = limits
        size = paging.size_of(request.page.page_size)
        place = paging.places_of(request.page.page_token, SHORT_KINDS)
        rows = await self._sessions.page(who.tenant, where, place, size + 1)
        token = ""
        if len(rows) > size:
            name, last = rows[size - 1]
            assert last.state.began_at is not None
            token = paging.token_of([last.state.began_at, name])
        return session_pb2.FindSessionsResponse(
            sessions=[session_view(stored, pii=sees_pii()) for _, stored in rows[:size]],
            page=common_pb2.PageResponse(next_page_token=token),
        )

    async def GetJourney(
        self, request: session_pb2.GetJourneyRequest, context: Context
    ) -> session_pb2.GetJourneyResponse:
        who = caller()
        if request.include_pii:
            who.require(*SEES_PII)
        keys = await self._keys(who.tenant, request)
        size = paging.size_of(request.page.page_size)
        part = Part(
            limit=size + 1,
            after=paging.places_of(request.page.page_token, LINE_KINDS),
            newest_first=request.newest_first,
            from_time=_time("from_time", request.from_time) if request.HasField("from_time") else None,
            to_time=_time("to_time", request.to_time) if request.HasField("to_time") else None,
            types=tuple(request.types),
        )
        lines = await self._journal.read(who.tenant, keys, part)
        token = paging.token_of(lines[size - 1].place) if len(lines) > size else ""
        return session_pb2.GetJourneyResponse(
            entries=[line_view(line, pii=request.include_pii) for line in lines[:size]],
            page=common_pb2.PageResponse(next_page_token=token),
        )

    async def GetEvent(
        self, request: session_pb2.GetEventRequest, context: Context
    ) -> session_pb2.GetEventResponse:
        who = caller()
        if request.include_pii:
            who.require(*SEES_PII)
        line = await self._journal.find(who.tenant, request.event_id)
        if line.type in OF_WORK:
            who.require(*SEES_WORK)
        return session_pb2.GetEventResponse(entry=line_view(line, pii=request.include_pii))

    async def _keys(self, tenant: str, request: session_pb2.GetJourneyRequest) -> set[str]:
        """Return what the lines of a journey are found by: all that is known of its sessions by now."""
        match request.WhichOneof("of"):
            case "customer_id":
                names = await self._journal.names_of_customer(tenant, request.customer_id)
                keys = {f"c:{name}" for name in names}
                where: Document = {"ix.customer": {"$in": names}}
            case "journey_id":
                keys = {f"j:{request.journey_id}"}
                where = {"ix.journey": request.journey_id}
            case "session_id":
                found = await self._sessions.stored(Key(tenant, request.session_id))
                keys = {f"j:{found.state.journey_id}"}
                where = {"ix.journey": found.state.journey_id}
            case _:
                raise Invalid(Violation("of", "say whose journey", "required"))
        for key, ix in await self._sessions.indexed(tenant, where, SESSIONS_OF_ONE):
            keys |= {f"s:{key.id}", f"j:{ix['journey']}"}
            keys |= {f"i:{name.partition('/')[2]}" for name in ix["interactions"]}
            keys |= {f"v:{name}" for name in ix["visitors"]}
        return keys

    async def PutContext(
        self, request: session_pb2.PutContextRequest, context: Context
    ) -> session_pb2.PutContextResponse:
        who = caller()
        return session_pb2.PutContextResponse(entry=entry_view(await self._shared.put(who, request)))

    async def GetContext(
        self, request: session_pb2.GetContextRequest, context: Context
    ) -> session_pb2.GetContextResponse:
        who = caller()
        where = await self._shared.where(who.tenant, request)
        entries = await self._shared.live(where.key, request.keys)
        return session_pb2.GetContextResponse(entries=[entry_view(each) for each in entries])

    async def WatchContext(
        self, request: session_pb2.WatchContextRequest, context: Context
    ) -> AsyncIterator[session_pb2.WatchContextResponse]:
        who = caller()
        where = await self._shared.where(who.tenant, request)
        async for entry, removed in self._shared.watch(where.key, request.keys):
            yield session_pb2.WatchContextResponse(
                entry=session_pb2.ContextEntry(key=entry.name) if removed else entry_view(entry),
                removed=removed,
            )


def sees_pii() -> bool:
    return not caller().roles.isdisjoint(SEES_PII)


def _time(field: str, message: Timestamp) -> datetime:
    try:
        return time_of(message)
    except (ValueError, OverflowError):
        raise Invalid(Violation(field, "is out of range")) from None
