"""Publishing a flow: its document is kept first, then the version that points to it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from libs.apply import Apply
from libs.clock import Now
from libs.documents import Problem, canonical, has_errors
from libs.events.base import Event, follow_id
from libs.stored import Key
from services.ivr.domain import checking
from services.ivr.domain.flow import Flow
from services.ivr.domain.publishing import FlowRecord, FlowText, Keep, Publish, Version
from services.ivr.store import FlowStore


class Publisher:
    """Adds versions to flows."""

    def __init__(
        self, flows: FlowStore, apply_flow: Apply[FlowRecord], apply_text: Apply[FlowText], now: Now
    ) -> None:
        self._flows = flows
        self._apply_flow = apply_flow
        self._apply_text = apply_text
        self._now = now

    async def publish(
        self,
        tenant: str,
        flow: Flow,
        *,
        command_id: str,
        comment: str = "",
        by: str = "",
        expected_version: int | None = None,
    ) -> Version:
        """
        Return the version that the command has made, now or when it came before.

        :raises Conflict: another version than the expected one is present.
        """
        now = self._now()
        document = canonical(flow)
        digest = hashlib.sha256(document.encode()).hexdigest()
        text_id = follow_id(f"{tenant}/{digest}", "keep")
        await self._apply_text(
            [(Key(tenant, digest), Event(text_id, tenant, now, Keep(digest=digest, document=document), ""))],
            now,
        )
        command = Publish(
            flow_id=flow.flow_id,
            digest=digest,
            name=flow.name,
            entry_points=flow.entry_points,
            comment=comment,
            by=by,
            expected_version=expected_version,
        )
        key = Key(tenant, flow.flow_id)
        stored = await self._apply_flow([(key, Event(command_id, tenant, now, command, ""))], now)
        return stored[key].state.made_by(command_id)

    async def rivals(self, tenant: str, flow: Flow) -> list[Problem]:
        """Return a warning for every entry point that another flow lists as well."""
        others = await self._flows.bound(tenant, flow.entry_points)
        return [
            Problem(
                f"entry_points.{place}",
                f"{other.flow_id} lists {point} as well; the flow published last is followed",
                f"流程 {other.flow_id} 也使用入口 {point}；以最后发布的为准",
                "warning",
            )
            for other in others
            for place, point in enumerate(flow.entry_points)
            if other.flow_id != flow.flow_id and point in other.present.entry_points
        ]

    async def publish_missing(self, tenant: str, flows: Sequence[Flow]) -> list[str]:
        """Publish the flows that the tenant has no version of, and return their ids."""
        published = []
        for flow in flows:
            if not await self._flows.load([Key(tenant, flow.flow_id)]):
                command_id = follow_id(f"{tenant}/{flow.flow_id}", "first version")
                await self.publish(tenant, flow, command_id=command_id, comment="first version", by="seed")
                published.append(flow.flow_id)
        return published


def flows_in(folder: Path) -> list[Flow]:
    """
    Return the flows of a folder.

    :raises ValueError: a document is no flow that could be published.
    """
    flows = []
    for file in sorted(folder.glob("*.yaml")):
        if file.name.endswith(".test.yaml"):
            continue
        flow, problems = checking.read(file.read_text("utf-8"))
        if flow is None or has_errors(problems):
            raise ValueError(f"{file.name}: {problems}")
        flows.append(flow)
    return flows
