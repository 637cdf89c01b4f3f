"""Every door: who may open it, and that whatever goes wrong is a problem document."""

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway import openapi, permissions
from gateway.app import api
from gateway.demo_users import USERS
from gateway.tests.doors import Door
from gateway.tests.making import principal
from libs.errors import Forbidden


def documented() -> dict[tuple[str, str], str]:
    """Return the operations of the API by method and path."""
    paths = openapi.describe(api())["paths"]
    return {
        (method, path): operation["operationId"]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def routes_of(door: Door) -> Iterator[Route | WebSocketRoute]:
    routes: list[BaseRoute] = door.app._app._app.router.routes  # type: ignore[attr-defined]  # limits, then measures, around it
    for route in routes:
        if type(route) in (Route, WebSocketRoute):
            assert isinstance(route, Route | WebSocketRoute)
            yield route


def test_every_route_is_in_the_table_of_roles_and_nothing_else_is() -> None:
    plain = {route.name for route in routes_of(Door())}
    known = set(documented().values()) | plain

    assert known == set(permissions.ALLOWED) | permissions.PUBLIC


def test_it_allows_nobody_what_is_not_in_the_table() -> None:
    with pytest.raises(Forbidden):
        permissions.check(principal("admin"), "erase_everything")


PROTECTED = sorted(
    (method, path) for (method, path), name in documented().items() if name not in permissions.PUBLIC
)


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_it_lets_nobody_in_without_a_token_or_a_role(method: str, path: str) -> None:
    door = Door()
    path = path.replace("{", "").replace("}", "")

    stranger = await door.ask(method.upper(), path)
    nobody = await door.ask(method.upper(), path, "no-such-role")

    assert (stranger.status_code, stranger.json()["code"]) == (401, "token_missing")
    assert (nobody.status_code, nobody.json()["code"]) == (403, "role_missing")


PROBLEMS = [
    ("GET", "/v1/nothing", 404, "no_such_resource"),
    ("GET", "/nothing", 404, "no_such_resource"),
    ("DELETE", "/v1/tickets", 405, "method_not_allowed"),
    ("GET", "/v1/events", 405, "method_not_allowed"),
    ("GET", "/v1/tickets?limit=0", 422, "invalid_request"),
    ("GET", "/v1/tickets?limit=501", 422, "invalid_request"),
    ("GET", "/v1/tickets?cursor=made-up", 422, "invalid_request"),
    ("GET", "/v1/tickets?agent_id[$ne]=&agent_id=$x", 422, "invalid_request"),
    ("GET", "/v1/tickets/a%20b", 422, "invalid_request"),
    ("GET", "/v1/recordings/..%2f..%2fetc%2fpasswd", 404, "no_such_resource"),
    ("GET", "/v1/reports?from=now&to=then", 422, "invalid_request"),
    ("GET", "/v1/reports", 422, "invalid_request"),
]


@pytest.mark.parametrize(("method", "path", "status", "code"), PROBLEMS)
async def test_it_answers_what_it_cannot_do_with_a_problem(
    method: str, path: str, status: int, code: str
) -> None:
    answer = await Door().ask(method, path, "admin")

    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (status, code)


BODIES = [
    (b"{", 400, "bad_json"),
    (b"[]", 422, "invalid_request"),
    (b"{}", 422, "invalid_request"),
    (b'{"type": "question", "made_up": 1}', 422, "invalid_request"),
    (b'{"type": {"$ne": ""}}', 422, "invalid_request"),
    (b'{"type": "question", "subject": "' + b"x" * 300_000 + b'"}', 413, "too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), BODIES)
async def test_it_refuses_a_bad_body(body: bytes, status: int, code: str) -> None:
    headers = {"content-type": "application/json"}

    answer = await Door().ask("POST", "/v1/tickets", "agent", headers=headers, content=body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_it_never_repeats_what_stood_in_a_bad_body() -> None:
    answer = await Door().ask("POST", "/v1/tickets", "agent", json={"type": ["13800000001"]})

    assert "138" not in answer.text


async def test_it_says_nothing_of_its_own_faults() -> None:
    answer = await Door().ask("GET", "/v1/tickets", "agent")  # no services are there in this test

    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "no service" not in answer.text


async def test_it_takes_no_more_requests_of_one_person_than_it_may() -> None:
    door = Door(gateway_requests_per_s=3)

    answers = [(await door.ask("GET", "/v1/me", "agent")).status_code for _ in range(8)]

    assert 200 in answers
    assert 429 in answers


async def test_it_makes_a_stranger_a_visitor_of_a_tenant_with_a_chat() -> None:
    door = Door()

    made = (await door.ask("POST", "/v1/visitors", json={"tenant": "demo"})).json()
    headers = {"authorization": f"Bearer {made['access_token']}"}
    me = (await door.ask("GET", "/v1/me", headers=headers)).json()

    assert (me["tenant"], me["subject"], me["roles"]) == ("demo", made["visitor_id"], ["customer"])
    refused = await door.ask("POST", "/v1/visitors", json={"tenant": "bank"})
    assert (refused.status_code, refused.json()["code"]) == (403, "no_public_chat")


def test_the_committed_description_is_what_the_gateway_does() -> None:
    assert Path(openapi.FILE).read_text("utf-8") == openapi.text_of(api())


def test_the_description_is_valid_and_complete() -> None:
    document = json.loads(openapi.text_of(api()))

    OpenAPIV31SpecValidator(document).validate()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["tags"], path
            assert operation.get("summary") or operation.get("description"), path
            assert "security" in operation, path


async def test_it_serves_its_description() -> None:
    answer = await Door().ask("GET", "/v1/openapi.json")

    assert answer.json()["openapi"].startswith("3.1")


def test_it_has_a_demo_user_of_every_role_in_two_tenants() -> None:
    roles = {role for user in USERS.values() if user.tenant == "demo" for role in user.roles}

    assert roles == {"agent", "supervisor", "qa", "manager", "admin", "analyst", "adapter", "customer"}
    assert {user.tenant for user in USERS.values()} == {"demo", "acme"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/openapi.json"),
        ("GET", "/"),
        ("GET", "/nothing"),
        ("GET", "/v1/me"),
        ("POST", "/v1/events"),
    ],
)
async def test_it_lets_no_browser_take_an_answer_for_a_page(method: str, path: str) -> None:
    answer = await Door().ask(method, path)

    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_its_documentation_loads_files_of_its_own_and_runs_no_other_script() -> None:
    answer = await Door().ask("GET", "/docs")

    policy = answer.headers["content-security-policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.S)
    assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert "script-src 'self' 'sha256-" in policy
    assert "frame-ancestors 'none'" in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(loaded) == 3
    assert "http" not in policy
    for path in loaded:
        file = await Door().ask("GET", path)
        assert (file.status_code, len(file.content) > 100) == (200, True)
        assert file.headers["content-type"].partition(";")[0] in ("text/css", "text/javascript", "image/png")
        assert file.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/v1/tickets", "/v1/recordings?session_id=s", "/oidc/token", "/v1/events"])
async def test_it_refuses_an_endless_body_whose_length_nobody_has_said(path: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 50_000

    headers = {"content-type": "application/cloudevents+json"}
    door = Door(gateway_largest_upload=100_000)

    answer = await door.ask("POST", path, "adapter", "agent", headers=headers, content=pieces())

    if "recordings" in path:  # what else is wrong with the request may be said first
        assert answer.status_code in (413, 422)
    else:
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
