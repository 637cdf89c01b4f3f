"""What people bring with them: files, flows and addresses made to do harm."""

import asyncio
import csv
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.attacks.conftest import Target, raw
from tests.attacks.surface import gathered, nothing_in

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]


def headers_of(target: Target, *roles: str) -> dict[str, str]:
    return {"authorization": f"Bearer {target.token(*(roles or ('admin',)))}"}


TRAVERSALS = (
    "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "..\\..\\x", "%2e%2e/%2e%2e/x",
    "/etc/passwd", "a/../../b", "....//....//x", "x%00.wav", "file:///etc/passwd", "~root", ".", "..",
    "%c0%ae%c0%ae/x", "CON", "a\u2024\u2024/b",
)  # fmt: skip


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


async def test_no_name_of_a_recording_leads_out_of_its_folder(target: Target) -> None:
    upload = {"started_at": "2026-03-02T09:00:00Z", "ended_at": "2026-03-02T09:01:00Z"}
    folder = Path(target.stack.env["TRUNKLINE_DATA_DIR"])
    before = files_in(folder)
    problems: list[str] = []
    async with target.client() as client:
        for name in TRAVERSALS:
            for path in (name, f"{name}/content", f"{name}/transcript", f"{name}/access"):
                answer = await client.get(f"/v1/recordings/{path}", headers=headers_of(target))
                if (answer.status_code < 400 and "items" not in answer.text) or "root:" in answer.text:
                    problems.append(f"read {path}: {answer.status_code} {answer.text[:200]}")
            for field in ("session_id", "interaction_id", "customer_id", "queue_id", "agent_id", "sha256"):
                given = upload | {"session_id": "s-1", "interaction_id": "i-1"} | {field: name}
                answer = await client.post(
                    f"/v1/recordings?{urlencode(given)}",
                    headers=headers_of(target) | {"content-type": "audio/wav"},
                    content=b"RIFF",
                )
                if answer.status_code >= 500 or (answer.status_code == 201 and "/" in name):
                    problems.append(f"stored {field}={name}: {answer.status_code} {answer.text[:200]}")

    nothing_in(problems)
    new = files_in(folder) - before
    assert all(path.is_relative_to(folder / "objects") for path in new if path.suffix != ".log")


RANGES = {
    "bytes=0-3": 206,
    "bytes=-4": 206,
    "bytes=0-": 206,
    "bytes=0-99999999999999": 206,
    "bytes=99999999-": 416,
    "bytes=-0": 416,
    "bytes=5-2": 200,
    "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)): 200,
    "bytes=0-0,0-0": 200,
    "bytes=--1": 200,
    "bytes=" + "9" * 400 + "-": 200,
    "bytes=1e3-": 200,
    "lines=0-1": 200,
    "bytes=\u0661-": 200,
}


@pytest.mark.parametrize("asked", RANGES)
async def test_no_range_gives_more_than_there_is(target: Target, asked: str) -> None:
    url = f"/v1/recordings/{target.mine.ids['recording_id']}/content"
    whole = target.mine.canaries["audio"].encode()
    async with target.client() as client:
        answer = await client.get(url, headers=raw(headers_of(target) | {"range": asked}))

    assert answer.status_code == RANGES[asked]
    if answer.status_code == 200:
        assert answer.content == whole
    elif answer.status_code == 206:
        assert answer.content in whole
        start, end = re.findall(r"\d+", answer.headers["content-range"])[:2]
        assert answer.content == whole[int(start) : int(end) + 1]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_recording_is_never_a_page(target: Target) -> None:
    asked = {
        "session_id": "s-1",
        "interaction_id": "i-1",
        "started_at": "2026-03-02T09:00:00Z",
        "ended_at": "2026-03-02T09:01:00Z",
    }
    async with target.client() as client:
        for media_type in (
            "text/html",
            "image/svg+xml",
            "application/xhtml+xml",
            "audio/wav X-Evil: 1",
            "a",
        ):
            sent = headers_of(target) | {"content-type": media_type}
            answer = await client.post(
                f"/v1/recordings?{urlencode(asked)}", headers=sent, content=b"<script>alert(1)</script>"
            )
            assert answer.status_code == 422, media_type
        url = f"/v1/recordings/{target.mine.ids['recording_id']}/content"
        answer = await client.get(url, headers=headers_of(target))
        assert answer.headers["content-disposition"].startswith("attachment")


FORMULAS = (
    "=cmd|' /C calc'!A0", "=1+1", "+1+cmd|x", "-1+1|x", "@SUM(A1)", "\t=1", "\r=1",
    "=HYPERLINK(\"http://evil\")", "\uff1d1+1",
)  # fmt: skip


def table(*rows: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def imported(target: Target, client: httpx.AsyncClient, content: bytes, query: str = "") -> Any:
    return await client.post(
        f"/v1/customers/import{query}",
        headers=headers_of(target) | {"content-type": "text/csv"},
        content=content,
        timeout=90,
    )


async def test_no_formula_comes_in_by_a_file(target: Target) -> None:
    async with target.client() as client:
        for number, formula in enumerate(FORMULAS[:8]):
            phone = f"+86135{number:08d}"
            for field in ("name", "profile.note", "tags"):
                answer = await imported(
                    target, client, table((field, "identity.phone"), (formula, phone)), "?dry_run=true"
                )
                stripped = formula.strip()
                assert answer.status_code == 200, answer.text
                taken = answer.json()
                assert (taken["rejected"], taken["created"]) == (1, 0), (formula, stripped, taken)


CSV_BOMBS: dict[str, bytes] = {
    "many columns": b",".join(b"c%d" % n for n in range(100_000)) + b"\n1\n",
    "many rows": b"identity.phone\n" + b"+8613500000000\n" * 60_000,
    "one long cell": b"identity.phone\n" + b"9" * 3_000_000,
    "an open quote": b'identity.phone\n"' + b"x\n" * 500_000,
    "quotes": b"identity.phone\n" + b'"' * 1_000_001,
    "NUL": b"identity.phone\x00\n\x00\n",
    "no header": b"\n\n\n",
    "one header": b"identity.phone",
    "the same header twice": b"identity.phone,identity.phone\n1,2\n",
    "carriage returns": b"identity.phone\r" + b"1\r" * 10_000,
    "not text": bytes(range(256)) * 100,
    "too large": b"identity.phone\n" + b"1234567890\n" * 500_000,
    "a spreadsheet": b"PK\x03\x04" + b"\x00" * 1000,
}


@pytest.mark.parametrize("name", CSV_BOMBS)
async def test_no_file_of_customers_upsets_the_import(target: Target, name: str) -> None:
    async with target.client() as client:
        answer = await imported(target, client, CSV_BOMBS[name], "?dry_run=true")

    assert answer.status_code in (200, 400, 413, 422), answer.text[:300]
    assert len(answer.content) < 2_000_000


def flow(**nodes: Any) -> dict[str, Any]:
    return {"flow_id": "evil", "entry_points": ["evil"], "languages": ["en"], "start": "a", "nodes": nodes}


END = {"kind": "end", "reason": "done"}
ESCAPES = (
    "__import__('os').system('id')", "().__class__.__bases__", "x.__class__ == 1",
    "open('/etc/passwd')", "lambda: 1", "[x for x in y]", "a if b else c", "x[0]", "f'{x}'", "x := 1",
    "1 + 1", "2 ** 99999", "'a' * 10 ** 9", "*a", "{**a}", "exec('1')", "a.b()", "yield", "await x",
    "print", "b'x' == 1", "...", "1j == 1", "~1", "not " * 400 + "a", "(" * 300 + ")" * 300,
)  # fmt: skip
LOOPS: dict[str, Any] = {
    "to itself": flow(a={"kind": "goto", "next": "a"}),
    "round and round": flow(
        a={"kind": "prompt", "say": {"en": "x"}, "next": "b"},
        b={"kind": "prompt", "say": {"en": "x"}, "next": "a"},
    ),
    "a trap": flow(a={"kind": "menu", "choices": [{"key": "1", "labels": {"en": "x"}, "next": "a"}]}),
    "to nowhere": flow(a={"kind": "goto", "next": "b"}),
    "many nodes": flow(**{f"n{n}": {"kind": "goto", "next": f"n{n + 1}"} for n in range(2000)}),
    "an unknown kind": flow(a={"kind": "http", "url": "http://127.0.0.1:1/"}),
    "a script": flow(a={"kind": "script", "code": "import os"}),
}


async def test_no_flow_escapes_or_goes_round_for_ever(target: Target) -> None:
    headers = headers_of(target)

    async def tried(what: str, document: Any, ways: tuple[str, ...]) -> str | None:
        for way in ways:
            body = {"flow": {"document": document}} | (
                {"inputs": ["1"] * 200} if way.endswith("test") else {}
            )
            async with asyncio.timeout(20):
                answer = await client.post(way, headers=headers, json=body)
            is_known_bad = way.endswith("validate") and answer.json()["valid"] is False
            if answer.status_code != 422 and not is_known_bad:
                return f"{what} at {way}: {answer.status_code} {answer.text[:300]}"
        return None

    ways = ("/v1/flows/validate", "/v1/flows/test", "/v1/flows")
    branches = [
        (
            text,
            flow(a={"kind": "condition", "branches": [{"when": text, "next": "z"}], "otherwise": "z"}, z=END),
        )
        for text in ESCAPES
    ]
    async with target.client() as client:
        known = await client.post(
            "/v1/flows/validate",
            headers=headers,
            json={"flow": {"document": dict(branches_good())}},
        )
        found = await gathered(tried(what, document, ways) for what, document in [*branches, *LOOPS.items()])

    assert known.json()["valid"] is True, known.text  # so it is the expression that makes the others bad
    nothing_in(found)


def branching_on(text: str) -> dict[str, Any]:
    branches = [{"when": text, "next": "z"}]
    return flow(a={"kind": "condition", "cases": branches, "otherwise": "z"}, z=END)


def branches_good() -> dict[str, Any]:
    branch = {"when": "vip >= 2 and channel == 'chat'", "next": "z"}
    return flow(
        a={"kind": "set", "values": {"vip": 1}, "next": "b"},
        b={"kind": "condition", "cases": [branch], "otherwise": "z"},
        z=END,
    )


class Trap:
    """A server on the loopback address that should never be asked for anything."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard.append(await reader.read(1000))
        writer.close()


async def test_no_address_that_comes_in_is_ever_asked(target: Target) -> None:
    """Whatever looks like a place for an address gets ours; nobody calls."""
    trap = Trap()
    server = await asyncio.start_server(trap, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/trap"
    headers = headers_of(target)
    said = {"kind": "prompt", "say": {"en": url}, "media_url": url, "next": "z"}
    async with server, target.client() as client:
        adapter = headers_of(target, "adapter")
        page = {"visitor_id": "v-ssrf", "url": url, "referrer": url, "title": url}
        event = {
            "specversion": "1.0",
            "id": "ssrf-1",
            "source": url,
            "type": "trunkline.visitor.page_viewed.v1",
            "dataschema": url,
            "data": page,
        }
        customer = {"name": url, "profile": {"avatar": url, "webhook": url}}
        ticket = {"type": "question", "subject": url, "fields": {"callback": url}}
        forged = target.mint.token("demo", "x", "admin", iss=url)
        tested = {"flow": {"document": flow(a=said, z=END)}}
        await client.post("/v1/flows/test", headers=headers, json=tested)
        await client.post("/v1/customers", headers=headers, json=customer)
        await client.post("/v1/tickets", headers=headers, json=ticket)
        structured = adapter | {"content-type": "application/cloudevents+json"}
        told = await client.post("/v1/events", headers=structured, json=event)
        await client.get("/oidc/authorize", params={"redirect_uri": url, "request_uri": url})
        await client.post("/oidc/token", data={"grant_type": "password", "jwks_uri": url})
        me = await client.get("/v1/me", headers={"authorization": f"Bearer {forged}"})
        await asyncio.sleep(3)

    assert (told.status_code, me.status_code) == (202, 401)
    assert trap.heard == []
