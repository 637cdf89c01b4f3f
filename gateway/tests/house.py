"""A real gateway as a process, with a broker of its own and two services that answer by heart."""

import asyncio
import json
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

from deploy.dev.ports import free_ports
from deploy.dev.processes import LOOPBACK, Child, answers_http
from deploy.dev.settings import ROOT
from gateway.settings import GatewaySettings
from gateway.tests.rpc_fakes import Crm, Workflow
from libs import bus, clock, topics
from libs.bus import KafkaBus
from libs.rpc.crm_context.v1.crm_context_pb2_grpc import add_CrmContextServiceServicer_to_server
from libs.rpc.workflow.v1.workflow_pb2_grpc import add_WorkflowServiceServicer_to_server
from libs.rpc_server import serve
from tests.servers import Server

READY_WITHIN_S = 60.0


class House:
    """The gateway and what stands around it."""

    def __init__(self, folder: Path, mongo_url: str, broker: Server, **settings: Any) -> None:
        self.broker = broker
        self._folder = folder
        port, health, *self._grpc = free_ports(4)
        grpc = self._grpc
        self.settings = GatewaySettings(
            kafka_bootstrap=broker.address,
            mongo_url=mongo_url,
            mongo_database_prefix=f"g{uuid.uuid4().hex[:8]}_",
            data_dir=folder,
            service_secret=uuid.uuid4().hex,
            gateway_port=port,
            health_port=health,
            crm_context_address=f"{LOOPBACK}:{grpc[0]}",
            workflow_address=f"{LOOPBACK}:{grpc[1]}",
            session_address=f"{LOOPBACK}:1",  # nobody is there
            gateway_publish_timeout_s=2,
            gateway_public_url=f"http://{LOOPBACK}:{port}",
            **settings,
        )
        self.gateway = self.replica("gateway", self.settings)
        self.url = f"http://{LOOPBACK}:{port}"
        self.crm, self.workflow = Crm(), Workflow()  # type: ignore[abstract]  # not all is asked
        self.bus: KafkaBus

    def replica(self, name: str, settings: GatewaySettings) -> Child:
        """Return a gateway process with such settings, not started yet."""
        changed = settings.model_dump(exclude_defaults=True)
        told = {f"TRUNKLINE_{name.upper()}": str(value) for name, value in changed.items()}
        return Child((sys.executable, "-m", "gateway"), self._folder / f"{name}.log", told, ROOT)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["House"]:
        """Run everything for as long as the body runs."""
        async with AsyncExitStack() as stack:
            stack.callback(self.gateway.kill)
            await topics.create(self.settings)
            for port, register in zip(
                self._grpc,
                (
                    partial(add_CrmContextServiceServicer_to_server, self.crm),
                    partial(add_WorkflowServiceServicer_to_server, self.workflow),
                ),
                strict=True,
            ):
                serving = serve(register, port=port, secret=self.settings.service_secret, now=clock.now)
                await stack.enter_async_context(serving)
            await self.start_gateway()
            self.bus = await stack.enter_async_context(bus.connect(self.settings, "/trunkline/test"))
            yield self

    async def restart_broker(self) -> None:
        await asyncio.to_thread(self.broker.start)
        await topics.create(self.settings)

    async def start_gateway(self) -> None:
        self.gateway.start()
        ready = partial(answers_http, f"{self.url}/readyz")
        await asyncio.to_thread(self.gateway.await_ready, "gateway", ready, READY_WITHIN_S)

    async def restart_gateway(self, signum: signal.Signals = signal.SIGKILL) -> int | None:
        """End the gateway and start it again; return what it ended with."""
        code = await asyncio.to_thread(self.gateway.kill, signum)
        await self.start_gateway()
        return code

    async def ask(self, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
        headers = {**more.pop("headers", {}), **({"authorization": f"Bearer {token}"} if token else {})}
        async with httpx.AsyncClient(base_url=self.url, timeout=20, trust_env=False) as client:
            return await client.request(method, path, headers=headers, **more)

    async def token(self, user: str) -> str:
        form = {"grant_type": "password", "username": user, "password": user}
        return str((await self.ask("POST", "/oidc/token", data=form)).json()["access_token"])

    @asynccontextmanager
    async def socket(self, path: str, token: str, at: str = "", **how: Any) -> AsyncIterator["Screen"]:
        headers = how.pop("additional_headers", {"authorization": f"Bearer {token}"})
        url = f"ws{(at or self.url).removeprefix('http')}{path}"
        async with websockets.connect(
            url, additional_headers=headers, proxy=None, open_timeout=20, **how
        ) as connection:
            yield Screen(connection)


class Screen:
    """The other end of a socket: it keeps the frames it got."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []

    async def sees(self, kind: str, within_s: float = 20) -> dict[str, Any]:
        """Return the next frame of a kind; those before it are kept."""
        async with asyncio.timeout(within_s):
            while True:
                frame: dict[str, Any] = json.loads(await self.connection.recv())
                self.frames.append(frame)
                if frame["type"] == kind:
                    return frame

    async def sees_any(self, within_s: float = 20) -> dict[str, Any]:
        """Return the next frame, whatever it is."""
        async with asyncio.timeout(within_s):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
            self.frames.append(frame)
            return frame

    async def has(self, kind: str) -> dict[str, Any]:
        """Return the first frame of a kind, be it here already or not."""
        here = (frame for frame in self.frames if frame["type"] == kind)
        return next(here, None) or await self.sees(kind)

    async def sees_nothing(self, within_s: float = 0.5) -> bool:
        """Return whether no numbered frame came in that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    frame = json.loads(await self.connection.recv())
                    if "seq" in frame:
                        return False
        return True

    async def do(self, kind: str, command_id: str, **fields: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        await self.connection.send(json.dumps({"id": command_id, "type": kind, **fields}))
        async with asyncio.timeout(20):
            while True:
                frame: dict[str, Any] = json.loads(await self.connection.recv())
                self.frames.append(frame)
                if frame.get("id") == command_id:
                    return frame

    @property
    def numbers(self) -> list[int]:
        return [frame["seq"] for frame in self.frames if "seq" in frame]
