"""What the gateway's doors are made of, put together once in __main__."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from grpc import aio

from gateway.acts import Acts
from gateway.auth import Verifier
from gateway.conversation import Conversation
from gateway.cursor import Cursors
from gateway.doors import SocketDoors
from gateway.feed import Feed
from gateway.hub import Hub
from gateway.idempotency import Answers
from gateway.keys import VisitorTokens
from gateway.limits import Rates
from gateway.oidc import DevelopmentIssuer
from gateway.settings import GatewaySettings
from libs import rpc_client
from libs.clock import Now
from libs.mongo import MongoStore
from libs.reading import Bus
from libs.rpc.analytics.v1.analytics_pb2_grpc import AnalyticsServiceStub
from libs.rpc.audit.v1.audit_pb2_grpc import AuditServiceStub
from libs.rpc.crm_context.v1.crm_context_pb2_grpc import CrmContextServiceStub
from libs.rpc.ivr.v1.ivr_pb2_grpc import IvrServiceStub
from libs.rpc.recording.v1.recording_pb2_grpc import RecordingServiceStub
from libs.rpc.repair.v1.repair_pb2_grpc import RepairServiceStub
from libs.rpc.routing.v1.configuration_pb2_grpc import ConfigurationServiceStub
from libs.rpc.routing.v1.routing_pb2_grpc import RoutingServiceStub
from libs.rpc.session.v1.session_pb2_grpc import SessionServiceStub
from libs.rpc.workflow.v1.workflow_pb2_grpc import WorkflowServiceStub
from libs.service import Check


@dataclass(frozen=True, slots=True)
class Services:
    """The services behind the gateway; a call raises a Refusal."""

    session: SessionServiceStub
    routing: RoutingServiceStub
    configuration: ConfigurationServiceStub
    ivr: IvrServiceStub
    crm_context: CrmContextServiceStub
    workflow: WorkflowServiceStub
    recording: RecordingServiceStub
    analytics: AnalyticsServiceStub
    repair: RepairServiceStub
    audit: AuditServiceStub


@asynccontextmanager
async def services(settings: GatewaySettings, now: Now) -> AsyncIterator[Services]:
    """Open a channel to each service; they need not be there yet."""
    async with AsyncExitStack() as stack:

        async def channel(address: str) -> aio.Channel:
            opened = rpc_client.channel(address, settings.service_secret, "gateway", now)
            return await stack.enter_async_context(opened)

        routing = await channel(settings.routing_address)
        yield Services(
            SessionServiceStub(await channel(settings.session_address)),
            RoutingServiceStub(routing),
            ConfigurationServiceStub(routing),
            IvrServiceStub(await channel(settings.ivr_address)),
            CrmContextServiceStub(await channel(settings.crm_context_address)),
            WorkflowServiceStub(await channel(settings.workflow_address)),
            RecordingServiceStub(await channel(settings.recording_address)),
            AnalyticsServiceStub(await channel(settings.analytics_address)),
            RepairServiceStub(await channel(settings.repair_address)),
            AuditServiceStub(await channel(settings.audit_address)),
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a door may need."""

    settings: GatewaySettings
    verifier: Verifier
    rates: Rates
    services: Services
    bus: Bus
    answers: Answers
    cursors: Cursors
    conversations: MongoStore[Conversation]
    acts: Acts
    doors: SocketDoors
    feed: Feed
    hub: Hub
    visitors: VisitorTokens
    issuer: DevelopmentIssuer | None
    ready: Check
    now: Now
