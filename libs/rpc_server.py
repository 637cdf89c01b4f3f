"""The gRPC server of every service, with health and reflection."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from libs.clock import Now
from libs.rpc_caller import Caller, Verifier, caller
from libs.rpc_guard import Context, Guarded

__all__ = ["Caller", "Context", "Registration", "Serving", "caller", "serve"]

GRACE_S = 5.0
LARGEST_MESSAGE = 8 * 1024 * 1024
OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_MESSAGE),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, not a second server on it
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # clients keep quiet connections alive
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_connection_age_ms", 600_000),  # so that clients find replicas that came later
    ("grpc.max_connection_age_grace_ms", 600_000),
)

# Adds one servicer to a server: `partial(add_SessionServiceServicer_to_server, servicer)`.
Registration: TypeAlias = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that runs."""

    port: int
    services: tuple[str, ...]
    health: health.aio.HealthServicer

    async def set_healthy(self, healthy: bool) -> None:
        """Tell those who ask for health whether calls should be sent here."""
        status = health_pb2.HealthCheckResponse
        for name in ("", *self.services):
            await self.health.set(name, status.SERVING if healthy else status.NOT_SERVING)


@asynccontextmanager
async def serve(
    *registrations: Registration, port: int, secret: str, now: Now, host: str = "127.0.0.1"
) -> AsyncIterator[Serving]:
    """
    Serve until the block is left, then let the calls in hand finish.

    Anybody gets health and reflection; everything else takes a token signed with `secret`. Port 0 takes a
    free one.
    """
    server = aio.server(options=OPTIONS)
    guarded = Guarded(server, Verifier(secret, now))
    for register in registrations:
        register(guarded)
    serving = Serving(
        server.add_insecure_port(f"{host}:{port}"), tuple(guarded.services), health.aio.HealthServicer()
    )
    health_pb2_grpc.add_HealthServicer_to_server(serving.health, server)
    names = (*serving.services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    await server.start()
    await serving.set_healthy(True)
    try:
        yield serving
    finally:
        await serving.health.enter_graceful_shutdown()
        await server.stop(GRACE_S)
