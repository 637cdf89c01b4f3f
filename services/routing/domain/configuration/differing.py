"""What a file would change: added, changed field by field, removed; in one order."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.routing.domain.configuration import items
from services.routing.domain.configuration.document import STRATEGIES, File
from services.routing.domain.configuration.items import place_of
from services.routing.domain.strategy.document import Strategy


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What becomes of one field; a side is None where the field is not there."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one thing; `before` and `after` are the texts kept of it, None where there is none."""

    section: str
    pool_id: str
    item_id: str
    before: str | None
    after: str | None

    @property
    def key(self) -> str:
        return items.Place(self.section, self.pool_id, self.item_id).key

    @property
    def kind(self) -> Literal["added", "changed", "removed"]:
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"

    def fields(self) -> list[FieldChange]:
        """Return the fields that differ, where it is there before and after; defaults count as given."""
        if self.before is None or self.after is None:
            return []
        return list(_differing(self._whole(self.before), self._whole(self.after)))

    def _whole(self, text: str) -> dict[str, Any]:
        if self.section == STRATEGIES:
            return Strategy.model_validate_json(text).model_dump(mode="json")
        return items.plain(items.kept(self.key, text), whole=True)


def changes(
    kept: Mapping[str, str], strategies: Mapping[str, str], file: File, *, prune: bool
) -> tuple[list[Change], int]:
    """
    Return what makes of what is kept what the file says, and how many items stay that the file has not.

    What the file does not have goes only with `prune`, and only from the groups that the file has. Strategies
    come last, and stay.
    """
    left = [key for key in kept if key not in file.items and place_of(key).group in file.groups]
    wanted = {key: text for key, text in file.items.items() if kept.get(key) != text}
    gone = left if prune else []
    found = [
        Change(*place, kept.get(place.key), wanted.get(place.key))
        for place in sorted(map(place_of, (*wanted, *gone)), key=lambda each: each.order)
    ]
    found += [
        Change(STRATEGIES, "", name, strategies.get(name), text)
        for name, text in sorted(file.strategies.items())
        if strategies.get(name) != text
    ]
    return found, len(left) - len(gone)


def _differing(before: Any, after: Any, path: str = "") -> Iterator[FieldChange]:
    """Yield the fields that differ: maps name by name, all else as a whole."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(each for each in after if each not in before)]:
            yield from _differing(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif json.dumps(before) != json.dumps(after):
        yield FieldChange(path, before, after)
