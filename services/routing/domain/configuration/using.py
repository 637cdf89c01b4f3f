"""Which items name which others: what is named has to be there, and stays while it is named."""

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from services.routing.domain.configuration.items import Place, place_of

Named = tuple[tuple[str, ...], str]  # where in the item, and the key of what it names


def problems_of(
    texts: Mapping[str, str], puts: Collection[str], removes: Collection[str], *, overflows_known: bool
) -> tuple[list[tuple[tuple[str, ...], str]], list[str]]:
    """
    Return what is wrong with the items put, by path, and which of the removed others still name.

    A skill has to be known only where skills are configured at all: then nobody's is misspelt.
    """
    has_skills = any(key.startswith("skills/") for key in texts)
    wrong: list[tuple[tuple[str, ...], str]] = []
    for key in puts:
        for path, named in _named_by(place_of(key), json.loads(texts[key])):
            section = place_of(named).section
            if named in texts or (section == "skills" and not has_skills):
                continue
            if section != "queues" or overflows_known:
                wrong.append(
                    ((*place_of(key).path, *path), f"there is no {section.removesuffix('s')} {_name(named)}")
                )
    gone = set(removes)
    if not has_skills:  # the last skills may go: then nobody checks
        gone = {key for key in gone if not key.startswith("skills/")}
    in_use: set[str] = set()
    if any(not key.startswith(("agents/", "reasons/")) for key in gone):
        for key, text in texts.items():
            if key.startswith(("queues/", "agents/")):
                in_use.update(
                    named for _, named in _named_by(place_of(key), json.loads(text)) if named in gone
                )
    return wrong, sorted(in_use)


def _named_by(place: Place, document: Mapping[str, Any]) -> Iterator[Named]:
    if place.section == "queues":
        for number, need in enumerate(document.get("needs", ())):
            yield ("needs", str(number), "skill"), f"skills/{need['skill']}"
        if overflow := document.get("overflow_queue_id"):
            yield ("overflow_queue_id",), Place("queues", place.pool_id, overflow).key
    elif place.section == "agents":
        for skill in document.get("skills", ()):
            yield ("skills", skill), f"skills/{skill}"
        if isinstance(calendar := document.get("schedule"), str):
            yield ("schedule",), f"calendars/{calendar}"


def _name(key: str) -> str:
    return place_of(key).item_id
