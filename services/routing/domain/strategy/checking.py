"""What is wrong with a strategy, found before it is published."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from libs.documents import Problem, canonical, load, validated
from services.routing.domain.expression import NUMBER, Literal
from services.routing.domain.strategy.compiled import Rules, compiled
from services.routing.domain.strategy.document import EVERY_QUEUE, Strategy
from services.routing.domain.strategy.names import TAKEN

SLOTS = frozenset({"position", "minutes"})  # what texts with a place or an estimate may hold
_SLOT = re.compile(r"\{\{\s*(.*?)\s*\}\}")
LONGEST = 24 * 1024  # characters of a document as it is told to its pool


def read(text: str) -> tuple[Strategy | None, list[Problem]]:
    """Return the strategy of a YAML (or JSON) text, None where it is none, and what is wrong with it."""
    document, problems = load(text)
    return (None, problems) if problems else examine(document)


def examine(document: Any) -> tuple[Strategy | None, list[Problem]]:
    """Return the strategy of a document, None where it is none, and what is wrong with it."""
    strategy, problems = validated(Strategy, document)
    return strategy, problems if strategy is None else problems_of(strategy)


def problems_of(strategy: Strategy) -> list[Problem]:
    rules, problems = compiled(strategy)
    return [
        *problems,
        *_names(strategy),
        *_order(strategy),
        *_ends(strategy, rules),
        *_said(strategy),
        *_size(strategy),
    ]


def _names(strategy: Strategy) -> Iterator[Problem]:
    for whose in ("agent", "contact"):
        for word in getattr(strategy.vocabulary, whose):
            if f"{whose}.{word}" in TAKEN:
                yield Problem(f"vocabulary.{whose}.{word}", "is given already", "该名称已由系统提供")
    filters = [each.id for each in strategy.filters]
    filters += [each.id for ring in strategy.rings for each in ring.filters]
    for path, ids in (
        ("filters", filters),
        ("reserve", [each.id for each in strategy.reserve]),
        ("announcements", [each.id for each in strategy.announcements]),
    ):
        yield from (
            Problem(path, f"{twice} stands for two things", f"“{twice}”重复") for twice in _twice(ids)
        )
    for twice in _twice(strategy.queues):
        yield Problem("queues", f"{twice} is listed twice", f"队列 {twice} 重复", "warning")


def _twice(names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


def _order(strategy: Strategy) -> Iterator[Problem]:
    for path, waits in (
        ("rings", [each.after_s for each in strategy.rings]),
        ("priority.steps", [each.after_s for each in strategy.priority.steps]),
    ):
        if any(later <= earlier for earlier, later in pairwise(waits)):
            yield Problem(path, "after_s must rise from one to the next", "after_s 必须逐级递增")
    select = strategy.select
    for twice in _twice(select.order):
        yield Problem("select.order", f"{twice} stands there twice", f"规则 {twice} 重复")
    if select.goal == "own" and select.score is None:
        yield Problem("select.score", 'the goal "own" needs a score', "目标 own 需要填写 score")
    if select.goal != "own" and select.score is not None:
        yield Problem("select.score", 'belongs to the goal "own"', "仅目标 own 可填写 score")
    if (select.goal != "skills" or select.fairness) and "best_score" not in select.order:
        yield Problem("select.order", "nothing looks at the score", "排序未使用得分", "warning")


def _ends(strategy: Strategy, rules: Rules) -> Iterator[Problem]:
    """Warn of what may keep a contact waiting for ever, and of what leads back to where it began."""
    never = rules.per_minute
    if isinstance(never, Literal) and never.kind == NUMBER and never.value == 0 and not strategy.overflow:
        yield Problem(
            "priority.per_minute",
            "nobody ages: who is less urgent may wait for ever",
            "优先级不随等待增长，低优先级联络可能永远等待",
            "warning",
        )
    for place, each in enumerate(strategy.overflow):
        if bool(each.to) == bool(each.instead):
            yield Problem(
                f"overflow.{place}",
                "goes to a queue, or to something instead",
                "to 与 instead 须且只须填写一项",
            )
        if each.to in strategy.queues:
            yield Problem(
                f"overflow.{place}.to", "is a queue of this strategy", "目标队列使用同一策略", "warning"
            )


def _said(strategy: Strategy) -> Iterator[Problem]:
    """Find announcements that say nothing, or speak of what is not known where they are said."""
    for place, each in enumerate(strategy.announcements):
        path = f"announcements.{place}"
        if not each.say and not each.media_url:
            yield Problem(path, "says nothing: say or media_url", "未填写 say 或 media_url")
        if each.at_most > 1 and each.every_s is None:
            yield Problem(f"{path}.at_most", "belongs to every_s", "仅与 every_s 一起使用")
        known = SLOTS if each.kind != "comfort" else frozenset()
        for language, text in each.say.items():
            for slot in sorted(set(_SLOT.findall(text)) - known):
                yield Problem(f"{path}.say.{language}", f"{slot} is not known here", f"此处没有“{slot}”可用")


def _size(strategy: Strategy) -> Iterator[Problem]:
    if len(canonical(strategy)) > LONGEST:
        yield Problem("", f"longer than {LONGEST} characters", f"超过 {LONGEST} 个字符")
    if not strategy.queues:
        yield Problem("queues", "no queue follows this strategy", "没有队列使用此策略", "warning")
    elif EVERY_QUEUE in strategy.queues and len(strategy.queues) > 1:
        yield Problem("queues", '"*" is every queue without its own', "“*”表示其余所有队列", "warning")
