"""Operators, broken text, monstrous numbers and nesting in every field of every body, query and path."""

import time
from typing import Any

import httpx
import pytest

from tests.attacks.conftest import EXAMPLES, Target
from tests.attacks.filling import path_of, query_of, request_of
from tests.attacks.poison import TEXTS, VALUES, places, poisoned, schema_of
from tests.attacks.surface import Route, gathered, nothing_in
from tests.attacks.test_roles import NOTHING

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SLOW_S = 8.0  # with a dozen at once on a busy machine; a pattern that explodes takes for ever
STEP = 1 if EXAMPLES >= 100 else 3  # short: each field gets a third of the values


def wrong(what: str, answer: httpx.Response, took_s: float) -> str | None:
    """Say what is not as it must be, whatever was asked."""
    if answer.status_code >= 500:
        return f"{what}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code >= 400 and answer.headers["content-type"] != "application/problem+json":
        return f"{what}: {answer.status_code} as {answer.headers['content-type']}"
    if answer.headers.get("x-evil") or answer.headers.get("x-content-type-options") != "nosniff":
        return f"{what}: headers {dict(answer.headers)}"
    return f"{what}: took {took_s:.1f} s" if took_s > SLOW_S else None


class Attack:
    """Somebody with every role in a tenant of his own, who damages nobody else's things."""

    def __init__(self, target: Target, client: httpx.AsyncClient) -> None:
        self._client = client
        token = target.mint.token("fuzz", "attacker", *target.all_roles)
        self._headers = {"authorization": f"Bearer {token}"}

    async def __call__(
        self, what: str, method: str, url: str, content: bytes | None = None, **headers: str
    ) -> str | None:
        started = time.monotonic()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            answer = await self._client.request(
                method, url, content=content, headers=self._headers | given, timeout=60
            )
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return f"{what}: {type(error).__name__} {error}"
        return wrong(what, answer, time.monotonic() - started)


async def test_no_value_in_a_body_upsets_a_route(target: Target) -> None:
    jobs: list[Any] = []
    async with target.client() as client:
        attack = Attack(target, client)
        for route in target.routes:
            schema = schema_of(route)
            if schema is None:
                continue
            url, (media_type, sample) = request_of(route, NOTHING).url, route.sample
            for number, place in enumerate([(), *dict.fromkeys(places(route, schema, sample))]):
                for name in list(VALUES)[number % STEP :: STEP]:
                    text = poisoned(sample, place, VALUES[name]).encode()
                    what = f"{route} {'.'.join(map(str, place))} = {name}"
                    jobs.append(attack(what, route.method, url, text, content_type=media_type))
        found = await gathered(jobs)

    assert len(jobs) > 10 * len(VALUES)
    nothing_in(found)


async def test_no_text_in_a_query_upsets_a_route(target: Target) -> None:
    def urls(route: Route) -> list[tuple[str, str]]:
        path = path_of(route, NOTHING)
        query = query_of(route, NOTHING)
        found = []
        for parameter in route.parameters:
            if parameter["in"] != "query":
                continue
            name = parameter["name"]
            rest = "".join(
                f"&{key}={value.replace('+', '%2B')}" for key, value in query.items() if key != name
            )
            found += [(f"{name}={label}", f"{path}?{name}={text}{rest}") for label, text in TEXTS.items()]
            found += [
                (f"{name}[$ne]", f"{path}?{name}[$ne]=x{rest}"),
                (f"{name} often", f"{path}?{f'{name}=a&' * 300}{rest}"),
            ]
        return found

    async with target.client() as client:
        attack = Attack(target, client)
        jobs = [
            attack(f"{route} {what}", route.method, url, *body(route))
            for route in target.routes
            for number, (what, url) in enumerate(urls(route))
            if number % STEP == 0
        ]
        found = await gathered(jobs)

    assert len(jobs) > 10 * len(TEXTS)
    nothing_in(found)


def body(route: Route) -> tuple[bytes, ...]:
    content = request_of(route, NOTHING).content
    return () if content is None else (content,)


async def test_no_text_in_a_path_upsets_a_route(target: Target) -> None:
    async with target.client() as client:
        attack = Attack(target, client)
        jobs = []
        for route in target.routes:
            for parameter in route.parameters:
                if parameter["in"] != "path":
                    continue
                name = parameter["name"]
                others = NOTHING | {name: "POISON"}
                for label, text in TEXTS.items():
                    url = path_of(route, others).replace("POISON", text)
                    sent = attack(
                        f"{route} {name}={label}",
                        route.method,
                        url,
                        *body(route),
                        content_type="application/json",
                    )
                    jobs.append(sent)
        found = await gathered(jobs)

    nothing_in(found)


async def test_operators_find_nothing_that_is_there(target: Target) -> None:
    """A filter is a text, not a query: what would match everything matches nothing."""
    headers = {"authorization": f"Bearer {target.token('admin')}"}
    for text in ('{"$ne":""}', '{"$gt":""}', "$where", ".*", "[object Object]", "' || '1'=='1"):
        async with target.client() as client:
            found = await client.get("/v1/customers", params={"text": text}, headers=headers)
            looked_up = await client.get(
                "/v1/customers/lookup", params={"kind": "custom", "value": text}, headers=headers
            )

        assert found.json()["items"] == [], text
        assert looked_up.status_code == 404, text
