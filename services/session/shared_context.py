"""The context store behind its gRPC methods: write with a version, read, watch."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from uuid import uuid4

from google.protobuf.struct_pb2 import Value

from libs.apply import Apply
from libs.clock import Now
from libs.errors import Conflict, Exhausted, Invalid, NotFound, Violation
from libs.events.base import Event, follow_id
from libs.mongo import MongoStore
from libs.rpc.session.v1 import session_pb2
from libs.rpc_caller import Caller
from libs.stored import Key
from libs.structs import plain_of
from services.session.domain.context import ENTRIES, Context, Entry, Put, is_live
from services.session.handlers import context_key
from services.session.store import Sessions

LARGEST_VALUE = 64 * 1024
LONGEST_NAME = 256
LONGEST_TTL_S = 10 * 365 * 86_400
WATCH_EVERY_S = 0.25

Scoped = session_pb2.PutContextRequest | session_pb2.GetContextRequest | session_pb2.WatchContextRequest


@dataclass(frozen=True, slots=True)
class Where:
    """A context, and the session and journey in whose name its changes are told."""

    key: Key
    session_id: str
    journey_id: str


class SharedContext:
    """The contexts of sessions and journeys."""

    def __init__(
        self, sessions: Sessions, store: MongoStore[Context], apply: Apply[Context], now: Now
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._apply = apply
        self._now = now

    async def where(self, tenant: str, request: Scoped) -> Where:
        """Return which context is meant. :raises NotFound: there is no such session or journey."""
        match request.WhichOneof("of"):
            case "session_id":
                session = (await self._sessions.stored(Key(tenant, request.session_id))).state
                key = context_key(tenant, session_id=session.session_id)
                return Where(key, session.session_id, session.journey_id)
            case "journey_id":
                rows = await self._sessions.indexed(tenant, {"ix.journey": request.journey_id}, 1)
                if not rows:
                    raise NotFound("journey", request.journey_id)
                key = context_key(tenant, journey_id=request.journey_id)
                return Where(key, rows[0][0].id, request.journey_id)
        raise Invalid(Violation("of", "name a session or a journey", "required"))

    async def live(self, key: Key, names: Collection[str]) -> list[Entry]:
        """Return the entries of these names, or all, that have not expired."""
        context = await self._store.get(key)
        live = context.live(self._now()) if context else ()
        return [each for each in live if not names or each.name in names]

    async def put(self, who: Caller, request: session_pb2.PutContextRequest) -> Entry:
        """
        Write one entry, or remove it.

        :raises Conflict: it is not at the expected version.
        """
        value = checked(request)
        where = await self.where(who.tenant, request)
        if value:
            present = await self._store.get(where.key)
            if present and present.entry(request.key) is None and len(present.entries) >= ENTRIES:
                raise Exhausted("context_full", f"a context has {ENTRIES} entries at most")
        command = Put(
            session_id=where.session_id,
            journey_id=where.journey_id,
            name=request.key,
            value=value,
            expected_version=request.expected_version if request.HasField("expected_version") else None,
            ttl_s=request.ttl_s,
            by=who.subject,
        )
        name = request.request_id or str(uuid4())
        event_id = follow_id(f"{who.tenant}/{name}", "PutContext")
        now = self._now()
        event = Event(event_id, who.tenant, now, command, where.journey_id)
        after = (await self._apply([(where.key, event)], now))[where.key].state
        answers = dict(after.answers)
        if event_id in answers:
            return answers[event_id]
        entry = after.entry(request.key)  # a command told again long after: what became of it since
        if entry is None:
            raise Conflict(command.expected_version or 0, 0)
        return entry

    async def watch(self, key: Key, names: Collection[str]) -> AsyncIterator[tuple[Entry, bool]]:
        """Yield the present entries, then every change, with whether it removed the entry; for ever."""
        seen: dict[str, int] = {}
        while True:
            context = await self._store.get(key)
            for entry in context.entries if context else ():
                if names and entry.name not in names:
                    continue
                removed = not is_live(entry, self._now())
                if removed and entry.name in seen:
                    del seen[entry.name]
                    yield entry, True
                elif not removed and seen.get(entry.name) != entry.version:
                    seen[entry.name] = entry.version
                    yield entry, False
            await asyncio.sleep(WATCH_EVERY_S)


def checked(request: session_pb2.PutContextRequest) -> str:
    """Return the value as JSON text, "" where it removes. :raises Invalid: the request is wrong."""
    wrong: list[Violation] = []
    name = request.key
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        wrong.append(Violation("key", f"must have 1 to {LONGEST_NAME} printable characters"))
    if not 0 <= request.ttl_s <= LONGEST_TTL_S:
        wrong.append(Violation("ttl_s", "must be between 0 and ten years"))
    if request.HasField("expected_version") and request.expected_version < 0:
        wrong.append(Violation("expected_version", "must not be negative"))
    if len(request.request_id) > 128:
        wrong.append(Violation("request_id", "must have 128 characters at most"))
    text = ""
    if not request.HasField("value") or request.value.WhichOneof("kind") is None:
        wrong.append(Violation("value", "must be given; null removes the entry", "required"))
    elif request.value.WhichOneof("kind") != "null_value":
        text = _json(request.value, wrong)
    if len(text.encode()) > LARGEST_VALUE:
        wrong.append(Violation("value", f"must have {LARGEST_VALUE} bytes at most", "too_large"))
    if wrong:
        raise Invalid(*wrong)
    return text


def _json(value: Value, wrong: list[Violation]) -> str:
    try:
        return json.dumps(plain_of(value), ensure_ascii=False)
    except ValueError as error:
        wrong.append(Violation("value", str(error)))
        return ""
