"""What is asked of customers and packs inside the service; none of this is ever published."""

from typing import ClassVar

from pydantic import AwareDatetime

from libs.events.base import Fact, Id, Identity, Part
from libs.events.crm_context import PastContact as Contact


class _CustomerCommand(Fact):
    customer_id: Id

    @property
    def key(self) -> str:
        return self.customer_id


class Upsert(_CustomerCommand):
    """Somebody creates a customer or changes the fields that are not None."""

    type: ClassVar[str] = "trunkline.command.upsert_customer.v1"
    name: str | None = None
    identities: tuple[Identity, ...] | None = None
    profile: str | None = None  # JSON text
    tags: tuple[str, ...] | None = None
    vip_level: int | None = None
    language: str | None = None
    preferred_agent_id: str | None = None
    expected_version: int | None = None
    only_existing: bool = False  # nobody is created


class MergeInto(_CustomerCommand):
    """Somebody found that this customer and `target_id` are one."""

    type: ClassVar[str] = "trunkline.command.merge_customer.v1"
    target_id: Id


class Delete(_CustomerCommand):
    """Somebody deletes the customer."""

    type: ClassVar[str] = "trunkline.command.delete_customer.v1"
    expected_version: int | None = None


class NotedContact(Contact):
    """An earlier contact as the customer's record keeps it."""

    queue_id: str = ""
    began_at: AwareDatetime | None = None
    csat: int | None = None


class NotedTicket(Part):
    """A ticket of the customer."""

    ticket_id: str
    ticket_type: str = ""
    subject: str = ""
    status: str = "open"
    priority: str = "normal"
    opened_at: AwareDatetime


class MergedAway(_CustomerCommand):
    """What a record that was merged into `customer_id` brings along."""

    type: ClassVar[str] = "trunkline.command.merged_away.v1"
    merged_id: Id
    name: str = ""
    identities: tuple[Identity, ...] = ()
    profile: str = "{}"
    tags: tuple[str, ...] = ()
    vip_level: int = 0
    language: str = ""
    preferred_agent_id: str = ""
    merged_ids: tuple[str, ...] = ()
    contacts: tuple[NotedContact, ...] = ()
    tickets: tuple[NotedTicket, ...] = ()


class ContactNoted(_CustomerCommand):
    """A contact of the customer is over, was wrapped up or rated."""

    type: ClassVar[str] = "trunkline.command.contact_noted.v1"
    contact: NotedContact


class TicketNoted(_CustomerCommand):
    """How a ticket of the customer stands that was opened in a session, maybe before it was known whose."""

    type: ClassVar[str] = "trunkline.command.ticket_noted.v1"
    ticket: NotedTicket


class Prepare(Fact):
    """A session began, or it became known who is behind it: what was found out about him."""

    type: ClassVar[str] = "trunkline.command.prepare_context.v1"
    session_id: Id
    interaction_id: str = ""  # "" : nobody began anything, somebody became known
    channel: str = ""
    visitor_id: str = ""
    identities: tuple[Identity, ...] = ()
    customer_id: str = ""
    name: str = ""
    customer_identities: tuple[Identity, ...] = ()
    profile: str = "{}"
    vip_level: int = 0
    tags: tuple[str, ...] = ()
    language: str = ""
    preferred_agent_id: str = ""
    then_agent_ids: tuple[str, ...] = ()
    exclusive: bool = False
    value: float = 0.0
    last_contacts: tuple[Contact, ...] = ()
    open_ticket_ids: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.session_id
