"""Where routing keeps things in tests: in memory, with the behaviour of the real places."""

from collections.abc import Sequence

from libs.events import routing
from libs.events.base import AnyEvent
from libs.local import LocalStore
from services.routing.domain.configuration.changing import Configuration
from services.routing.domain.model import Pool
from services.routing.domain.strategy.publishing import StrategyRecord
from services.routing.store import CONFIGURATIONS, POOLS, STRATEGIES, Decision


class LocalPools(LocalStore[Pool]):
    def __init__(self) -> None:
        super().__init__(POOLS.name, POOLS.blank, POOLS.due)

    async def of_tenant(self, tenant: str) -> list[Pool]:
        return [stored.state for key, stored in self.kept.items() if key.tenant == tenant]


class LocalStrategies(LocalStore[StrategyRecord]):
    def __init__(self) -> None:
        super().__init__(STRATEGIES.name, STRATEGIES.blank)

    async def listed(self, tenant: str, after: str, limit: int) -> list[StrategyRecord]:
        found = [stored.state for key, stored in self.kept.items() if key.tenant == tenant and key.id > after]
        return sorted(found, key=lambda each: each.strategy_id)[:limit]


class LocalConfigurations(LocalStore[Configuration]):
    def __init__(self) -> None:
        super().__init__(CONFIGURATIONS.name, CONFIGURATIONS.blank)


class LocalDecisions:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Decision] = {}

    async def keep(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            if isinstance(event.data, routing.DecisionRecorded):
                self.kept.setdefault((event.tenant, event.data.decision_id), Decision(event.time, event.data))

    async def of_contact(self, tenant: str, contact_id: str) -> list[Decision]:
        return [
            each
            for (owner, _), each in self.kept.items()
            if owner == tenant and each.record.contact_id == contact_id
        ]

    async def get(self, tenant: str, decision_id: str) -> Decision | None:
        return self.kept.get((tenant, decision_id))
