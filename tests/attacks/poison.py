"""Values that programs stumble over, and every place of a request where one can be put."""

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.attacks.surface import Json, Route

DEEP = 400


class Raw(str):
    """Stands in a body as it is: JSON that `json.dumps` would not write."""

    __slots__ = ()


VALUES: dict[str, Any] = {
    "operator gt": {"$gt": ""},
    "operator ne": {"$ne": None},
    "operator where": {"$where": "sleep(5000) || true"},
    "operator regex": {"$regex": "^(a+)+$"},
    "operator in": [{"$in": ["a", "b"]}],
    "operator as text": '{"$gt": ""}',
    "dollar": "$where",
    "dotted key": {"a.b": 1, "$set": {"tenant": "acme"}, "": 2, "\x00": 3},
    "proto": {"__proto__": {"admin": True}, "constructor": {"prototype": 1}},
    "nothing": None,
    "true": True,
    "list": [],
    "object": {},
    "number": 12,
    "negative": -1,
    "2**31": 2**31,
    "2**53+1": 2**53 + 1,
    "2**63": 2**63,
    "10**300": 10**300,
    "huge integer": Raw("9" * 5000),
    "NaN": Raw("NaN"),
    "Infinity": Raw("-Infinity"),
    "1e400": Raw("1e400"),
    "lone surrogate": Raw(r'"\ud800"'),
    "surrogate in a key": Raw(r'{"\udfff": 1}'),
    "NUL": "a\x00b",
    "control": "a\x1b[31m\r\nX-Evil: 1",
    "right to left": "\u202egnp.exe\u2066",
    "empty": "",
    "blank": "   ",
    "long": "x" * 20_000,
    "emoji": "👩‍👩‍👧‍👦" * 50,
    "combining": "e" + "\u0301" * 500,
    "script": "<script>alert(1)</script>",
    "template": "{{7*7}}${7*7}<%= 7*7 %>%s%n{0.__class__}",
    "path": "../../../../etc/passwd",
    "formula": "=cmd|' /C calc'!A0",
    "deep list": Raw("[" * DEEP + "]" * DEEP),
    "deep object": Raw('{"a":' * DEEP + "1" + "}" * DEEP),
    "very deep": Raw("[" * 50_000 + "]" * 50_000),
    "many keys": {f"k{number}": number for number in range(3000)},
    "huge key": {"k" * 50_000: 1},
}

TEXTS: dict[str, str] = {
    "operator": '{"$gt":""}',
    "dollar": "$where",
    "NUL": "a%00b",
    "bad UTF-8": "%ff%fe",
    "surrogate": "%ed%a0%80",
    "traversal": "..%2f..%2fetc%2fpasswd",
    "dots": "%2e%2e",
    "slash": "a%2fb",
    "backslash": "..%5c..%5c",
    "line": "a%0d%0aX-Evil:1",
    "long": "x" * 5000,
    "star": "*",
    "quote": "'%20OR%20'1'='1",
    "rtl": quote("\u202eabc"),
    "script": "%3Cscript%3E",
    "empty": "%20",
    "number": "9" * 400,
    "minus": "-1",
    "NaN": "NaN",
    "date": "0001-01-01T00:00:00%2B14:00",
    "last date": "9999-12-31T23:59:59-14:00",
    "no zone": "2026-01-01T00:00:00",
    "true": "true",
    "semicolon": "a;b",
    "double": "%252e%252e%252f",
    "hash": "%23",
    "formula": "=1%2B1",
}


def schema_of(route: Route) -> Json | None:
    """Return the schema of a JSON body, None where none is taken."""
    media_type, _ = route.sample
    if "json" not in media_type:
        return None
    return route.resolved(route.operation["requestBody"]["content"][media_type]["schema"])


def places(route: Route, schema: Json, value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield every place of a body that can hold something, be it in the example or not."""
    schema = route.resolved(schema)
    for each in schema.get("anyOf", ()):
        yield from places(route, each, value, path)
    for name, inner in schema.get("properties", {}).items():
        yield (*path, name)
        held = value.get(name) if isinstance(value, dict) else None
        yield from places(route, inner, held, (*path, name))
    if isinstance(value, dict):
        for name, held in value.items():
            if name not in schema.get("properties", {}):
                yield (*path, name)
                if isinstance(held, dict):
                    yield from places(route, {}, held, (*path, name))
    if isinstance(value, list) and value:
        yield (*path, 0)
        yield from places(route, schema.get("items", {}), value[0], (*path, 0))


def poisoned(sample: Any, place: tuple[Any, ...], value: Any) -> str:
    """Return the text of a body with a value put at a place."""
    body = copy.deepcopy(sample)
    mark = "-poison-goes-here-"
    if not place:
        body = mark
    else:
        at = body
        for step in place[:-1]:
            if isinstance(at, dict):
                at = at.setdefault(step, {})
                continue
            at = at[step]
        if isinstance(at, dict | list):
            at[place[-1]] = mark
    text = value if isinstance(value, Raw) else json.dumps(value)
    return json.dumps(body).replace(f'"{mark}"', text)
