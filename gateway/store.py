"""How conversations and streams are kept."""

from typing import Any

from gateway.conversation import Conversation
from gateway.frames import Frame
from gateway.stream import PageClosed, Stream
from libs.mongo import IndexModel, Shape


def index_of(state: Conversation) -> dict[str, Any]:
    return {
        "agents": sorted({*state.agents, *state.wrapping, *filter(None, (state.offered_to,))}),
        "offers": [offer_id for offer_id, _ in state.offers],
        "kept_until": state.kept_until,
    }


CONVERSATIONS: Shape[Conversation] = Shape(
    name="conversations",
    state=Conversation,
    blank=lambda key: Conversation(key.id),
    index=index_of,
    indexes=(
        IndexModel([("tenant", 1), ("ix.agents", 1)], name="agents"),
        IndexModel([("tenant", 1), ("ix.offers", 1)], name="offers"),
        IndexModel([("ix.kept_until", 1)], name="kept", expireAfterSeconds=0),
    ),
    private=(Frame,),
)

STREAMS: Shape[Stream] = Shape(
    name="streams",
    state=Stream,
    blank=lambda key: Stream(),
    due=lambda state: state.stale_at,
    index=lambda state: {"kept_until": state.kept_until},
    indexes=(IndexModel([("ix.kept_until", 1)], name="kept", expireAfterSeconds=0),),
    private=(PageClosed,),
)
