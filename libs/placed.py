"""Files that people write, read with the line of everything in them; of YAML only what JSON can say."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from libs.documents import Problem

LONGEST_FILE = 2 * 1024 * 1024
MOST_PIECES = 300_000
DEEPEST_FILE = 30
Path = tuple[str, ...]
_Loader: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # libyaml, where it is there, is ten times as fast
_WORDS = {"": None, "null": None, "~": None, "true": True, "false": False}
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,40})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,40})(\.[0-9]{0,40})?([eE][-+]?[0-9]{1,3})?")


@dataclass(slots=True)
class Placed:
    """A file as plain JSON values, and the line of each of them by its path; a JSON file has no lines."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)

    def said(self, path: Path, text: str) -> str:
        """Return a text about a place, with the line where it is, or would have to be."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"line {self.lines[path]}: {text}" if path in self.lines else text


class _Wrong(Exception):
    def __init__(self, path: Path, en: str, zh: str) -> None:
        super().__init__(en)
        self.problem = Problem(".".join(path), en, zh)


def read(text: str, *, is_json: bool = False) -> tuple[Placed | None, list[Problem]]:
    """
    Return the file, None where it cannot be read, and why not.

    Taken is what JSON can say, in YAML or in JSON, one document: words are null, true, false, numbers or
    texts (`no` and `18:00` are texts), names are texts. Refused are aliases, tags, names that stand twice.
    """
    if len(text) > LONGEST_FILE or len(text.encode(errors="replace")) > LONGEST_FILE:
        return None, [Problem("", f"larger than {LONGEST_FILE} bytes", "文件过大")]
    try:
        return (_json(text) if is_json else _Reading(text).file()), []
    except _Wrong as wrong:
        return None, [wrong.problem]
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        return None, [Problem("", f"{where}this is no YAML", "不是有效的 YAML")]
    except (ValueError, RecursionError) as error:
        line = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        return None, [Problem("", f"{line}this cannot be read", "无法读取")]


def _json(text: str) -> Placed:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise _Wrong((), f"the name {name[:64]} stands twice", "名称重复")
            found[name] = value
        return found

    def number(digits: str) -> float:
        if not math.isfinite(float(digits)):
            raise _Wrong((), "no such number", "数字无效")
        return float(digits)

    value = json.loads(text, object_pairs_hook=once, parse_float=number, parse_constant=number)
    text.encode()  # half of a character cannot be kept
    for piece in _texts(value):
        piece.encode()
    return Placed(value)


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > DEEPEST_FILE:
        raise _Wrong((), "nested too deeply", "嵌套过深")
    match value:
        case str():
            yield value
        case dict():
            for name, each in value.items():
                yield name
                yield from _texts(each, depth + 1)
        case list():
            for each in value:
                yield from _texts(each, depth + 1)


class _Reading:
    """Goes through the pieces of a YAML text once, so that reading costs no more than the text is long."""

    def __init__(self, text: str) -> None:
        self._pieces: Any = _Loader(text)
        self._seen = 0
        self._placed = Placed()

    def file(self) -> Placed:
        self._next((), 0)  # the stream
        if isinstance(self._next((), 0), yaml.StreamEndEvent):
            return self._placed
        self._placed.value = self._value(self._next((), 0), (), 0)
        self._next((), 0)
        if not isinstance(self._next((), 0), yaml.StreamEndEvent):
            raise _Wrong((), "more than one document", "包含多个文档")
        return self._placed

    def _next(self, path: Path, depth: int) -> Any:
        self._seen += 1
        if self._seen > MOST_PIECES:
            raise _Wrong((), f"more than {MOST_PIECES} pieces", "文件内容过多")
        if depth > DEEPEST_FILE:
            raise _Wrong((), "nested too deeply", "嵌套过深")
        event = self._pieces.get_event()
        if isinstance(event, yaml.AliasEvent):
            raise _Wrong(path, f"{_line(event)}YAML aliases are not taken", "不支持 YAML 别名")
        return event

    def _value(self, event: Any, path: Path, depth: int) -> Any:
        self._placed.lines.setdefault(path, _number(event))
        if event.tag is not None:
            raise _Wrong(path, f"{_line(event)}YAML tags are not taken", "不支持 YAML 标签")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(item := self._next(path, depth + 1), yaml.SequenceEndEvent):
                items.append(self._value(item, (*path, str(len(items))), depth + 1))
            return items
        found: dict[str, Any] = {}
        while not isinstance(name := self._next(path, depth + 1), yaml.MappingEndEvent):
            if not isinstance(name, yaml.ScalarEvent) or name.tag is not None:
                raise _Wrong(path, f"{_line(name)}a name is a text", "名称必须是文本")
            name.value.encode()
            inner = (*path, name.value)
            if name.value in found:
                raise _Wrong(inner, f"{_line(name)}stands here twice", "名称重复")
            self._placed.lines[inner] = _number(name)
            found[name.value] = self._value(self._next(inner, depth + 1), inner, depth + 1)
        return found


def _scalar(event: Any) -> Any:
    text: str = event.value
    text.encode()  # half of a character cannot be kept
    if not event.implicit[0]:  # it stands in quotes
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _number(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _line(event: Any) -> str:
    return f"line {_number(event)}: "


# Words that some reader of YAML takes for something else than a text.
_RESERVED = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/.@+-]*( [A-Za-z0-9_/.@+][A-Za-z0-9_/.@+-]*)*")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def written(value: dict[str, Any]) -> str:
    """
    Return JSON values as a YAML file that `read` reads back the same: equal values give equal bytes.

    Maps are blocks, one name a line; lists, and what is empty, stand on one line. Texts stand in quotes
    unless every reader of YAML takes them for texts.
    """
    return "".join(_block(value, 0))


def _block(value: dict[str, Any], depth: int) -> Iterator[str]:
    for name, each in value.items():
        start = f"{'  ' * depth}{_text(name)}:"
        if isinstance(each, dict) and each:
            yield f"{start}\n"
            yield from _block(each, depth + 1)
        else:
            yield f"{start} {_flow(each)}\n"


def _flow(value: Any) -> str:
    match value:
        case str():
            return _text(value)
        case dict():
            return "{" + ", ".join(f"{_text(name)}: {_flow(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
