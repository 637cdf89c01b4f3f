"""What goes from a pool at the end of an event: removed agents at once, removed queues when empty."""

from collections.abc import Collection
from dataclasses import replace

from services.routing.domain.model import Pool


def without(pool: Pool, gone: Collection[str]) -> Pool:
    """Return the pool without these agents, and without the leaving queues that nobody is in any more."""
    if gone:
        agents = {agent_id: each for agent_id, each in pool.agents.items() if agent_id not in gone}
        pool = replace(pool, agents=agents)
    in_use = {each.queue_id for each in pool.contacts.values()}
    in_use |= {held.queue_id for agent in pool.agents.values() for held in agent.holds.values()}
    empty = {each for each in pool.leaving if each not in in_use}
    if not empty:
        return pool
    queues = {queue_id: each for queue_id, each in pool.queues.items() if queue_id not in empty}
    still = tuple(each for each in pool.leaving if each not in empty)
    return replace(pool, queues=queues, leaving=still)
