"""Which journey a fact from outside belongs to, where its teller names none."""

from functools import lru_cache

from libs.events.base import follow_id


@lru_cache(maxsize=16_384)  # a visitor tells much
def visitor_journey(tenant: str, visitor_id: str) -> str:
    """Return the journey of a visitor: his page views and his contacts belong together."""
    return follow_id(f"{tenant}/visitor/{visitor_id}", "journey")


@lru_cache(maxsize=16_384)
def interaction_journey(tenant: str, interaction_id: str) -> str:
    """Return the journey of an interaction whose visitor nobody knows."""
    return follow_id(f"{tenant}/interaction/{interaction_id}", "journey")


def agent_journey(tenant: str, agent_id: str) -> str:
    """Return the journey of an agent's own doings, which belong to no customer's."""
    return follow_id(f"{tenant}/agent/{agent_id}", "journey")
