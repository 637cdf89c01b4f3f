"""The services as their __main__ modules wire them, on the simulated bus and stores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

from gateway import feed
from gateway.hub import Hub
from gateway.store import CONVERSATIONS, STREAMS
from libs.apply import Apply
from libs.events.base import Event, follow_id
from libs.identities import name_of
from libs.mongo import Shape
from libs.service import keep_time
from libs.stored import Key
from services.analytics.handlers import WANTED as COUNTED
from services.analytics.handlers import Counting
from services.analytics.store import AGENTS, CONTACTS, INTERVALS
from services.crm_context import handlers as crm
from services.crm_context.domain import customer, pack, trail
from services.crm_context.domain.commands import Upsert
from services.crm_context.preparing import Preparing
from services.crm_context.store import CUSTOMERS, PACKS, TRAILS
from services.ivr.domain import publishing
from services.ivr.handlers import WANTED as HEARD
from services.ivr.handlers import Dialogues
from services.ivr.handlers import Handler as Listening
from services.ivr.looking_up import LookUps
from services.ivr.publisher import Publisher, flows_in
from services.ivr.store import DIALOGUES, FLOWS, TEXTS, Library
from services.recording import handlers as recording
from services.recording.domain import access, transcript
from services.recording.domain import recording as kept
from services.recording.domain.transcript import Rules as WritingRules
from services.recording.keeping import Keeper, audited
from services.recording.store import ACCESSES, RECORDINGS, TRANSCRIPTS
from services.recording.vault import Vault
from services.routing import handlers as routing
from services.routing.store import POOLS
from services.session import handlers as session
from services.session import journal
from services.session.domain import context
from services.session.domain.session import decider
from services.session.domain.state import Rules
from services.session.store import CONTEXTS
from services.session.store import shape as sessions_shape
from services.workflow.domain import journey
from services.workflow.domain.deciding import decide as decide_tickets
from services.workflow.handlers import WANTED as TICKETED
from services.workflow.handlers import handler as ticketing
from services.workflow.settings import POLICY_FILE, policy_in
from services.workflow.store import JOURNEYS, TICKETS
from tests.simulation import twins
from tests.simulation.broker import Broker, SimBus
from tests.simulation.stores import Saved, Shelf, SimStore
from tests.simulation.world import Job, Process, World

# A day of hours is no better than one of minutes, so what takes long is made short.
RULES = Rules(inactivity_s=90, survey_expires_s=60, stale_s=240, dialogue_grace_s=5, preferred_for_s=3)
WRITING = WritingRules(attempts=3)
POLICY = policy_in(POLICY_FILE)
FLOWS_GIVEN = flows_in(Path(publishing.__file__).parents[1] / "flows")
TICK_S = 0.7
KEEPS = frozenset(
    f"trunkline.{owner}"
    for owner in ("session", "routing", "agent", "ivr", "crm_context", "workflow", "recording")
)
SHAPES: dict[str, tuple[Shape[Any], ...]] = {
    "session": (sessions_shape(RULES), CONTEXTS),
    "ivr": (DIALOGUES, FLOWS, TEXTS),
    "routing": (POOLS,),
    "crm_context": (CUSTOMERS, TRAILS, PACKS),
    "workflow": (TICKETS, JOURNEYS),
    "analytics": (CONTACTS, AGENTS, INTERVALS),
    "recording": (TRANSCRIPTS, RECORDINGS, ACCESSES),
    "gateway": (CONVERSATIONS, STREAMS),
}
UNIQUE: dict[str, Callable[[Any], Sequence[str]]] = {
    "sessions": lambda state: () if state.closed_at else state.opening_keys,
    "customers": lambda state: [name_of(each) for each in state.identities] if state.exists else (),
}


@dataclass
class Platform:
    """What outlives every process, and how processes are made from it."""

    world: World
    broker: Broker
    saved: Saved
    shelves: dict[str, Shelf[Any]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    journal: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, Any] = field(default_factory=dict)
    applies: dict[str, list[Apply[Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for service, shapes in SHAPES.items():
            for each in shapes:
                unique = UNIQUE.get(each.name, lambda state: ())
                self.shelves[each.name] = Shelf(service, each.name, each.blank, each.due, unique)

    def start(self) -> None:
        """Make the replicas of all services."""
        for service in SHAPES:
            build = getattr(self, f"_{service}")
            for replica in range(self.world.script.replicas):
                Process(self.world, service, replica, build)

    async def publish_flows(self, tenants: Sequence[str]) -> None:
        """Publish the flows that come with the platform, before the day begins."""
        process = Process(self.world, "setup", 0, lambda process: ())
        process.alive = True
        flows = twins.SimFlows(self.shelves["flows"], process, self.saved)
        bus = SimBus(self.broker, process, "/trunkline/ivr")
        apply_flow = Apply(flows, publishing.decide, bus.publish, "/trunkline/ivr")
        apply_text = Apply(self._store("flow_texts", process), publishing.keep, bus.publish, "/trunkline/ivr")
        publisher = Publisher(flows, apply_flow, apply_text, process.now)
        for tenant in tenants:
            await publisher.publish_missing(tenant, FLOWS_GIVEN)
        for apply in (apply_flow, apply_text):
            await apply.settle()

    async def know(self, people: Sequence[tuple[str, Upsert]]) -> None:
        """Have customers on record before the day begins: (tenant, record)."""
        process = self.world.processes["setup/0"]
        source = "/trunkline/crm_context"
        apply = Apply(self._store("customers", process), customer.decide, self._bus(process).publish, source)
        for tenant, command in people:
            event_id = follow_id(f"{tenant}/{command.customer_id}", "known")
            event = Event(event_id, tenant, process.now(), command, "")
            await apply([(Key(tenant, command.customer_id), event)], process.now())
        await apply.settle()

    def _store(self, name: str, process: Process) -> SimStore[Any]:
        return SimStore(self.shelves[name], process, self.saved)

    def _bus(self, process: Process) -> SimBus:
        return SimBus(self.broker, process, f"/trunkline/{process.service}")

    def _time(self, process: Process, *applies: Any) -> Job:
        self.applies[process.name] = [each for each in applies if isinstance(each, Apply)]
        return keep_time(applies, process.now, TICK_S)

    def _session(self, process: Process) -> Sequence[Job]:
        bus, source = self._bus(process), "/trunkline/session"
        apply_sessions = Apply(self._store("sessions", process), decider(RULES), bus.publish, source)
        apply_contexts = Apply(self._store("contexts", process), context.decide, bus.publish, source)
        places = twins.SimPlaces(self.shelves["sessions"], process)
        handler = session.Handler(apply_sessions, apply_contexts, places, bus, RULES, process.now)
        lines = twins.SimJournal(self.journal, self.aliases, process)
        keeps = session.KEEPS_DEAD_LETTERS_OF
        return (
            bus.consume(session.GROUP, session.WANTED, handler, keeps_dead_letters_of=keeps),
            bus.consume(journal.GROUP, journal.KEPT, lines),
            self._time(process, apply_sessions, apply_contexts),
        )

    def _ivr(self, process: Process) -> Sequence[Job]:
        bus, source = self._bus(process), "/trunkline/ivr"
        texts = self._store("flow_texts", process)
        library = Library(twins.SimFlows(self.shelves["flows"], process, self.saved), texts)
        dialogues = Dialogues(self._store("dialogues", process), library, bus.publish, source)
        answers = twins.SimSource(self.shelves["customers"], process)
        return (
            bus.consume("ivr", HEARD, Listening(dialogues, library, process.now)),
            LookUps(dialogues, answers, process.now, 8).run(),
            self._time(process, dialogues),
        )

    def _routing(self, process: Process) -> Sequence[Job]:
        bus = self._bus(process)
        decisions = twins.SimDecisions(self.decisions, process)
        matching = routing.Matching(self._store("pools", process), routing.teller(bus, decisions))
        return (
            bus.consume(
                routing.GROUP,
                routing.WANTED,
                routing.handler(matching, process.now),
                keeps_dead_letters_of=("trunkline.queue",),
            ),
            self._time(process, matching),
        )

    def _crm_context(self, process: Process) -> Sequence[Job]:
        bus, source = self._bus(process), "/trunkline/crm_context"
        customers, trails = self._store("customers", process), self._store("trails", process)
        packs = self._store("context_packs", process)
        directory = twins.SimDirectory(self.shelves["customers"], self.shelves["context_packs"], process)
        tell = crm.Telling(bus, directory, process.now)
        apply_customers = tell.customers = Apply(customers, customer.decide, tell, source)
        apply_trails = Apply(trails, trail.decide, tell, source)
        apply_packs = Apply(packs, pack.decide, tell, source)
        preparing = Preparing(directory, customers, trails, apply_packs, packs, process.now, 30)
        handler = crm.Handler(apply_customers, apply_trails, apply_packs, preparing, process.now)
        return (
            bus.consume(crm.GROUP, crm.WANTED, handler),
            self._time(process, apply_customers, apply_trails, apply_packs),
        )

    def _workflow(self, process: Process) -> Sequence[Job]:
        bus, source = self._bus(process), "/trunkline/workflow"
        decide = partial(decide_tickets, policy=POLICY)
        apply = Apply(self._store("tickets", process), decide, bus.publish, source)
        note = Apply(self._store("journeys", process), journey.note, bus.publish, source)
        return (
            bus.consume("workflow", TICKETED, ticketing(apply, note, process.now)),
            self._time(process, apply, note),
        )

    def _analytics(self, process: Process) -> Sequence[Job]:
        bus = self._bus(process)
        contacts, agents = self._store("contacts", process), self._store("agents", process)
        counting = Counting(contacts, agents, self._store("intervals", process), bus, process.now)
        return (
            bus.consume("analytics", COUNTED, counting.handle, keeps_dead_letters_of=KEEPS),
            self._time(process, counting.contacts, counting.agents, counting.intervals),
        )

    def _recording(self, process: Process) -> Sequence[Job]:
        bus, source = self._bus(process), "/trunkline/recording"
        scripts = twins.SimTranscripts(self.shelves["transcripts"], process, self.saved)
        recordings = twins.SimRecordings(self.shelves["recordings"], process, self.saved)
        apply_accesses = Apply(self._store("accesses", process), access.decide, bus.publish, source)
        # The stores of recording are classes of the database: their twins answer what is asked of them here.
        told = audited(cast("Any", recordings), apply_accesses, bus.publish)
        apply_recordings = Apply(recordings, kept.decide, told, source)
        apply_transcripts = Apply(scripts, transcript.decider(WRITING), bus.publish, source)
        keeper = Keeper(
            Vault(cast("Any", twins.SimObjects(self.objects, process))),
            cast("Any", scripts),
            cast("Any", recordings),
            apply_transcripts,
            apply_recordings,
            apply_accesses,
            timedelta(days=365),
        )
        handler = recording.Handler(apply_transcripts, cast("Any", scripts), process.now)
        keeps = recording.KEEPS_DEAD_LETTERS_OF
        return (
            bus.consume(recording.GROUP, recording.WANTED, handler, keeps_dead_letters_of=keeps),
            self._time(process, keeper, apply_recordings, apply_accesses),
        )

    def _gateway(self, process: Process) -> Sequence[Job]:
        bus = self._bus(process)
        conversations = self._store("conversations", process)
        store = self._store("streams", process)
        fed = feed.Feed(conversations, store, Hub(store), process.now)
        return (
            bus.consume(feed.GROUP, feed.WANTED, fed),
            self._time(process, fed.conversations, fed.streams),
        )
