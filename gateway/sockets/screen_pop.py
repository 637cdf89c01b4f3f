"""What the agent sees while he is still being rung: who it is, why he comes, what happened so far."""

import asyncio
from typing import Any

from gateway.messages import plain
from gateway.parts import Services
from libs.errors import NotFound, Refusal
from libs.rpc.crm_context.v1 import crm_context_pb2 as crm
from libs.rpc.session.v1 import session_pb2

TRY_AGAIN_S = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # the pack is being made while the offer is
STEPS = 50


async def screen_pop(services: Services, session_id: str) -> dict[str, Any]:
    """Return the context pack with the last steps of the journey; what cannot be had is left empty."""
    pack, steps = await asyncio.gather(_pack(services, session_id), _steps(services, session_id))
    return {"customer": None, **(pack or {}), "session_id": session_id, "journey": steps}


async def _pack(services: Services, session_id: str) -> dict[str, Any] | None:
    for delay_s in (*TRY_AGAIN_S, None):
        try:
            found = await services.crm_context.GetContextPack(
                crm.GetContextPackRequest(session_id=session_id)
            )
            return plain(found.pack)
        except NotFound:
            if delay_s is not None:
                await asyncio.sleep(delay_s)
        except Refusal:
            return None
    return None


async def _steps(services: Services, session_id: str) -> list[dict[str, Any]]:
    request = session_pb2.GetJourneyRequest(session_id=session_id, newest_first=True)
    request.page.page_size = STEPS
    try:
        found = await services.session.GetJourney(request)
    except Refusal:
        return []
    return [plain(entry) for entry in found.entries]
