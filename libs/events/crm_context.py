"""Facts owned by the crm_context service; key: customer id."""

from typing import ClassVar

from libs.events.base import Fact, Id, Identity, OptionalId, Part, Scalar, Short


class _CustomerFact(Fact):
    customer_id: Id

    @property
    def key(self) -> str:
        return self.customer_id


class CustomerPii(Part):
    name: Short = ""
    identities: tuple[Identity, ...] = ()
    profile: dict[str, Scalar] = {}


class CustomerCreated(_CustomerFact):
    """A customer record was created, by hand, import or first contact."""

    type: ClassVar[str] = "trunkline.crm_context.customer_created.v1"
    version: int
    vip_level: int = 0
    tags: tuple[Short, ...] = ()
    pii: CustomerPii = CustomerPii()


class CustomerUpdated(_CustomerFact):
    """A customer record was changed; carries the record as it is now."""

    type: ClassVar[str] = "trunkline.crm_context.customer_updated.v1"
    version: int
    vip_level: int = 0
    tags: tuple[Short, ...] = ()
    changed: tuple[Short, ...] = ()
    pii: CustomerPii = CustomerPii()


class CustomerMerged(_CustomerFact):
    """Another record turned out to be the same person and was merged into this one."""

    type: ClassVar[str] = "trunkline.crm_context.customer_merged.v1"
    merged_customer_id: Id
    version: int
    pii: CustomerPii = CustomerPii()


class CustomerDeleted(_CustomerFact):
    """A customer record was deleted by authorised staff."""

    type: ClassVar[str] = "trunkline.crm_context.customer_deleted.v1"
    version: int


class PastContact(Part):
    """One earlier contact, as the screen pop lists it."""

    session_id: Id
    interaction_id: Id
    time: str
    channel: Short
    outcome: Short = ""
    agent_id: OptionalId = ""
    codes: tuple[Short, ...] = ()


class ContextPii(Part):
    name: Short = ""
    identities: tuple[Identity, ...] = ()
    profile: dict[str, Scalar] = {}


class ContextPrepared(Fact):
    """
    The context pack of a session, made when it started, before any agent answers.

    `customer_id` is empty where nobody is known by the given identities.
    """

    type: ClassVar[str] = "trunkline.crm_context.context_prepared.v1"
    session_id: Id
    interaction_id: Id
    customer_id: OptionalId = ""
    vip_level: int = 0
    tags: tuple[Short, ...] = ()
    language: Short = ""
    preferred_agent_id: OptionalId = ""
    last_contacts: tuple[PastContact, ...] = ()
    open_ticket_ids: tuple[Short, ...] = ()
    then_agent_ids: tuple[
        Id, ...
    ] = ()  # who have helped lately, the last one first; without the preferred one
    exclusive: bool = False  # nobody but the preferred agent, while he is there: an account manager
    value: float = 0.0  # what the customer is worth, in the tenant's own measure
    pii: ContextPii = ContextPii()

    @property
    def key(self) -> str:
        return self.customer_id or self.session_id
