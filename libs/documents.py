"""Documents that people write - flows, strategies - read from YAML or JSON that may be wrong or hostile."""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

LONGEST_DOCUMENT = 256 * 1024
DEEPEST_DOCUMENT = 30  # the reader's time grows with the square of the depth, and a flow needs six levels
MOST_PIECES = 40_000
MOST_PROBLEMS = 50

M = TypeVar("M", bound=BaseModel)


class Problem(NamedTuple):
    """One thing wrong: where, and in both languages of the platform what."""

    path: str
    en: str
    zh: str
    severity: Literal["error", "warning"] = "error"


def has_errors(problems: Sequence[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def load(text: str) -> tuple[Any, list[Problem]]:
    """Return the plain document of a YAML (or JSON) text, and why there is none."""
    if len(text.encode()) > LONGEST_DOCUMENT:
        return None, [Problem("", f"larger than {LONGEST_DOCUMENT} bytes", "文档过大")]
    try:
        if bomb := _bomb_in(text):
            return None, [bomb]
        return yaml.safe_load(text), []
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        return None, [Problem(where, "this is no YAML", "不是有效的 YAML")]


def validated(model: type[M], document: Any) -> tuple[M | None, list[Problem]]:
    """Return the document as its model, and what does not fit."""
    try:
        return model.model_validate(document), []
    except RecursionError:
        return None, [Problem("", "nested too deeply", "嵌套过深")]
    except ValidationError as error:
        return None, [
            Problem(".".join(map(str, each["loc"])), each["msg"], f"字段有误：{each['type']}")
            for each in error.errors(include_input=False, include_url=False)[:MOST_PROBLEMS]
        ]


def canonical(document: BaseModel) -> str:
    """Return the document as JSON: the same text for the same document."""
    plain = document.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True)


def _bomb_in(text: str) -> Problem | None:
    """Return why a text is not to be loaded; found piece by piece, so that looking costs little itself."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            return Problem("", "YAML aliases are not taken", "不支持 YAML 别名")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST_DOCUMENT:
            return Problem("", "nested too deeply", "嵌套过深")
        if number > MOST_PIECES:
            return Problem("", f"more than {MOST_PIECES} pieces", "文档内容过多")
    return None
