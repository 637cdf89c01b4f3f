"""Who may call which RPC: the one table of roles inside. What is not in it is allowed to nobody."""

from collections.abc import Mapping

from libs.errors import Forbidden
from libs.rpc_caller import SERVICE_ROLE, Caller

AGENT, SUPERVISOR, QA, MANAGER = "agent", "supervisor", "qa", "manager"
ADMIN, ANALYST, ADAPTER, CUSTOMER = "admin", "analyst", "adapter", "customer"

_SERVICE = frozenset({SERVICE_ROLE})
_LEADS = frozenset({SUPERVISOR, MANAGER, ADMIN}) | _SERVICE
_STAFF = _LEADS | {AGENT}
_READERS = _STAFF | {QA}  # may see personal data
_EVERY_STAFF = _READERS | {ANALYST}
_AUTHORS = frozenset({MANAGER, ADMIN}) | _SERVICE
_ADMINS = frozenset({ADMIN}) | _SERVICE
_GUARDIANS = _AUTHORS | {QA}
_WITH_CUSTOMER = _STAFF | {CUSTOMER}


def _of(service: str, kind: str = "", **methods: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the methods of a service by their full names; `kind` is its name where it has a second one."""
    name = kind or "".join(word.capitalize() for word in service.split("_"))
    return {f"trunkline.{service}.v1.{name}Service/{method}": roles for method, roles in methods.items()}


# The gateway has looked at its own table before (gateway/permissions.py): whoever gets past it, or calls a
# service by another way, is looked at here again. Rules finer than roles stand in the services.
ALLOWED: Mapping[str, frozenset[str]] = {
    **_of(
        "session",
        GetSession=_EVERY_STAFF,
        FindSessions=_EVERY_STAFF,
        GetJourney=_EVERY_STAFF,
        GetEvent=_EVERY_STAFF,
        GetContext=_READERS | {ADAPTER},
        PutContext=_READERS | {ADAPTER},
        WatchContext=_READERS | {ADAPTER},
    ),
    **_of(
        "audit",
        GetAudit=_LEADS | {QA, ANALYST},
        ListBreaches=_LEADS | {QA, ANALYST},
        GetAccount=_LEADS | {QA, ANALYST},
    ),
    **_of(
        "routing",
        GetPool=_EVERY_STAFF,
        ListAgents=_EVERY_STAFF,
        GetAgent=_EVERY_STAFF,
        ListQueues=_EVERY_STAFF,
        GetQueue=_EVERY_STAFF,
        ExplainAssignment=_EVERY_STAFF,
        EstimateWait=_EVERY_STAFF,
        ListCallbacks=_READERS,
        ListStrategies=_EVERY_STAFF,
        GetStrategy=_EVERY_STAFF,
        ValidateStrategy=_AUTHORS,
        PublishStrategy=_AUTHORS,
        RollBackStrategy=_AUTHORS,
    ),
    **_of(
        "routing",
        "Configuration",
        ExportConfiguration=_AUTHORS,
        ImportConfiguration=_ADMINS,
        ListItems=_EVERY_STAFF,
        GetItem=_EVERY_STAFF,
        PutItem=_AUTHORS,
        RemoveItem=_AUTHORS,
    ),
    **_of(
        "ivr",
        GetDialogue=_EVERY_STAFF,
        ListFlows=_EVERY_STAFF,
        GetFlow=_EVERY_STAFF,
        ValidateFlow=_AUTHORS,
        TestFlow=_AUTHORS,
        PublishFlow=_AUTHORS,
        RollBackFlow=_AUTHORS,
    ),
    **_of(
        "crm_context",
        GetCustomer=_READERS,
        LookUp=_READERS,
        Search=_READERS,
        GetContextPack=_READERS,
        Upsert=_STAFF,
        Merge=_LEADS,
        Delete=_ADMINS,
        ImportCustomers=_AUTHORS,
    ),
    **_of(
        "workflow",
        GetTicket=_EVERY_STAFF | {CUSTOMER},
        ListTickets=_EVERY_STAFF | {CUSTOMER},
        OpenTicket=_WITH_CUSTOMER,
        CommentTicket=_WITH_CUSTOMER,
        ReopenTicket=_WITH_CUSTOMER,
        CloseTicket=_WITH_CUSTOMER,
        AssignTicket=_STAFF,
        ResolveTicket=_STAFF,
        EscalateTicket=_STAFF,
    ),
    **_of(
        "recording",
        SearchRecordings=_READERS,
        GetRecording=_READERS,
        GetTranscript=_READERS,
        StreamContent=_READERS,
        StoreRecording=frozenset({ADAPTER, SUPERVISOR, ADMIN}) | _SERVICE,
        SetLegalHold=_GUARDIANS,
        ListAccess=_GUARDIANS,
    ),
    **_of(
        "analytics",
        GetReport=_EVERY_STAFF,
        GetLiveFigures=_EVERY_STAFF,
        ListDefinitions=_EVERY_STAFF,
        GetContactLedger=_LEADS | {QA, ANALYST},
    ),
    **_of(
        "repair",
        ListLetters=_ADMINS,
        GetLetter=_ADMINS,
        EditLetter=_ADMINS,
        ReplayLetter=_ADMINS,
        DiscardLetter=_ADMINS,
        ReplayLetters=_ADMINS,
        DiscardLetters=_ADMINS,
        ListAudit=_ADMINS,
    ),
}


def check(who: Caller, method: str) -> None:
    """Return when `who` may call the method. :raises Forbidden: no role of his allows it."""
    roles = ALLOWED.get(method, frozenset())
    if who.roles.isdisjoint(roles):
        names = ", ".join(sorted(roles)) or "nobody's"
        raise Forbidden("role_missing", f"this takes one of the roles: {names}", {"method": method})
