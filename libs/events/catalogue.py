"""All facts there are, by type; a new one is added here and nowhere else."""

from libs.events import (
    agent,
    analytics,
    audit,
    crm_context,
    interaction,
    ivr,
    queue,
    recording,
    repair,
    routing,
    session,
    visitor,
    workflow,
)
from libs.events.base import Fact

MODULES = (
    visitor,
    interaction,
    session,
    queue,
    routing,
    agent,
    ivr,
    crm_context,
    workflow,
    recording,
    analytics,
    repair,
    audit,
)

FACTS: tuple[type[Fact], ...] = tuple(
    fact
    for module in MODULES
    for fact in vars(module).values()
    if isinstance(fact, type) and issubclass(fact, Fact) and fact.__module__ == module.__name__ and fact.type
)

BY_TYPE: dict[str, type[Fact]] = {fact.type: fact for fact in FACTS}
TOPICS: tuple[str, ...] = tuple(dict.fromkeys(fact.topic() for fact in FACTS))

# What channel adapters and front ends may publish through the gateway; all else is told by services.
ADAPTER_TOPICS = frozenset({"trunkline.visitor", "trunkline.interaction"})


def dead_letters_of(topic: str) -> str:
    """Return the topic to which unreadable records of `topic` go."""
    return f"{topic}-dlq"
