"""What is done otherwise: another strategy, other agents, more or fewer contacts."""

from typing import Annotated

from pydantic import Field

from libs.events.base import Id
from services.routing.whatif.drawing import Piece, Staff, Strategies, Synthetic, each_of


class Changes(Piece):
    """
    What a period is changed in before it is played.

    An agent who is added takes the place of one with his id. `strategies` come into force at its beginning,
    after those that are; `volume` is a factor of the contacts.
    """

    strategies: Strategies = ()
    volume: Annotated[float, Field(ge=0, le=10)] = 1.0
    agents_added: Annotated[tuple[Staff, ...], Field(max_length=2_000)] = ()
    agents_removed: Annotated[tuple[Id, ...], Field(max_length=2_000)] = ()


NONE = Changes()


def changed(what: Synthetic, changes: Changes) -> Synthetic:
    """Return a period that is to be drawn, with the changes made."""
    added = each_of(changes.agents_added)
    removed = {*changes.agents_removed, *(each.agent.agent_id for each in added)}
    kept = tuple(each for each in each_of(what.staff) if each.agent.agent_id not in removed)
    demand = tuple(
        each.model_copy(update={"per_hour": tuple(rate * changes.volume for rate in each.per_hour)})
        for each in what.demand
    )
    return what.model_copy(
        update={
            "strategies": (*what.strategies, *changes.strategies),
            "staff": (*kept, *added),
            "demand": demand,
        }
    )
