"""What is wrong with a flow, found without running it: bad names, traps, missing languages and time-outs."""

from collections.abc import Iterator, Mapping
from typing import Any

from libs.documents import Problem, load, validated
from services.ivr.domain import expression
from services.ivr.domain.flow import (
    BusinessHours,
    Callback,
    Collect,
    Condition,
    End,
    Flow,
    LookUp,
    Menu,
    Node,
    Queue,
    Set,
    SpeakLanguage,
    Ticket,
    ways_out,
)
from services.ivr.domain.words import normal, slots_of

_GIVEN = frozenset({"channel", "entry_point", "language", "display_name"})
_GIVEN_PREFIXES = ("context.",)


def read(text: str) -> tuple[Flow | None, list[Problem]]:
    """Return the flow of a YAML (or JSON) text, None where it is none, and what is wrong with it."""
    document, problems = load(text)
    return (None, problems) if problems else examine(document)


def examine(document: Any) -> tuple[Flow | None, list[Problem]]:
    """Return the flow of a document, None where it is none, and what is wrong with it."""
    flow, problems = validated(Flow, document)
    return flow, problems if flow is None else problems_of(flow)


def problems_of(flow: Flow) -> list[Problem]:
    """Return what is wrong with a flow, in the order of its nodes."""
    return [*_targets(flow), *_reach(flow), *_languages(flow), *_details(flow), *_variables(flow)]


def _targets(flow: Flow) -> Iterator[Problem]:
    named = [("start", flow.start)]
    named += [("on_error", flow.on_error)] if flow.on_error else []
    named += [(f"anywhere.{place}.next", each.next) for place, each in enumerate(flow.anywhere)]
    named += [(f"nodes.{name}.{way}", to) for name, node in flow.nodes.items() for way, to in ways_out(node)]
    for path, target in named:
        if target not in flow.nodes:
            yield Problem(path, f"there is no node {target}", f"节点 {target} 不存在")
    if flow.on_error in flow.nodes and not isinstance(flow.nodes[flow.on_error], Queue | End):
        yield Problem("on_error", "leads to a queue or an end only", "只能指向队列或结束节点")


def _graph(flow: Flow) -> dict[str, set[str]]:
    """Return which nodes can follow each node, words that work anywhere included."""
    anywhere = {each.next for each in flow.anywhere}
    return {
        name: {to for _, to in ways_out(node)} | (anywhere if isinstance(node, Menu | Collect) else set())
        for name, node in flow.nodes.items()
    }


def _reach(flow: Flow) -> Iterator[Problem]:
    graph = _graph(flow)
    reached = _from(graph, {flow.start} | ({flow.on_error} if flow.on_error else set()))
    back: dict[str, set[str]] = {name: set() for name in graph}
    for name, targets in graph.items():
        for target in targets & graph.keys():
            back[target].add(name)
    ends = {name for name, node in flow.nodes.items() if isinstance(node, Queue | End)}
    ending = _from(back, ends)
    to_people = _from(back, {name for name, node in flow.nodes.items() if isinstance(node, Queue | Callback)})
    silent = {
        name: targets if not isinstance(flow.nodes[name], Menu | Collect | LookUp) else set()
        for name, targets in graph.items()
    }
    for name in graph:
        path = f"nodes.{name}"
        if name not in reached:
            yield Problem(path, "nothing leads here", "没有任何路径到达此节点", "warning")
        if name not in ending:
            yield Problem(path, "a trap: no way leads to an end from here", "陷阱：由此无法到达结束")
        elif name not in to_people and isinstance(flow.nodes[name], Menu | Collect):
            yield Problem(path, "no way leads to a person from here", "由此无法转到人工", "warning")
        if name in _from(silent, silent[name]):
            yield Problem(
                path, "may run in a circle without asking anybody", "可能在不等待输入的情况下循环", "warning"
            )


def _from(graph: Mapping[str, set[str]], starts: set[str]) -> set[str]:
    seen: set[str] = set()
    left = [name for name in starts if name in graph]
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left.extend(target for target in graph[name] if target in graph)
    return seen


def _languages(flow: Flow) -> Iterator[Problem]:
    for path, texts in texts_of(flow):
        for language in flow.languages:
            if language not in texts:
                yield Problem(path, f"is not said in {language}", f"缺少语言 {language}")
        for language in texts.keys() - set(flow.languages):
            yield Problem(
                path, f"{language} is no language of this flow", f"流程未声明语言 {language}", "warning"
            )


def texts_of(flow: Flow) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield every text of a flow with where it stands."""
    for name, texts in (("sorry", flow.sorry), ("silence", flow.silence)):
        if texts:
            yield name, texts
    for name, node in flow.nodes.items():
        for field in ("say", "sorry", "subject", "description"):
            texts = getattr(node, field, {})
            if texts:
                yield f"nodes.{name}.{field}", texts
        if isinstance(node, Menu):
            for place, choice in enumerate(node.choices):
                yield f"nodes.{name}.choices.{place}.labels", choice.labels


def _details(flow: Flow) -> Iterator[Problem]:
    secret = {node.save_as for node in flow.nodes.values() if isinstance(node, Collect) and node.sensitive}
    for name, node in flow.nodes.items():
        path = f"nodes.{name}"
        if isinstance(node, Menu | Collect):
            if node.timeout_s is None:
                yield Problem(f"{path}.timeout_s", "how long to wait is not said", "未设置超时时间")
            for field in ("on_timeout", "on_invalid"):
                if getattr(node, field) is None:
                    yield Problem(f"{path}.{field}", "where to go is not said", "未设置去向")
        match node:
            case Menu():
                yield from _doubles(node, path)
                for place, choice in enumerate(node.choices):
                    if choice.language and choice.language not in flow.languages:
                        yield Problem(
                            f"{path}.choices.{place}.language", "no language of this flow", "流程未声明此语言"
                        )
            case Collect() if node.min_length > node.max_length:
                yield Problem(f"{path}.min_length", "is more than max_length", "最小长度大于最大长度")
            case BusinessHours() if node.calendar not in flow.calendars:
                yield Problem(f"{path}.calendar", f"there is no calendar {node.calendar}", "日历不存在")
            case Queue():
                for word, variable in node.attributes.items():
                    if variable in secret:
                        yield Problem(
                            f"{path}.attributes.{word}",
                            "a sensitive value stays here",
                            "敏感变量不得传给路由",
                        )
            case Condition():
                for place, case in enumerate(node.cases):
                    try:
                        expression.names_in(case.when)
                    except expression.BadExpression as error:
                        yield Problem(
                            f"{path}.cases.{place}.when", f"no condition: {error}", "条件表达式有误"
                        )
            case _:
                pass


def _doubles(menu: Menu, path: str) -> Iterator[Problem]:
    taken: dict[str, int] = {}
    for place, choice in enumerate(menu.choices):
        for word in {normal(each) for each in (choice.key, *choice.labels.values(), *choice.aliases)}:
            if taken.setdefault(word, place) != place:
                yield Problem(
                    f"{path}.choices.{place}", f"{word} is taken by another choice", f"“{word}”与其他选项重复"
                )


def _variables(flow: Flow) -> Iterator[Problem]:
    """Warn of variables that are spoken of and never set: mostly misspelt ones."""
    known = _GIVEN | flow.variables.keys()
    prefixes = list(_GIVEN_PREFIXES)
    for node in flow.nodes.values():
        match node:
            case Set():
                known |= node.values.keys()
            case LookUp():
                prefixes.append(f"{node.save_as}.")
            case Menu() | Collect() | Ticket() if node.save_as:
                known |= {node.save_as}
            case _:
                pass
    for path, names in _spoken_of(flow):
        for name in sorted(names):
            if name not in known and not name.startswith(tuple(prefixes)):
                yield Problem(path, f"{name} is never set", f"变量 {name} 从未赋值", "warning")


def _spoken_of(flow: Flow) -> Iterator[tuple[str, set[str]]]:
    for path, texts in texts_of(flow):
        yield path, {name for text in texts.values() for name in slots_of(text)}
    for name, node in flow.nodes.items():
        yield from ((f"nodes.{name}.{field}", names) for field, names in _spoken_of_by(node))


def _spoken_of_by(node: Node) -> Iterator[tuple[str, set[str]]]:
    match node:
        case Set():
            for variable, value in node.values.items():
                yield f"values.{variable}", slots_of(value) if isinstance(value, str) else set()
        case SpeakLanguage():
            yield "language", slots_of(node.language)
        case Queue():
            yield "reason", slots_of(node.reason)
            yield "attributes", set(node.attributes.values())
        case Callback():
            yield "reason", slots_of(node.reason)
            yield "number", {node.number} if node.number else set()
        case End():
            yield "reason", slots_of(node.reason)
        case Condition():
            for place, case in enumerate(node.cases):
                try:
                    yield f"cases.{place}.when", expression.names_in(case.when)
                except expression.BadExpression:
                    continue
        case _:
            pass
