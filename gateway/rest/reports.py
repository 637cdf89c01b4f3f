"""Figures: by interval, live, what they mean, and the contacts behind them."""

from typing import Annotated, Literal

from fastapi import Query
from pydantic import AwareDatetime
from starlette.responses import Response

from gateway.asking import Ask, Cursor, Limit, NameQuery, answer
from gateway.openapi import gives
from gateway.rest import router
from libs.errors import Invalid, Violation
from libs.rpc.analytics.v1 import analytics_pb2 as pb
from libs.structs import stamp

routes = router("reports")
REPORT_S = 30.0
Dimension = Literal["queue", "agent", "channel", "tenant"]
Ids = Annotated[str, Query(max_length=4096, description="By comma; none: all.")]
Zone = Annotated[str, Query(max_length=64, description="IANA name in which days begin; none: UTC.")]


@routes.get("/reports", operation_id="get_report", **gives(pb.GetReportResponse))
async def get_report(
    ask: Ask,
    from_time: Annotated[AwareDatetime, Query(alias="from")],
    to_time: Annotated[AwareDatetime, Query(alias="to")],
    dimension: Dimension = "queue",
    interval: Annotated[
        int, Query(ge=0, le=1440, description="Minutes: 15, 30, 60 or 1440; 0: one row.")
    ] = 15,
    ids: Ids = "",
    thresholds_ms: Annotated[
        str, Query(max_length=256, description="Of service levels, by comma; none: 20000.")
    ] = "",
    timezone: Zone = "",
) -> Response:
    """Return figures by interval; a figure with nothing to divide by is left out, not 0."""
    request = pb.GetReportRequest(
        from_time=stamp(from_time),
        to_time=stamp(to_time),
        interval_minutes=interval,
        dimension=dimension,
        ids=_listed(ids),
        service_level_threshold_ms=_numbers(thresholds_ms),
        timezone=timezone,
    )
    return answer(await ask.services.analytics.GetReport(request, timeout=REPORT_S))


@routes.get("/reports/live", operation_id="get_live_figures", **gives(pb.GetLiveFiguresResponse))
async def get_live_figures(
    ask: Ask, dimension: Dimension = "queue", ids: Ids = "", timezone: Zone = ""
) -> Response:
    """Return how it stands now and what the day has brought so far."""
    request = pb.GetLiveFiguresRequest(dimension=dimension, ids=_listed(ids), timezone=timezone)
    return answer(await ask.services.analytics.GetLiveFigures(request))


@routes.get("/reports/definitions", operation_id="list_definitions", **gives(pb.ListDefinitionsResponse))
async def list_definitions(ask: Ask) -> Response:
    """Return what each figure means."""
    return answer(await ask.services.analytics.ListDefinitions(pb.ListDefinitionsRequest()))


@routes.get("/reports/contacts", operation_id="list_reported_contacts", **gives(pb.Contact, listed=True))
async def list_reported_contacts(
    ask: Ask,
    from_time: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    to_time: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    queue_id: NameQuery = "",
    agent_id: NameQuery = "",
    channel: NameQuery = "",
    terminal_state: NameQuery = "",
    interaction_id: NameQuery = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Return the contacts behind the figures, in the order in which they started."""
    found = await ask.services.analytics.GetContactLedger(
        pb.GetContactLedgerRequest(
            from_time=stamp(from_time),
            to_time=stamp(to_time),
            queue_id=queue_id,
            agent_id=agent_id,
            channel=channel,
            terminal_state=terminal_state,
            interaction_id=interaction_id,
            page=ask.page(limit, cursor),
        ),
        timeout=REPORT_S,
    )
    return ask.listed(found.contacts, found.page)


def _listed(text: str) -> list[str]:
    return [each for each in (part.strip() for part in text.split(",")) if each]


def _numbers(text: str) -> list[int]:
    parts = _listed(text)
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts) or len(parts) > 20:
        raise Invalid(Violation("thresholds_ms", "must be whole numbers by comma"))
    return [int(part) for part in parts]
