"""What analytics answers: reports, live figures, definitions and the contacts behind a figure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf.timestamp_pb2 import Timestamp

from libs import paging
from libs.clock import Now
from libs.errors import Invalid, Violation
from libs.mongo import Document
from libs.rpc.analytics.v1 import analytics_pb2 as pb
from libs.rpc.analytics.v1 import analytics_pb2_grpc
from libs.rpc.common.v1 import common_pb2
from libs.rpc_server import Context, caller
from services.analytics.domain import kpis
from services.analytics.domain.contact import Contact
from services.analytics.domain.counts import grain_of
from services.analytics.domain.kpis import DEFAULT_THRESHOLDS_MS, DEFINITION_VERSION, DEFINITIONS, figures
from services.analytics.report import INTERVALS_MINUTES, Row, rows_of
from services.analytics.store import Stores, sum_counts

DIMENSIONS = ("queue", "agent", "channel", "tenant")
LONGEST = timedelta(days=400)
MANY_IDS = 1000


class AnalyticsServicer(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Answers from the stored sums; a report reads one document per id and 15 minutes."""

    def __init__(self, stores: Stores, now: Now) -> None:
        self._stores = stores
        self._now = now

    async def GetReport(self, request: pb.GetReportRequest, context: Context) -> pb.GetReportResponse:
        zone = zone_of(request.timezone)
        start, end = self._span(request)
        dimension = dimension_of(request.dimension)
        if request.interval_minutes not in INTERVALS_MINUTES:
            raise Invalid(Violation("interval_minutes", f"must be one of {INTERVALS_MINUTES}"))
        thresholds = list(request.service_level_threshold_ms) or list(DEFAULT_THRESHOLDS_MS)
        if any(not 0 < each <= 86_400_000 for each in thresholds) or len(thresholds) > 20:
            raise Invalid(Violation("service_level_threshold_ms", "at most 20 of 1 ms to a day"))
        grains = await self._stores.counts_of(caller().tenant, dimension, ids_of(request.ids), start, end)
        rows = rows_of(grains, start, end, request.interval_minutes, zone, thresholds)
        total = Row(start, end, "", figures(sum_counts(grains), thresholds))
        return pb.GetReportResponse(
            rows=[row_message(row, dimension) for row in rows],
            total=row_message(total, dimension),
            definition_version=str(DEFINITION_VERSION),
            counted_until=stamp(self._now()),
        )

    async def GetLiveFigures(
        self, request: pb.GetLiveFiguresRequest, context: Context
    ) -> pb.GetLiveFiguresResponse:
        now, tenant = self._now(), caller().tenant
        dimension = dimension_of(request.dimension)
        day = now.astimezone(zone_of(request.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
        grains = await self._stores.counts_of(tenant, dimension, ids_of(request.ids), grain_of(day), now)
        rows = {
            row.id: dict(row.figures)
            for row in rows_of(grains, day, now, 0, ZoneInfo("UTC"), DEFAULT_THRESHOLDS_MS)
        }
        if dimension == "queue":
            for queue_id, (waiting, since) in (await self._stores.waiting_now(tenant)).items():
                if not request.ids or queue_id in request.ids:
                    row = rows.setdefault(queue_id, {})
                    row["waiting_now"] = waiting
                    row["longest_wait_ms"] = (now - since) // timedelta(milliseconds=1)
        if dimension == "tenant":
            row = rows.setdefault(tenant, {})
            row.update({f"agents_{s}": float(n) for s, n in (await self._stores.agents_now(tenant)).items()})
            row["waiting_now"] = sum(n for n, _ in (await self._stores.waiting_now(tenant)).values())
        return pb.GetLiveFiguresResponse(
            rows=[row_message(Row(day, now, name, made), dimension) for name, made in sorted(rows.items())],
            as_of=stamp(now),
        )

    async def ListDefinitions(
        self, request: pb.ListDefinitionsRequest, context: Context
    ) -> pb.ListDefinitionsResponse:
        made = [
            pb.Definition(
                name=each.name,
                unit=each.unit,
                title=words(each.title),
                formula=words(each.formula),
                grain=words(each.grain),
                clock=words(each.clock),
                exclusions=words(each.exclusions),
                dimensions=each.dimensions,
            )
            for each in DEFINITIONS
        ]
        for name, formula, _ in kpis.SERVICE_LEVELS:
            made.append(
                pb.Definition(
                    name=f"{name}_<T>ms",
                    unit="ratio",
                    title=words(("Service level", "服务水平")),
                    formula=words((formula, formula)),
                    grain=words(("a contact in a queue", "队列中的一次联络")),
                    clock=words(kpis.QUEUE_ENTRY),
                    exclusions=words(kpis.NONE),
                    dimensions=kpis.QUEUES,
                )
            )
        return pb.ListDefinitionsResponse(definitions=made, definition_version=str(DEFINITION_VERSION))

    async def GetContactLedger(
        self, request: pb.GetContactLedgerRequest, context: Context
    ) -> pb.GetContactLedgerResponse:
        where: Document = {}
        if request.HasField("from_time") or request.HasField("to_time"):
            span: Document = {}
            if request.HasField("from_time"):
                span["$gte"] = request.from_time.ToDatetime(UTC)
            if request.HasField("to_time"):
                span["$lt"] = request.to_time.ToDatetime(UTC)
            where["ix.started_at"] = span
        for name in ("queue_id", "agent_id", "channel"):
            if getattr(request, name):
                where[f"ix.{name}"] = str(getattr(request, name))
        if request.terminal_state:
            where["ix.outcome"] = "" if request.terminal_state == "none" else str(request.terminal_state)
        if request.interaction_id:
            where["ix.contact_id"] = str(request.interaction_id)
        size = paging.size_of(request.page.page_size)
        places = paging.places_of(request.page.page_token, [datetime, str])
        found = await self._stores.ledger(caller().tenant, where, places, size + 1)
        page, more = found[:size], len(found) > size
        token = paging.token_of([page[-1].started_at or self._now(), page[-1].contact_id]) if more else ""
        return pb.GetContactLedgerResponse(
            contacts=[contact_message(each) for each in page],
            page=common_pb2.PageResponse(next_page_token=token),
        )

    def _span(self, request: pb.GetReportRequest) -> tuple[datetime, datetime]:
        if not request.HasField("from_time") or not request.HasField("to_time"):
            raise Invalid(Violation("from_time", "from_time and to_time are required"))
        start, end = request.from_time.ToDatetime(UTC), request.to_time.ToDatetime(UTC)
        if start != grain_of(start):
            raise Invalid(Violation("from_time", "must be a full quarter of an hour"))
        if not start < end <= start + LONGEST:
            raise Invalid(Violation("to_time", "must be after from_time, by at most 400 days"))
        return start, end


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone. :raises Invalid: there is none of that name."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid(Violation("timezone", "is no IANA time zone")) from None


def dimension_of(name: str) -> str:
    """Return a dimension. :raises Invalid: there is none of that name."""
    if name not in DIMENSIONS:
        raise Invalid(Violation("dimension", f"must be one of {', '.join(DIMENSIONS)}"))
    return name


def ids_of(ids: Iterable[str]) -> list[str]:
    """Return the ids asked for. :raises Invalid: there are too many."""
    found = list(ids)
    if len(found) > MANY_IDS:
        raise Invalid(Violation("ids", f"at most {MANY_IDS}"))
    return found


def stamp(time: datetime) -> Timestamp:
    """Return a time as protobuf has it."""
    made = Timestamp()
    made.FromDatetime(time.astimezone(UTC))
    return made


def words(pair: tuple[str, str]) -> common_pb2.Words:
    """Return an English and a Chinese text."""
    return common_pb2.Words(en=pair[0], zh=pair[1])


def row_message(row: Row, dimension: str) -> pb.Row:
    """Return a row as the contract has it."""
    return pb.Row(
        interval_start=stamp(row.start),
        interval_end=stamp(row.end),
        dimension=dimension,
        id=row.id,
        figures=row.figures,
    )


def contact_message(contact: Contact) -> pb.Contact:
    """Return a contact as the contract has it."""
    message = pb.Contact(
        interaction_id=contact.contact_id,
        session_id=contact.session_id,
        channel=contact.channel,
        direction=contact.direction,
        queue_id=contact.queue_id,
        agent_id=contact.agent_id,
        terminal_state=contact.outcome,
        waited_ms=contact.waited_ms,
        talk_ms=contact.talked_ms,
        hold_ms=contact.held_ms,
        wrap_up_ms=contact.wrap_up_ms,
        csat=contact.csat,
        reason=contact.reason,
    )
    for name in ("started_at", "queued_at", "answered_at", "ended_at"):
        time = getattr(contact, name)
        if time is not None:
            getattr(message, name).FromDatetime(time)
    return message
