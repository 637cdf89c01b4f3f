"""The inner door: straight to the bus, and figures straight from analytics."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from libs import bus, clock
from libs.events.base import AnyEvent
from libs.rpc.analytics.v1 import analytics_pb2 as pb
from libs.rpc.analytics.v1.analytics_pb2_grpc import AnalyticsServiceStub
from libs.rpc_client import Caller, acting_for, channel
from libs.settings import Settings
from services.channels.call_log.figures import THRESHOLDS_S
from services.channels.call_log.life import SOURCE
from services.channels.call_log.mapping import Mapping


class BusDoor:
    """Publishes on the bus and asks over gRPC."""

    def __init__(self, kafka: bus.KafkaBus, analytics: AnalyticsServiceStub) -> None:
        self._kafka = kafka
        self._analytics = analytics

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        await self._kafka.publish(events)

    async def figures(self, mapping: Mapping, start: datetime, end: datetime) -> dict[date, dict[str, float]]:
        """Return what analytics counted on the log's channel, by day of its zone."""
        request = pb.GetReportRequest(
            from_time=_stamp(start),
            to_time=_stamp(end),
            interval_minutes=1440,
            dimension="channel",
            ids=[mapping.channel],
            service_level_threshold_ms=[t * 1000 for t in THRESHOLDS_S],
            timezone=mapping.time_zone,
        )
        with acting_for(Caller(mapping.tenant, "service:call_log", frozenset({"service"}))):
            report = await self._analytics.GetReport(request, timeout=10)
        return {
            row.interval_start.ToDatetime(UTC).astimezone(mapping.zone).date(): dict(row.figures)
            for row in report.rows
        }


def _stamp(time: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(time.astimezone(UTC))
    return made


@asynccontextmanager
async def straight(settings: Settings) -> AsyncIterator[BusDoor]:
    """Open the door."""
    async with (
        bus.connect(settings, SOURCE) as kafka,
        channel(settings.analytics_address, settings.service_secret, "call_log", clock.now) as analytics,
    ):
        yield BusDoor(kafka, AnalyticsServiceStub(analytics))
