"""The house next door: A names all that B has at every door, and hears what it would hear of nothing."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
import websockets
from google.protobuf.json_format import MessageToJson

from gateway import permissions
from libs import rpc_roles
from libs.events.catalogue import BY_TYPE, dead_letters_of
from tests.attacks.conftest import Target
from tests.attacks.filling import Request, messages_of, request_of
from tests.attacks.reading import plant, poison, records_of
from tests.attacks.surface import Route, Rpc, gathered, nothing_in, sockets
from tests.attacks.test_roles import reason_of
from tests.attacks.tokens import EVERY_ROLE, NOBODY
from tests.attacks.world import NAMELESS

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

# Names that a tenant chooses itself: putting one that B has makes A's own, and B's stays as it is.
OWN_NAMES = frozenset(
    {"put_queue", "put_agent", "set_agent_state", "replace_customer", "put_configured_item"}
)
OWN_RPCS = frozenset({"trunkline.crm_context.v1.CrmContextService/Upsert"})
# What changes by itself, or because somebody looked.
MOVING = frozenset(
    {
        "get_queue",
        "get_agent",
        "estimate_wait",
        "list_recording_access",
        "list_dead_letter_audit",
    }
)
COMMANDS = ("accept", "decline", "message", "end", "wrap_up", "transfer", "typing", "choose", "survey")
VOLATILE = re.compile(
    r'"(trace_id|event_id|ticket_id|opened_at|updated_at|created_at|customer_id|version)":("[^"]*"|\d+)|T(-\w{4}){3}'
)


def nowhere(ids: dict[str, str]) -> dict[str, str]:
    """Return ids of the same look that nobody has."""
    return {
        name: value if name in NAMELESS else f"{value[:4]}{uuid4().hex}{value[4:8]}"
        for name, value in ids.items()
    }


def neutral(text: str, ids: dict[str, str]) -> str:
    """Return an answer without the ids that were asked for, so that two answers can be compared."""
    for name, value in ids.items():
        if name not in NAMELESS:
            text = text.replace(value, f"<{name}>")
    return VOLATILE.sub("", text)


def role_for(route: Route) -> str:
    """Return the most powerful role that may use a route."""
    allowed = permissions.ALLOWED.get(route.name, frozenset())
    return next((role for role in ("admin", "manager", "adapter", "customer") if role in allowed), NOBODY)


def pages_of(target: Target, client: httpx.AsyncClient, role: str) -> Iterator[Any]:
    """Yield what somebody of A sees at every door that shows something, page after page."""

    async def pages(route: Route, ids: dict[str, str]) -> str:
        request = request_of(route, ids)
        headers = {"authorization": f"Bearer {target.token(*(() if role == NOBODY else (role,)))}"}
        texts, cursor = [], ""
        for _ in range(20):
            params = {"cursor": cursor} if cursor else {}
            url = httpx.URL(request.url).copy_merge_params(params)
            answer = await client.get(url, headers=headers)
            texts.append(f"{answer.headers}\n{answer.text}")
            is_page = answer.headers.get("content-type") == "application/json"
            cursor = answer.json().get("next_cursor", "") if is_page else ""
            if not cursor:
                break
        return "\n".join(texts)

    ours = target.mine.ids
    for route in target.routes:
        if route.method == "GET":
            yield pages(route, ours)
        if route.method == "GET" and "{recording_id}" in route.path:
            yield pages(route, ours | {"recording_id": ours["transcript_id"]})


async def test_no_canary_of_theirs_is_anywhere_in_what_we_can_see(target: Target) -> None:
    seen: dict[str, str] = {}
    async with target.client() as client:
        for role in EVERY_ROLE:
            seen[f"routes as {role}"] = "\n".join(await gathered(pages_of(target, client, role)))
        for word in ("canary", target.theirs.mark, target.theirs.canaries["phone"][-8:]):
            headers = {"authorization": f"Bearer {target.token('admin')}"}
            found = await client.get("/v1/customers", params={"text": word}, headers=headers)
            seen[f"search for {word}"] = found.text
        for name, url in metrics_of(target).items():
            # Figures are the operator's, by tenant: what is theirs has to say so.
            lines = (await client.get(url)).text.splitlines()
            of_theirs = f'tenant="{target.theirs.tenant}"'
            seen[f"metrics of {name}"] = "\n".join(line for line in lines if of_theirs not in line)
    headers = {"authorization": f"Bearer {target.token('supervisor')}"}
    url = f"{target.socket_url}/v1/supervisor/socket?after=0"
    frames: list[str] = []
    async with websockets.connect(url, additional_headers=headers, proxy=None) as socket:
        with suppress(TimeoutError):
            async with asyncio.timeout(3):
                while True:
                    frames.append(str(await socket.recv()))
    seen["supervisors' stream"] = "\n".join(frames)

    mine, theirs = "\n".join(seen.values()), target.theirs.secrets
    assert [secret for secret in theirs if secret in mine] == []
    # The search can find: all of our own is there, but what only the customer's agent was told.
    ours = {name: text for name, text in target.mine.canaries.items() if text not in mine}
    assert set(ours) <= {"phone", "display"}, ours


async def test_no_route_tells_of_another_tenants_things(target: Target) -> None:
    theirs = target.theirs.ids | {"phone": target.theirs.canaries["phone"]}
    missing = nowhere(theirs) | {"phone": "+8613012345678"}
    named = {name: value for name, value in theirs.items() if name not in NAMELESS}

    async def answer(request: Request, role: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {target.token(role)}"} | request.sent["headers"]
        return await client.request(**(request.sent | {"headers": headers}))

    async def told(route: Route, ask_all: bool) -> list[str]:
        role = role_for(route)
        asked = request_of(route, theirs, ask_all=ask_all)
        if not any(value in f"{asked.url}{asked.content!r}" for value in named.values()):
            return []  # it names nothing of theirs: the canaries are looked for elsewhere
        seen, none = (
            await answer(asked, role),
            await answer(request_of(route, missing, ask_all=ask_all), role),
        )
        problems = []
        if any(secret in seen.text for secret in target.theirs.canaries.values()):
            problems.append(f"{route} as {role}: {seen.text[:300]}")
        is_own = seen.status_code == none.status_code == 201  # a thing of ours that names what is not there
        if not is_own and (seen.status_code, neutral(seen.text, theirs)) != (
            none.status_code,
            neutral(none.text, missing),
        ):
            problems.append(f"{route} as {role} tells them apart:\n{seen.text[:300]}\n{none.text[:300]}")
        is_empty = seen.status_code == 200 and not seen.json().get("items", [1])
        if "{" in route.path and seen.status_code not in (403, 404, 422) and not is_empty:
            problems.append(f"{route} as {role}: {seen.status_code} {seen.text[:300]}")
        return problems

    before = await house_of(target)
    async with target.client() as client:
        routes = [
            route for route in target.routes if route.name not in permissions.PUBLIC | OWN_NAMES | {"get_me"}
        ]
        # Questions first: what the others make may name what is not there, and is found from then on.
        asking = [route for route in routes if route.method == "GET"]
        changing = [route for route in routes if route.method != "GET"]
        found = [
            *await gathered(told(route, ask_all) for route in asking for ask_all in (False, True)),
            *await gathered(told(route, ask_all) for route in changing for ask_all in (False, True)),
        ]

    nothing_in(problem for each in found for problem in each)
    assert await house_of(target) == before


async def house_of(target: Target) -> dict[str, Any]:
    """Return what B sees of its own things."""
    token = target.token("admin", of=target.theirs)
    async with target.client() as client:

        async def seen(route: Route) -> tuple[str, Any]:
            request = request_of(route, target.theirs.ids)
            answer = await client.request(
                request.method, request.url, headers={"authorization": f"Bearer {token}"}
            )
            return str(route), (answer.status_code, answer.text)

        named = [
            route
            for route in target.routes
            if route.method == "GET" and "{" in route.path and role_for(route) == "admin"
        ]
        skipped = MOVING | {"get_recording_content"}
        return dict(await gathered(seen(route) for route in named if route.name not in skipped))


async def test_no_rpc_tells_of_another_tenants_things(target: Target) -> None:
    theirs = target.theirs.ids | {"phone": target.theirs.canaries["phone"]}
    missing = nowhere(theirs) | {"phone": "+8613012345678"}
    channels = {rpc.address: grpc.aio.insecure_channel(rpc.address) for rpc in target.rpcs}

    async def answer(rpc: Rpc, request: Any, ids: dict[str, str]) -> tuple[str, str]:
        metadata = (("authorization", f"Bearer {target.service_token('service', 'admin')}"),)
        try:
            answers = await rpc.call(channels[rpc.address], [request], metadata=metadata, timeout=2)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {reason_of(error)}", neutral(error.details() or "", ids)
        return "OK", neutral("".join(MessageToJson(each, indent=None) for each in answers), ids)

    async def told(rpc: Rpc) -> list[str]:
        problems = []
        for mine, other in zip(messages_of(rpc, theirs), messages_of(rpc, missing), strict=True):
            seen, none = await answer(rpc, mine, theirs), await answer(rpc, other, missing)
            if any(secret in seen[1] for secret in target.theirs.canaries.values()):
                problems.append(f"{rpc.name} tells: {seen}")
            if seen[0] != none[0]:
                problems.append(f"{rpc.name} tells them apart: {seen} {none}")
        return problems

    try:
        found = await gathered(told(rpc) for rpc in target.rpcs if rpc.name not in OWN_RPCS)
    finally:
        for channel in channels.values():
            await channel.close()

    assert {rpc.name for rpc in target.rpcs} == set(rpc_roles.ALLOWED)
    nothing_in(problem for each in found for problem in each)


async def test_no_socket_tells_of_another_tenants_things(target: Target) -> None:
    theirs = target.theirs.ids
    commands = [
        {"type": name, "interaction_id": theirs["interaction_id"], "offer_id": theirs["offer_id"]}
        | {"text": "let me in", "to_queue_id": theirs["queue_id"], "key": "1", "csat": 5}
        | {"entry_point": f"door-{target.theirs.mark}"}
        for name in (
            "accept",
            "decline",
            "message",
            "end",
            "wrap_up",
            "transfer",
            "typing",
            "choose",
            "survey",
        )
    ]

    async def heard(name: str, path: str, query: str) -> tuple[str, list[str]]:
        role = next(iter(sorted(permissions.ALLOWED[name])))
        path = path.replace("{interaction_id}", theirs["interaction_id"])
        headers = {"authorization": f"Bearer {target.token(role)}"}
        frames: list[str] = []
        async with websockets.connect(
            f"{target.socket_url}{path}{query}", additional_headers=headers, proxy=None, open_timeout=20
        ) as socket:
            for number, command in enumerate(commands):
                await socket.send(json.dumps({"id": f"c{number}", **command}))
            with suppress(TimeoutError, websockets.ConnectionClosed):
                async with asyncio.timeout(3):
                    while True:
                        frames.append(str(await socket.recv()))
        return f"{path}{query}", frames

    queries = ("", "?after=0", "?after=1", f"?interaction_id={theirs['interaction_id']}")
    found = await gathered(heard(name, path, query) for name, path in sockets().items() for query in queries)

    for path, frames in found:
        heard_now = [json.loads(frame) for frame in frames]
        answers = [
            each for each in heard_now if "seq" not in each
        ]  # the stream's own frames are news, no answers
        taken = [each for each in answers if each["type"] == "ack"]
        text = "\n".join(frames)
        assert [secret for secret in target.theirs.canaries.values() if secret in text] == [], path
        assert taken == [], path
        refused = sorted(each["id"] for each in answers if each["type"] == "refused")
        assert refused == [f"c{number}" for number in range(len(commands))], path


async def test_a_name_that_they_have_too_becomes_our_own(target: Target) -> None:
    routes = {route.name: route for route in target.routes if route.name in OWN_NAMES}
    headers = {"authorization": f"Bearer {target.token('admin')}"}
    before = await house_of(target)

    async with target.client() as client:
        for name in sorted(OWN_NAMES):
            request = request_of(routes[name], target.theirs.ids)
            sent = request.sent | {"headers": headers | request.sent["headers"]}
            answer = await client.request(**sent)
            assert answer.status_code in (200, 201, 202, 409), answer.text
        url = f"/v1/queues/{target.theirs.ids['queue_id']}"
        async with asyncio.timeout(20):
            while (ours := await client.get(url, headers=headers)).status_code == 404:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        theirs = await client.get(
            url, headers={"authorization": f"Bearer {target.token('admin', of=target.theirs)}"}
        )

    assert target.theirs.canaries["queue"] not in ours.text
    assert theirs.json()["name"]["en"] == target.theirs.canaries["queue"]
    assert await house_of(target) == before


def metrics_of(target: Target) -> dict[str, str]:
    """Return where each process shows its figures."""
    return {name: target.stack.metrics_url(name) for name in target.stack.names}


def logs_of(target: Target) -> dict[str, str]:
    folder = Path(target.stack.env["TRUNKLINE_DATA_DIR"]) / "logs"
    return {path.stem: path.read_text("utf-8", "replace") for path in sorted(folder.glob("*.log"))}


async def test_no_process_logs_or_counts_what_is_personal_or_secret(target: Target) -> None:
    told = logs_of(target)
    async with target.client() as client:
        for name, url in metrics_of(target).items():
            told[f"metrics of {name}"] = (await client.get(url)).text
    personal = [*target.mine.canaries.values(), *target.theirs.canaries.values()]
    secrets = [target.stack.env["TRUNKLINE_SERVICE_SECRET"], "eyJ", "PRIVATE KEY", "password"]

    assert len(told) == 2 * len(target.stack.names)
    for where, text in told.items():
        assert [each for each in (*personal, *secrets) if each in text] == [], where


async def test_the_marks_of_dead_letters_hold_nothing_personal(target: Target) -> None:
    """Provoke dead letters with a canary in them; what is written about them must not repeat it."""
    canary = f"canary-dead-{uuid4().hex}"
    topics = sorted({fact.topic() for fact in BY_TYPE.values()})
    bootstrap = target.stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"]
    await plant(bootstrap, "trunkline.interaction", poison(canary, target.mine.tenant))
    letters: list[Any] = []
    async with asyncio.timeout(30):
        while len(letters) < len(poison("", "")):
            letters = await records_of(bootstrap, [dead_letters_of(topic) for topic in topics])
            letters = [each for each in letters if each.value and canary.encode() in each.value]

    assert len(letters) == len(poison("", ""))
    for letter in letters:
        marks = b"\n".join(value or b"" for name, value in letter.headers if name.startswith("dlq"))
        assert canary.encode() not in marks
        assert b"dlq_reason" in [name.encode() for name, _ in letter.headers]
    logs = "\n".join(logs_of(target).values())
    assert canary not in logs
