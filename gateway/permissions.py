"""Who may do what: the one table of roles. What is not in it is allowed to nobody."""

from collections.abc import Mapping

from gateway.auth import Principal
from libs.errors import Forbidden

AGENT, SUPERVISOR, QA, MANAGER = "agent", "supervisor", "qa", "manager"
ADMIN, ANALYST, ADAPTER, CUSTOMER = "admin", "analyst", "adapter", "customer"

LEADS = frozenset({SUPERVISOR, MANAGER, ADMIN})
STAFF = LEADS | {AGENT}
READERS = STAFF | {QA}  # may see personal data
EVERY_STAFF = READERS | {ANALYST}
EVERYBODY = EVERY_STAFF | {ADAPTER, CUSTOMER}
ADMINS = frozenset({ADMIN})

# Doors without a token: probes, documentation, log-in, a stranger who opens a chat.
PUBLIC = frozenset(
    {
        "welcome", "livez", "readyz", "openapi", "docs", "create_visitor",
        "oidc_configuration", "oidc_jwks", "oidc_token", "oidc_authorize", "oidc_log_in",
    }
)  # fmt: skip

# Operation -> the roles of which one is needed. Services check once more, by tables of their own.
ALLOWED: Mapping[str, frozenset[str]] = {
    "get_me": EVERYBODY,
    "ingest_events": frozenset({ADAPTER, CUSTOMER}),
    # customers
    "list_customers": READERS,
    "look_up_customer": READERS,
    "create_customer": STAFF,
    "get_customer": READERS,
    "replace_customer": STAFF,
    "change_customer": STAFF,
    "delete_customer": ADMINS,
    "merge_customers": LEADS,
    "import_customers": frozenset({MANAGER, ADMIN}),
    "get_customer_journey": EVERY_STAFF,
    # sessions and journeys
    "list_sessions": EVERY_STAFF,
    "get_session": EVERY_STAFF,
    "get_session_journey": EVERY_STAFF,
    "get_session_context": READERS | {ADAPTER},
    "put_session_context": READERS | {ADAPTER},
    "delete_session_context": READERS | {ADAPTER},
    "get_context_pack": READERS,
    "get_journey": EVERY_STAFF,
    "get_dialogue": EVERY_STAFF,
    "get_event": EVERY_STAFF,
    # tickets
    "list_tickets": EVERY_STAFF | {CUSTOMER},
    "open_ticket": STAFF | {CUSTOMER},
    "get_ticket": EVERY_STAFF | {CUSTOMER},
    "assign_ticket": STAFF,
    "comment_ticket": STAFF | {CUSTOMER},
    "resolve_ticket": STAFF,
    "reopen_ticket": STAFF | {CUSTOMER},
    "close_ticket": STAFF | {CUSTOMER},
    "escalate_ticket": STAFF,
    # recordings
    "list_recordings": READERS,
    "get_recording": READERS,
    "get_transcript": READERS,
    "get_recording_content": READERS,
    "store_recording": frozenset({ADAPTER, SUPERVISOR, ADMIN}),
    "hold_recording": frozenset({QA, MANAGER, ADMIN}),
    "list_recording_access": frozenset({QA, MANAGER, ADMIN}),
    # figures
    "get_report": EVERY_STAFF,
    "get_live_figures": EVERY_STAFF,
    "list_definitions": EVERY_STAFF,
    "list_reported_contacts": LEADS | {QA, ANALYST},
    # the ledger
    "get_audit": LEADS | {QA, ANALYST},
    "list_audit_breaches": LEADS | {QA, ANALYST},
    "get_audit_account": LEADS | {QA, ANALYST},
    # queues, agents, contacts
    "get_pool": EVERY_STAFF,
    "list_queues": EVERY_STAFF,
    "get_queue": EVERY_STAFF,
    "put_queue": frozenset({MANAGER, ADMIN}),
    "estimate_wait": EVERY_STAFF,
    "list_agents": EVERY_STAFF,
    "get_agent": EVERY_STAFF,
    "put_agent": frozenset({MANAGER, ADMIN}),
    "set_agent_state": LEADS,
    "explain_contact": EVERY_STAFF,
    "move_contact": LEADS,
    "direct_contact": LEADS,
    "take_back_contact": LEADS,
    # what is configured, as files and one by one
    "export_configuration": frozenset({MANAGER, ADMIN}),
    "import_configuration": ADMINS,
    "list_configured_items": EVERY_STAFF,
    "get_configured_item": EVERY_STAFF,
    "put_configured_item": frozenset({MANAGER, ADMIN}),
    "remove_configured_item": frozenset({MANAGER, ADMIN}),
    # callbacks
    "request_callback": STAFF,
    "list_callbacks": READERS,
    "cancel_callback": STAFF,
    # strategies
    "list_strategies": EVERY_STAFF,
    "get_strategy": EVERY_STAFF,
    "validate_strategy": frozenset({MANAGER, ADMIN}),
    "publish_strategy": frozenset({MANAGER, ADMIN}),
    "roll_back_strategy": frozenset({MANAGER, ADMIN}),
    # flows
    "list_flows": EVERY_STAFF,
    "get_flow": EVERY_STAFF,
    "validate_flow": frozenset({MANAGER, ADMIN}),
    "test_flow": frozenset({MANAGER, ADMIN}),
    "publish_flow": frozenset({MANAGER, ADMIN}),
    "roll_back_flow": frozenset({MANAGER, ADMIN}),
    # dead letters
    "list_dead_letters": ADMINS,
    "get_dead_letter": ADMINS,
    "change_dead_letter": ADMINS,
    "replay_dead_letter": ADMINS,
    "discard_dead_letter": ADMINS,
    "replay_dead_letters": ADMINS,
    "discard_dead_letters": ADMINS,
    "list_dead_letter_audit": ADMINS,
    # sockets
    "agent_socket": frozenset({AGENT}),
    "chat_socket": frozenset({CUSTOMER}),
    "interaction_socket": frozenset({ADAPTER}),
    "supervisor_socket": LEADS,
}


def check(principal: Principal, operation: str) -> None:
    """Return when the principal may do it. :raises Forbidden: no role of his allows it."""
    roles = ALLOWED.get(operation, frozenset())
    if principal.roles.isdisjoint(roles):
        names = ", ".join(sorted(roles)) or "nobody's"
        raise Forbidden("role_missing", f"this takes one of the roles: {names}", {"operation": operation})
