"""What is said to those who wait, and when: moments on a grid that begins with the wait, each used once."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from services.routing.domain.expression import run
from services.routing.domain.facts import ContactFacts
from services.routing.domain.model import Contact, Queue, seconds
from services.routing.domain.strategy.compiled import Announced

SLOT = re.compile(r"\{\{\s*([a-z_]{1,32})\s*\}\}")


class Due(NamedTuple):
    """An announcement whose moment has come: the `number`-th of its moments in this wait, from 1."""

    announced: Announced
    number: int
    at: datetime


def begun(contact: Contact, queue: Queue) -> datetime | None:
    """Return when something is next to be said to the contact in this queue, None for never."""
    moments = (_next(each, contact) for each in queue.rules.announced)
    return min((each for each in moments if each is not None), default=None)


def _next(announced: Announced, contact: Contact) -> datetime | None:
    """Return the first moment of an announcement after those that are past."""
    first, until = contact.since + seconds(announced.after_s), contact.announced_at
    if until is None or until < first:
        return first
    if not announced.every_s:
        return None
    every = seconds(announced.every_s)
    passed = (until - first) // every + 1
    return None if announced.at_most and passed >= announced.at_most else first + passed * every


def due(contact: Contact, queue: Queue, now: datetime) -> Iterator[Due]:
    """
    Yield what is to be said now, in the strategy's order, at most one of a kind.

    Of an announcement several of whose moments have come since somebody looked, only the last one counts.
    """
    said: set[str] = set()
    facts = ContactFacts(contact, queue)
    for announced in queue.rules.announced:
        found = _last(announced, contact, now)
        if found is not None and announced.kind not in said and run(announced.when)(facts):
            said.add(announced.kind)
            yield found


def _last(announced: Announced, contact: Contact, now: datetime) -> Due | None:
    first = contact.since + seconds(announced.after_s)
    if now < first:
        return None
    passed = (now - first) // seconds(announced.every_s) if announced.every_s else 0
    if announced.at_most:
        passed = min(passed, announced.at_most - 1)
    moment = first + passed * seconds(announced.every_s or 0)
    if contact.announced_at is not None and moment <= contact.announced_at:
        return None
    return Due(announced, passed + 1, moment)


def text_for(say: Mapping[str, str], wanted: str) -> tuple[str, str]:
    """Return the language nearest to the wanted one, and the text in it; the first of all for none near."""
    wanted = wanted.lower()
    alike = [each for each in say if each.lower() == wanted]
    alike += [each for each in say if each.lower().partition("-")[0] == wanted.partition("-")[0]]
    found = next(iter((*alike, *say)), "")
    return found, say.get(found, "")


def filled_in(text: str, position: int | None, wait_ms: int | None) -> str:
    """Return the text with {{ position }} and {{ minutes }} put in, minutes rounded up."""
    minutes = None if wait_ms is None else max(1, math.ceil(wait_ms / 60_000))
    values = {"position": position, "minutes": minutes}

    def value(slot: re.Match[str]) -> str:
        found = values.get(slot.group(1))
        return "" if found is None else str(found)

    return SLOT.sub(value, text)
