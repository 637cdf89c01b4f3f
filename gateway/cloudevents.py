"""From a CloudEvents document of an adapter to an event of the bus: pure, and on the hottest path."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from pydantic import ValidationError

from gateway.auth import Principal
from gateway.journeys import interaction_journey, visitor_journey
from libs.errors import Violation
from libs.events import interaction, visitor
from libs.events.base import AnyEvent, Event, Fact
from libs.events.catalogue import ADAPTER_TOPICS, BY_TYPE
from libs.telemetry import child, context_of, rooted
from libs.wire import parse_time

AHEAD = timedelta(minutes=5)  # the clocks of adapters may run ahead this much; any past is history
EARLIEST_YEAR = 1970
TAKEN = {name: fact for name, fact in BY_TYPE.items() if fact.topic() in ADAPTER_TOPICS}
_PRINTABLE = re.compile(r"[!-~]{1,128}").fullmatch
_SOURCE = lru_cache(maxsize=4096)(re.compile(r"[!-~]{1,256}").fullmatch)  # few sources tell all events
_ID = re.compile(r"[A-Za-z0-9._:@+=~-]{1,128}").fullmatch


class NotTaken(Exception):
    """An event that is refused; `reason` is a short code, nothing in it repeats the event's content."""

    def __init__(self, reason: str, detail: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.violations = violations


def event_of(document: object, principal: Principal, now: datetime, traceparent: str) -> AnyEvent:
    """
    Return the event of a structured document, in the tenant of its teller.

    `traceparent` is the request's, "" where it has none. :raises NotTaken: and why.
    """
    if not isinstance(document, dict):
        raise NotTaken("bad_envelope", "an event is a JSON object")
    if document.get("specversion") != "1.0":
        raise NotTaken("bad_envelope", "specversion must be 1.0")
    event_id, name = document.get("id"), document.get("type")
    if not isinstance(event_id, str) or not _PRINTABLE(event_id):
        raise NotTaken("bad_envelope", "id must be 1 to 128 printable characters")
    fact = TAKEN.get(name) if isinstance(name, str) else None
    if fact is None:
        raise _type_refused(name)
    if document.get("tenant", principal.tenant) != principal.tenant:
        raise NotTaken("foreign_tenant", "the event is of another tenant than its teller")
    source = document.get("source")
    if not isinstance(source, str) or not _SOURCE(source):
        raise NotTaken("bad_envelope", "source must be a URI reference of at most 256 characters")
    try:
        data: Fact = fact.__pydantic_validator__.validate_python(document.get("data"))
    except ValidationError as error:
        raise _data_refused(error) from None
    if "adapter" not in principal.roles:
        _check_customer(data, principal)
    return Event(
        event_id,
        principal.tenant,
        _time(document.get("time"), now),
        data,
        _journey(document, data, principal.tenant),
        _optional(document, "causationid"),
        source,
        _sequence(document.get("sequence")),
        _trace(document.get("traceparent"), traceparent, event_id),
    )


def document_of(headers: Mapping[str, str], data: object) -> dict[str, Any]:
    """Return the structured form of an event in binary mode: attributes are headers, data is the body."""
    document: dict[str, Any] = {
        name[3:]: unquote(value) if "%" in value else value
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    document["data"] = data
    return document


def _journey(document: dict[str, Any], data: Fact, tenant: str) -> str:
    if given := _optional(document, "correlationid"):
        return given
    if isinstance(data, interaction.Started) and data.visitor_id:
        return visitor_journey(tenant, data.visitor_id)
    if data.type.startswith("trunkline.visitor."):
        return visitor_journey(tenant, data.key)
    return interaction_journey(tenant, data.key)


def _optional(document: dict[str, Any], name: str) -> str:
    value = document.get(name) or ""
    if value and not (isinstance(value, str) and _ID(value)):
        raise NotTaken("bad_envelope", f"{name} must be 1 to 128 letters, digits or ._:@+=~-")
    return str(value)


def _time(text: object, now: datetime) -> datetime:
    if text is None:
        return now
    try:
        time = parse_time(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        time = None
    if time is None or not EARLIEST_YEAR < time.year < 9999:
        raise NotTaken("bad_time", "time must be RFC 3339 with an offset")
    if time > now + AHEAD:
        raise NotTaken("time_in_future", "time is more than five minutes ahead")
    return time


def _sequence(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15:
        return value
    raise NotTaken("bad_envelope", "sequence must be a whole number")


def _trace(given: object, request: str, event_id: str) -> str:
    if isinstance(given, str) and len(given) == 55 and context_of(given):
        return given
    return child(request, event_id) if request else rooted(event_id)


def _type_refused(name: object) -> NotTaken:
    if not isinstance(name, str) or not name:
        return NotTaken("no_type", "type is missing")
    if name in BY_TYPE:
        return NotTaken("type_not_allowed", "events of this type are told by the platform only")
    return NotTaken("unknown_type", "there are no events of this type or version")


def _data_refused(error: ValidationError) -> NotTaken:
    rows = error.errors(include_input=False, include_url=False, include_context=False)[:10]
    violations = tuple(
        Violation(".".join(("data", *map(str, row["loc"]))), row["msg"], row["type"]) for row in rows
    )
    return NotTaken("bad_data", "data does not fit the type's schema", violations)


def _check_customer(data: Fact, principal: Principal) -> None:
    """Let a customer tell what he himself did as a visitor, nothing else."""
    if not isinstance(data, visitor._VisitorFact):
        raise NotTaken("type_not_allowed", "a customer tells of his own visit only")
    if data.visitor_id != principal.subject:
        raise NotTaken("foreign_visitor", "a customer tells of his own visit only")
