"""The outer door: the gateway, reached as any adapter reaches it."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import httpx

from libs import wire
from libs.errors import Unavailable
from libs.events.base import AnyEvent
from services.channels.call_log.figures import THRESHOLDS_S
from services.channels.call_log.mapping import Mapping

BATCH = 500
BATCH_BYTES = 900_000
LANES = 4
TIMEOUT_S = 30.0
RENEW_BEFORE_S = 60.0


class Refused(Exception):
    """The gateway does not want this, and will not want it tomorrow."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who asks: adapters may tell, analysts may read figures."""

    name: str
    secret: str = field(repr=False)


class GatewayDoor:
    """Publishes and asks over HTTP. Contacts are spread over lanes; within a lane order is kept."""

    def __init__(self, client: httpx.AsyncClient, adapter: Login, reader: Login, lanes: int = LANES) -> None:
        self._client = client
        self._adapter = adapter
        self._reader = reader
        self._lanes = lanes
        self._tokens: dict[Login, tuple[str, float]] = {}

    async def publish(self, events: Sequence[AnyEvent]) -> None:
        lanes: list[list[AnyEvent]] = [[] for _ in range(self._lanes)]
        for event in events:
            lanes[zlib.crc32(event.key.encode()) % self._lanes].append(event)
        headers = await self._headers(self._adapter)
        results = await asyncio.gather(
            *(self._send(lane, headers) for lane in lanes if lane), return_exceptions=True
        )
        for problem in results:
            if isinstance(problem, BaseException):
                raise problem

    async def _send(self, events: Sequence[AnyEvent], headers: dict[str, str]) -> None:
        for body in batches(events):
            response = await self._ask(
                "POST",
                "/v1/events",
                headers={**headers, "content-type": "application/cloudevents-batch+json"},
                content=body,
            )
            refused = [
                each
                for each in response.json().get("results", ())
                if each.get("status") not in ("accepted", "duplicate", 202)
            ]
            if refused:
                raise Refused(f"{len(refused)} events of a batch, the first: {json.dumps(refused[0])[:300]}")

    async def figures(self, mapping: Mapping, start: datetime, end: datetime) -> dict[date, dict[str, float]]:
        """Return what analytics counted on the log's channel, by day of its zone."""
        response = await self._ask(
            "GET",
            "/v1/reports",
            headers=await self._headers(self._reader),
            params={
                "from": wire.format_time(start),
                "to": wire.format_time(end),
                "interval": 1440,
                "dimension": "channel",
                "ids": mapping.channel,
                "thresholds_ms": ",".join(str(t * 1000) for t in THRESHOLDS_S),
                "timezone": mapping.time_zone,
            },
        )
        return {
            datetime.fromisoformat(row["interval_start"]).astimezone(mapping.zone).date(): row["figures"]
            for row in response.json().get("rows", ())
        }

    async def _headers(self, login: Login) -> dict[str, str]:
        now = asyncio.get_running_loop().time()
        token, until = self._tokens.get(login, ("", 0.0))
        if now >= until:
            form = {
                "grant_type": "client_credentials",
                "client_id": login.name,
                "client_secret": login.secret,
            }
            answer = (await self._ask("POST", "/oidc/token", data=form)).json()
            token = str(answer["access_token"])
            until = now + max(5.0, float(answer.get("expires_in", 300)) - RENEW_BEFORE_S)
            self._tokens[login] = (token, until)
        return {"authorization": f"Bearer {token}"}

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Return a good answer. :raises Unavailable: not now. :raises Refused: not at all."""
        try:
            response = await self._client.request(method, path, **request)
        except httpx.TransportError as error:
            raise Unavailable("gateway_unreachable", f"no answer ({type(error).__name__})") from error
        if response.status_code in (408, 429) or response.status_code >= 500:
            wait = response.headers.get("retry-after", "")
            raise Unavailable(
                "gateway_busy",
                f"{path} answered {response.status_code}",
                retry_after_s=float(wait) if wait.isdigit() else None,
            )
        if response.status_code >= 300:
            raise Refused(f"{path} answered {response.status_code}: {response.text[:300]}")
        return response


def batches(events: Sequence[AnyEvent]) -> list[bytes]:
    """Return bodies of structured events, none too many or too large for one request."""
    bodies: list[bytes] = []
    rows: list[bytes] = []
    size = 0
    for event in events:
        row = json.dumps(wire.to_structured(event), separators=(",", ":")).encode()
        if rows and (len(rows) >= BATCH or size + len(row) > BATCH_BYTES):
            bodies.append(b"[" + b",".join(rows) + b"]")
            rows, size = [], 0
        rows.append(row)
        size += len(row)
    return [*bodies, b"[" + b",".join(rows) + b"]"] if rows else bodies


@asynccontextmanager
async def gateway(url: str, adapter: Login, reader: Login, lanes: int = LANES) -> AsyncIterator[GatewayDoor]:
    """Open the door."""
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S) as client:
        yield GatewayDoor(client, adapter, reader, lanes)
