"""A customer who is to be called back, as the pool keeps him until his call is over."""

from dataclasses import dataclass, field
from datetime import datetime

from libs.events.base import Channel, Identity
from libs.events.queue import Attribute, Need


@dataclass(frozen=True, slots=True)
class Callback:
    """
    What is known of a callback. `due_at` is when it starts, None once it has started.

    `priority` and `aged_since` are its place: those of the contact that left its queue for it, if one did.
    """

    callback_id: str  # also of its contact
    queue_id: str
    journey_id: str
    channel: Channel
    due_at: datetime | None
    requested_at: datetime
    aged_since: datetime
    priority: int  # VIP level included
    by: str = ""
    contact_id: str = ""
    continues_id: str = ""
    customer_id: str = ""
    language: str = ""
    reason: str = ""
    needs: tuple[Need, ...] = ()
    value: float = 0.0
    deadline: datetime | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    excluded_agent_ids: tuple[str, ...] = ()
    identities: tuple[Identity, ...] = ()

    def about(self, pool_id: str) -> dict[str, str]:
        """Return what every fact of the callback says."""
        return {
            "callback_id": self.callback_id,
            "pool_id": pool_id,
            "queue_id": self.queue_id,
            "contact_id": self.contact_id,
        }
