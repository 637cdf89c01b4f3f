"""What services ask their database beyond loading and saving, answered from the shelves."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from libs.errors import NotFound, Unavailable
from libs.events import crm_context
from libs.events.base import AnyEvent, Identity, Scalar
from libs.identities import name_of
from libs.stored import Key
from services.crm_context.domain.customer import Customer
from services.crm_context.domain.pack import Pack
from services.crm_context.store import index_customer, index_pack
from services.ivr.domain.dialogue import Asked, Dialogue
from services.ivr.domain.publishing import FlowRecord
from services.ivr.looking_up import flatten
from services.recording.domain.recording import Recording
from services.recording.domain.transcript import Transcript
from services.session.domain.state import Session
from services.session.journal import document_of
from services.session.store import Place, place_of
from tests.simulation.stores import Shelf, SimStore
from tests.simulation.world import Process


async def ask(process: Process, what: str) -> None:
    """Take as long as a question takes. :raises Unavailable: nobody answers."""
    if await process.wait(what) == "fail_after":
        raise Unavailable("simulated", "the answer was lost")


class SimPlaces:
    """Finds sessions."""

    def __init__(self, shelf: Shelf[Session], process: Process) -> None:
        self._shelf = shelf
        self._process = process

    async def around(self, interactions: Collection[Key], keys: Collection[str]) -> list[Place]:
        await ask(self._process, "around")
        wanted = set(keys)
        found: list[Place] = []
        for stored in self._shelf.kept.values():
            place = place_of(stored.state)
            named = any(Key(place.key.tenant, name) in interactions for name in place.interaction_ids)
            if named or wanted.intersection(place.keys):
                found.append(place)
        return found


class SimDirectory:
    """Finds customers and packs."""

    def __init__(self, customers: Shelf[Customer], packs: Shelf[Pack], process: Process) -> None:
        self._customers = customers
        self._packs = packs
        self._process = process

    async def customers_by(self, tenant: str, identities: Collection[Identity]) -> dict[str, Customer]:
        if not identities:
            return {}
        await ask(self._process, "customers_by")
        names = {name_of(each) for each in identities}
        return {
            name: stored.state
            for key, stored in self._customers.kept.items()
            if key.tenant == tenant
            for name in index_customer(stored.state).get("identities", ())
            if name in names
        }

    async def packs_of(
        self, tenant: str, visitor_ids: Collection[str], identities: Collection[Identity]
    ) -> list[Pack]:
        await ask(self._process, "packs_of")
        names = {name_of(each) for each in identities}
        found: list[Pack] = []
        for key, stored in self._packs.kept.items():
            ix = index_pack(stored.state)
            by = ix and (ix["visitor"] in visitor_ids or names.intersection(ix["identities"]))
            if key.tenant == tenant and by:
                found.append(stored.state)
        return found


class SimFlows(SimStore[FlowRecord]):
    """Flows, found by entry point."""

    async def bound(self, tenant: str, entry_points: Collection[str]) -> list[FlowRecord]:
        await ask(self.process, "bound")
        return [
            stored.state
            for key, stored in self.shelf.kept.items()
            if key.tenant == tenant and set(stored.state.present.entry_points) & set(entry_points)
        ]

    async def listed(self, tenant: str, after: str, limit: int) -> list[FlowRecord]:
        await ask(self.process, "listed")
        ids = sorted(key.id for key in self.shelf.kept if key.tenant == tenant and key.id > after)
        return [self.shelf.kept[Key(tenant, each)].state for each in ids[:limit]]


class SimSource:
    """Answers the look-ups of dialogues from the customers; of tickets it knows nothing."""

    def __init__(self, customers: Shelf[Customer], process: Process) -> None:
        self._customers = customers
        self._process = process

    async def answer(self, tenant: str, asked: Asked, dialogue: Dialogue) -> Mapping[str, Scalar]:
        await ask(self._process, "look up")
        names = {name_of(each) for each in dialogue.identities}
        for key, stored in self._customers.kept.items():
            state = stored.state
            if key.tenant == tenant and (
                state.customer_id == dialogue.customer_id
                or names.intersection(name_of(each) for each in state.identities)
            ):
                values: dict[str, Scalar] = {"id": state.customer_id, "name": state.name}
                flatten("profile", {"vip": state.vip_level}, values)
                return {**values, "vip_level": state.vip_level, "language": state.language}
        raise NotFound("customer", "of this contact")


class SimTranscripts(SimStore[Transcript]):
    """Transcripts, found by session."""

    async def of_sessions(self, sessions: Collection[Key]) -> dict[Key, list[Key]]:
        if not sessions:
            return {}
        await ask(self.process, "of_sessions")
        found: dict[Key, list[Key]] = {}
        for key, stored in self.shelf.kept.items():
            session = Key(key.tenant, stored.state.session_id)
            if stored.state.session_id and session in sessions:
                found.setdefault(session, []).append(key)
        return found


class SimRecordings(SimStore[Recording]):
    """Recordings, found where their content is to go."""

    async def erasing(self, limit: int) -> list[tuple[Key, Recording]]:
        if not any(stored.state.status == "erasing" for stored in self.shelf.kept.values()):
            return []
        await ask(self.process, "erasing")
        there = [(key, stored.state) for key, stored in self.shelf.kept.items()]
        return [(key, state) for key, state in there if state.status == "erasing"][:limit]


class SimObjects:
    """An object store that outlives the processes."""

    def __init__(self, kept: dict[str, bytes], process: Process) -> None:
        self._kept = kept
        self._process = process

    async def put(self, key: str, content: bytes) -> None:
        fault = await self._process.wait("put object")
        self._kept[key] = content
        if fault == "fail_after":
            raise Unavailable("simulated", "nobody knows whether it was kept")

    async def delete(self, key: str) -> None:
        await ask(self._process, "delete object")
        self._kept.pop(key, None)


class SimJournal:
    """The journal of journeys: every event once, as the document that the real one keeps."""

    def __init__(self, lines: dict[str, Any], aliases: dict[str, str], process: Process) -> None:
        self._lines = lines
        self._aliases = aliases
        self._process = process

    async def __call__(self, events: Sequence[AnyEvent]) -> None:
        fault = await self._process.wait("journal")
        most = self._process.dice.randrange(len(events) + 1) if fault == "fail_after" else len(events)
        for event in events[:most]:
            document = document_of(event)
            self._lines.setdefault(document["_id"], document)
        if fault == "fail_after":
            raise Unavailable("simulated", "nobody knows what was written")
        for event in events:
            if isinstance(event.data, crm_context.CustomerMerged):
                self._aliases[f"{event.tenant}/{event.data.merged_customer_id}"] = event.data.customer_id


class SimDecisions:
    """Routing's decision records, each written once."""

    def __init__(self, kept: dict[str, AnyEvent], process: Process) -> None:
        self._kept = kept
        self._process = process

    async def keep(self, events: Sequence[AnyEvent]) -> None:
        chosen = [event for event in events if hasattr(event.data, "decision_id")]
        if not chosen:
            return
        await ask(self._process, "keep decisions")
        for event in chosen:
            self._kept.setdefault(f"{event.tenant}/{event.data.decision_id}", event)  # type: ignore[attr-defined]

    async def of_contact(self, tenant: str, contact_id: str) -> list[Any]:
        return []

    async def get(self, tenant: str, decision_id: str) -> Any:
        return None
