"""A configuration as a file: read with the place of what is wrong, written in one way only."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from libs.documents import Problem, canonical, has_errors
from libs.placed import Path, Placed, written
from libs.placed import read as placed
from services.routing.domain.configuration import items
from services.routing.domain.configuration.items import IN_POOLS, SECTIONS, Place, Wrong, place_of
from services.routing.domain.strategy import checking
from services.routing.domain.strategy.document import Strategy

FORMAT = "trunkline.configuration.v1"
STRATEGIES = "strategies"
MOST_PROBLEMS = 50
_OWN = tuple(each for each in SECTIONS if each not in IN_POOLS)


@dataclass(slots=True)
class File:
    """
    What a file says: items by key, and strategies by id, as the texts in which they are kept.

    `groups` are the sections, and the sections of pools, that it has at all, be they empty. `placed` knows
    their lines.
    """

    items: dict[str, str] = field(default_factory=dict)
    strategies: dict[str, str] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    placed: Placed = field(default_factory=Placed)

    def problem(self, path: Path, en: str, zh: str) -> Problem:
        """Return what is wrong at a place, with its line."""
        return Problem(".".join(path), self.placed.said(path, en), zh)


def read(text: str, *, is_json: bool = False) -> tuple[File | None, list[Problem]]:
    """Return what a file says, None where something is wrong with it, and what that is."""
    found, problems = placed(text, is_json=is_json)
    if found is None:
        return None, problems
    reading = _Reading(found)
    reading.take(found.value)
    wrong = reading.problems[:MOST_PROBLEMS]
    return (None if wrong else reading.file), wrong


class _Reading:
    """Collects what a file says, and what is wrong in it."""

    def __init__(self, found: Placed) -> None:
        self.file = File(placed=found)
        self.problems: list[Problem] = []

    def take(self, document: Any) -> None:
        for name, section in self._map((), document):
            path: Path = (name,)
            if name == "format":
                if section != FORMAT:
                    self._wrong(path, f"must be {FORMAT}", f"必须是 {FORMAT}")
            elif name in _OWN:
                self._take_group(Place(name, "", ""), path, section)
            elif name == "pools":
                for pool_id, pool in self._map(path, section):
                    for part, of_part in self._map((*path, pool_id), pool):
                        if part in IN_POOLS:
                            self._take_group(Place(part, pool_id, ""), (*path, pool_id, part), of_part)
                        else:
                            self._wrong((*path, pool_id, part), "is not known here", "未知字段")
            elif name == STRATEGIES:
                for strategy_id, strategy in self._map(path, section):
                    self._take_strategy(strategy_id, (*path, strategy_id), strategy)
            else:
                self._wrong(path, "is not known here", "未知字段")

    def _map(self, path: Path, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            yield from value.items()
        elif value is not None or not path:  # a name with nothing behind it is an empty map
            self._wrong(path, "must be a map", "必须是映射")

    def _take_group(self, group: Place, path: Path, section: Any) -> None:
        self.file.groups.add(group.group)
        for item_id, document in self._map(path, section):
            place = group._replace(item_id=item_id)
            try:
                item = items.read(place, {} if document is None else document)
            except Wrong as wrong:
                for each in wrong.problems:
                    self._wrong((*path, item_id, *_split(each.path)), each.en, each.zh)
            else:
                self.file.items[place.key] = items.text_of(item)

    def _take_strategy(self, strategy_id: str, path: Path, document: Any) -> None:
        if not isinstance(document, dict) or "strategy_id" in document:
            self._wrong(path, "must be a map without strategy_id", "必须是不含 strategy_id 的映射")
            return
        strategy, problems = checking.examine({**document, "strategy_id": strategy_id})
        if strategy is None or has_errors(problems):
            for each in problems:
                if each.severity == "error":
                    self._wrong((*path, *_split(each.path)), each.en, each.zh)
        else:
            self.file.strategies[strategy_id] = canonical(strategy)

    def _wrong(self, path: Path, en: str, zh: str) -> None:
        self.problems.append(self.file.problem(path, en, zh))


def _split(path: str) -> Path:
    return tuple(filter(None, path.split(".")))


def canonical_strategy(document: str) -> str:
    """Return a strategy as files have it, from the JSON in which it was published."""
    return canonical(Strategy.model_validate_json(document))


def plain(kept: Mapping[str, str], strategies: Mapping[str, str]) -> dict[str, Any]:
    """Return a configuration as the JSON values of its file; every section of it, be it empty."""
    found: dict[str, Any] = {"format": FORMAT, **{name: {} for name in _OWN}, "pools": {}, STRATEGIES: {}}
    for place in sorted(map(place_of, kept), key=lambda each: each.order):
        section = found
        if place.pool_id:
            section = found["pools"].setdefault(
                place.pool_id, {each: {} for each in SECTIONS if each in IN_POOLS}
            )
        section[place.section][place.item_id] = json.loads(kept[place.key])
    found["pools"] = dict(sorted(found["pools"].items()))
    for strategy_id, text in sorted(strategies.items()):
        document = json.loads(text)
        found[STRATEGIES][strategy_id] = {
            key: value for key, value in document.items() if key != "strategy_id"
        }
    return found


def text(kept: Mapping[str, str], strategies: Mapping[str, str], *, is_json: bool = False) -> str:
    """Return a configuration as a file: the same bytes for the same configuration."""
    document = plain(kept, strategies)
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n" if is_json else written(document)
