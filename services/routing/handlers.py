"""From the facts of the queue topic to the pools they concern."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from libs import metrics
from libs.apply import Apply, Pairs, Tell
from libs.clock import Now
from libs.events.agent import State
from libs.events.base import AnyEvent
from libs.reading import Bus, Handle
from libs.stored import Key, Store, Stored
from services.routing.domain.decide import DECIDES_ON, decide
from services.routing.domain.model import Pool
from services.routing.store import Decisions

GROUP = "routing"
SOURCE = "/trunkline/routing"
STATES: tuple[State, ...] = ("ready", "offered", "busy", "wrap_up", "not_ready")
WANTED = DECIDES_ON


class Matching(Apply[Pool]):
    """Applies events to pools, by consumption and by time alike, and shows how these stand."""

    def __init__(self, store: Store[Pool], tell: Tell) -> None:
        super().__init__(store, decide, tell, SOURCE)
        self._agents: dict[Key, Counter[State]] = {}

    async def __call__(self, pairs: Pairs, now: datetime) -> dict[Key, Stored[Pool]]:
        results = await super().__call__(pairs, now)
        for key, stored in results.items():
            self._show(key, stored.state)
        return results

    def _show(self, key: Key, pool: Pool) -> None:
        waiting = Counter(each.queue_id for each in pool.contacts.values() if each.state != "assigned")
        for queue_id in pool.queues:
            metrics.contacts_waiting.labels(key.tenant, queue_id).set(waiting[queue_id])
        self._agents[key] = Counter(agent.entered.state for agent in pool.agents.values())
        for state in STATES:
            count = sum(each[state] for other, each in self._agents.items() if other.tenant == key.tenant)
            metrics.agents_in_state.labels(key.tenant, state).set(count)


def teller(bus: Bus, decisions: Decisions) -> Tell:
    """Return how facts are told: decisions are kept first, so that whoever hears of one finds it."""

    async def tell(events: Sequence[AnyEvent]) -> None:
        await decisions.keep(events)
        await bus.publish(events)

    return tell


def handler(matching: Matching, now: Now) -> Handle:
    """Return what a batch of events is given to."""

    async def handle(events: Sequence[AnyEvent]) -> None:
        await matching([(Key(event.tenant, event.key), event) for event in events], now())

    return handle
