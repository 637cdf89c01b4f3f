"""What expressions may speak of, by the place they stand in."""

from collections.abc import Mapping
from enum import Flag, auto

from services.routing.domain.expression import BOOLEAN, NUMBER, SET, TEXT, Kind
from services.routing.domain.strategy.document import Vocabulary


class About(Flag):
    """Whom and what an expression may ask about."""

    AGENT = auto()  # as configured
    CONTACT = auto()  # as it came, with its queue
    MOMENT = auto()  # what changes while nothing happens, or with every contact served


_GIVEN: Mapping[str, tuple[Kind, About]] = {
    "agent.id": (TEXT, About.AGENT),
    "agent.team": (TEXT, About.AGENT),
    "agent.site": (TEXT, About.AGENT),
    "agent.languages": (SET, About.AGENT),
    "agent.skills": (SET, About.AGENT),
    "agent.load": (NUMBER, About.MOMENT),
    "agent.idle_s": (NUMBER, About.MOMENT),
    "agent.occupancy": (NUMBER, About.MOMENT),
    "portrait.contacts": (NUMBER, About.MOMENT),
    "portrait.handling_s": (NUMBER, About.MOMENT),
    "portrait.fcr": (NUMBER, About.MOMENT),
    "portrait.conversion": (NUMBER, About.MOMENT),
    "portrait.csat": (NUMBER, About.MOMENT),
    "portrait.nps": (NUMBER, About.MOMENT),
    "soft_needs": (NUMBER, About.MOMENT),
    "contact.channel": (TEXT, About.CONTACT),
    "contact.language": (TEXT, About.CONTACT),
    "contact.customer_id": (TEXT, About.CONTACT),
    "contact.reason": (TEXT, About.CONTACT),
    "contact.priority": (NUMBER, About.CONTACT),
    "contact.vip_level": (NUMBER, About.CONTACT),
    "contact.value": (NUMBER, About.CONTACT),
    "contact.waited_s": (NUMBER, About.MOMENT),
    "queue.id": (TEXT, About.CONTACT),
    "queue.priority": (NUMBER, About.CONTACT),
    "queue.priority_per_minute": (NUMBER, About.CONTACT),
}
TAKEN = frozenset(_GIVEN)


class Names:
    """The names known in one place of a strategy."""

    def __init__(self, vocabulary: Vocabulary, about: About) -> None:
        self._about = about
        self._known: dict[str, Kind] = {name: kind for name, (kind, of) in _GIVEN.items() if of in about}
        if About.AGENT in about:
            self._known |= {f"agent.{word}": kind for word, kind in vocabulary.agent.items()}
        if About.CONTACT in about:
            self._known |= {f"contact.{word}": kind for word, kind in vocabulary.contact.items()}

    def __call__(self, name: str) -> Kind | None:
        """Return the kind of a name, None where it may not stand here."""
        if name.startswith("agent.level[") and About.AGENT in self._about:
            return NUMBER
        return self._known.get(name)


__all__ = ["BOOLEAN", "About", "Names"]
