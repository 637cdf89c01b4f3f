"""HTTP itself: smuggling, bombs, slow and endless requests, forged hosts and origins."""

import asyncio
import gzip
import io
import json
import time
import zipfile
from typing import Any

import pytest

from tests.attacks.conftest import Target
from tests.attacks.filling import request_of
from tests.attacks.poison import schema_of
from tests.attacks.surface import gathered, nothing_in, pages
from tests.attacks.test_roles import NOTHING
from tests.attacks.wire import Heard, say

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

SMUGGLED = b"GET /v1/customers HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b'{"tenant": "demo"}'


def posted(*lines: bytes, path: bytes = b"/v1/visitors") -> bytes:
    head = [b"POST " + path + b" HTTP/1.1", b"Host: x", b"Content-Type: application/json", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n"


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
SMUGGLING: dict[str, bytes] = {
    "both lengths": posted(b"Content-Length: 6", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + SMUGGLED,
    "both, other order": posted(b"Transfer-Encoding: chunked", b"Content-Length: 4") + CHUNKED + SMUGGLED,
    "two lengths": posted(b"Content-Length: 18", b"Content-Length: 0") + BODY + SMUGGLED,
    "lengths in one": posted(b"Content-Length: 18, 0") + BODY + SMUGGLED,
    "a negative length": posted(b"Content-Length: -1") + BODY,
    "a length with a plus": posted(b"Content-Length: +18") + BODY,
    "a length in hex": posted(b"Content-Length: 0x12") + BODY,
    "a huge length": posted(b"Content-Length: 99999999999999999999999") + BODY,
    "an unknown coding": posted(b"Transfer-Encoding: xchunked") + CHUNKED + SMUGGLED,
    "two codings": posted(b"Transfer-Encoding: chunked, identity") + CHUNKED + SMUGGLED,
    "a blank before the colon": posted(b"Transfer-Encoding : chunked") + CHUNKED,
    "a bad chunk": posted(b"Transfer-Encoding: chunked") + b"zz\r\nabc\r\n",
    "a bare line feed": b"POST /v1/visitors HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + SMUGGLED,
    "a folded header": posted(b"X-A: b", b" c: d\r\n\tTransfer-Encoding: chunked") + CHUNKED,
    "NUL in a header": posted(b"X-A: b\x00c", b"Content-Length: 18") + BODY,
    "no version": b"GET /v1/me\r\n\r\n",
    "rubbish": bytes(range(256)),
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an absolute path": b"GET http://evil.example/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: x\r\n\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: x\r\nCookie: secret\r\nConnection: close\r\n\r\n",
    "bytes in the path": b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
async def test_no_second_request_is_smuggled_in(target: Target, name: str) -> None:
    heard = await say(target.url, SMUGGLING[name], wait_s=1.5)

    assert not any(status >= 500 for status in heard.statuses), heard.text
    assert "secret" not in heard.text
    if SMUGGLED in SMUGGLING[name]:
        # One refusal, and the end: what followed was not looked at.
        assert heard.closed and heard.statuses == [400], heard.text


async def test_it_stays_well_while_slow_and_endless_requests_hang_on(target: Target) -> None:
    """All at once, since each takes its time to be given up."""
    big = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"

    async def well() -> Heard:
        slowest = 0.0
        async with target.client() as client:
            for _ in range(20):
                started = time.monotonic()
                assert (await client.get("/readyz")).status_code == 200
                slowest = max(slowest, time.monotonic() - started)
                await asyncio.sleep(0.5)
        return Heard(f"HTTP/1.1 200 {slowest:.1f}", closed=slowest < 5)

    token = target.token("admin").encode()
    asked = b"Authorization: Bearer " + token
    slow = b"GET /v1/me HTTP/1.1\r\nHost: x\r\n"
    loris = [
        say(target.url, slow, *(b"X-%d: y\r\n" % n for n in range(60)), pause_s=0.3, wait_s=15)
        for _ in range(200)
    ]
    found = await asyncio.gather(
        well(),
        *loris,
        say(target.url, posted(b"Content-Length: 1000", asked, path=b"/v1/tickets"), b"{", wait_s=15),
        say(target.url, posted(b"Transfer-Encoding: chunked", asked, path=b"/v1/tickets"), *([big] * 40)),
        say(target.url, posted(b"Transfer-Encoding: chunked", asked, path=b"/v1/events"), *([big] * 40)),
        say(target.url, posted(b"Content-Length: 1", b"X-Long: " + b"x" * 400_000)),
        say(target.url, b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(40_000))),
    )

    alive, *slow_ones, short, endless, endless_event, long_head, many_heads = found
    assert alive.closed, f"the slowest answer beside: {alive.text}"
    for each in slow_ones:
        assert each.closed and each.statuses in ([408], []), each
    assert short.closed and short.statuses == [408]
    for each in (endless, endless_event):
        assert each.closed and each.statuses in ([413], []), each
    for each in (long_head, many_heads):
        assert each.closed and each.statuses in ([431], []), each


def bombs() -> dict[str, tuple[dict[str, str], bytes]]:
    """Return bodies that are small on the wire and large inside, or the other way round."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 20_000_000)
    packed = gzip.compress(b"[" + b"0," * 10_000_000 + b"0]")
    json_type = {"content-type": "application/json"}
    return {
        "gzip": ({**json_type, "content-encoding": "gzip"}, packed),
        "gzip unsaid": (json_type, packed),
        "deflate": ({**json_type, "content-encoding": "deflate"}, packed[:1000]),
        "brotli": ({**json_type, "content-encoding": "br"}, b"\x1b\x00\x00"),
        "zip": ({"content-type": "application/zip"}, zipped.getvalue()),
        "form": ({"content-type": "application/x-www-form-urlencoded"}, b"a=b&" * 50_000),
        "many parts": (
            {"content-type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 3000 + b"--x--\r\n",
        ),
        "XML entities": (
            {"content-type": "application/xml"},
            b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        ),
        "UTF-16": ({"content-type": "application/json; charset=utf-16"}, '{"a": 1}'.encode("utf-16")),
        "UTF-7": ({"content-type": "application/json; charset=utf-7"}, b"+AHsAfQ-"),
        "a BOM": (json_type, b"\xef\xbb\xbf[]"),
        "nothing": (json_type, b""),
        "blanks": (json_type, b" " * 200_000),
        "duplicate keys": (json_type, b'{"type": "question", "type": {"$ne": 1}}'),
        "many keys alike": (json_type, b"{" + b'"a":1,' * 30_000 + b'"a":1}'),
        "too large": (json_type, b'{"a": "' + b"x" * 5_000_000 + b'"}'),
    }


TAKES_EMPTY = frozenset({"create_visitor"})


async def test_no_bomb_goes_off_at_any_door(target: Target) -> None:
    token = target.mint.token("fuzz", "bomber", *target.all_roles)
    made = bombs()

    async def set_off(name: str, method: str, url: str, client: Any) -> str | None:
        headers, body = made[name]
        started = time.monotonic()
        headers = {**headers, "authorization": f"Bearer {token}"}
        answer = await client.request(method, url, headers=headers, content=body)
        took_s = time.monotonic() - started
        good = 400 <= answer.status_code < 500 and took_s < 20
        return (
            None
            if good
            else f"{name} at {method} {url}: {answer.status_code} after {took_s:.1f} s {answer.text[:200]}"
        )

    async with target.client() as client:
        doors = [
            (route.method, request_of(route, NOTHING).url)
            for route in target.routes
            if schema_of(route) is not None
            and route.name not in ("create_visitor", "reopen_ticket", "close_ticket")
        ]
        small = [name for name in made if name != "too large"]
        found = await gathered(set_off(name, *door, client) for door in doors for name in small)
        # The large one costs its own transport; three kinds of door are enough.
        large = [("POST", "/v1/tickets"), ("POST", "/v1/events"), ("POST", "/oidc/token")]
        for door in large:
            found.append(await set_off("too large", *door, client))

    nothing_in(found)


FORGED: dict[str, dict[str, str]] = {
    "host": {"host": "evil.example"},
    "forwarded host": {"x-forwarded-host": "evil.example", "x-forwarded-proto": "gopher"},
    "forwarded": {"forwarded": "for=127.0.0.1;host=evil.example;proto=https"},
    "original URL": {"x-original-url": "/v1/me", "x-rewrite-url": "/v1/me"},
    "method override": {"x-http-method-override": "DELETE", "x-method-override": "DELETE"},
    "forwarded for": {"x-forwarded-for": "10.0.0.1", "x-real-ip": "10.0.0.1", "true-client-ip": "10.0.0.1"},
}


@pytest.mark.parametrize("name", FORGED)
async def test_no_header_says_who_or_where_one_is(target: Target, name: str) -> None:
    async with target.client() as client:
        for method, path in (("GET", "/"), ("GET", "/v1/me"), ("GET", "/v1/nothing"), ("GET", "/docs")):
            plain = await client.request(method, path)
            forged = await client.request(method, path, headers=FORGED[name])

            assert forged.status_code == plain.status_code
            assert "evil.example" not in forged.text
            assert "location" not in forged.headers


async def test_no_foreign_origin_is_let_in_by_a_browser(target: Target) -> None:
    origin = {"origin": "https://evil.example"}
    asked = origin | {
        "access-control-request-method": "DELETE",
        "access-control-request-headers": "authorization",
    }

    async def allowed(method: str, path: str) -> str | None:
        plain = await client.request(method, path, headers=origin)
        preflight = await client.request("OPTIONS", path, headers=asked)
        found = [
            name for each in (plain, preflight) for name in each.headers if name.startswith("access-control-")
        ]
        return f"{method} {path}: {found}" if found or preflight.status_code == 200 else None

    async with target.client() as client:
        doors = [(route.method, request_of(route, NOTHING).url) for route in target.routes]
        nothing_in(await gathered(allowed(*door) for door in (*doors, *pages())))


async def test_what_a_customer_wrote_comes_back_as_data(target: Target) -> None:
    scripts = "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)"
    headers = {"authorization": f"Bearer {target.mint.token('fuzz', 'xss', 'admin')}"}
    async with target.client() as client:
        for number, script in enumerate(scripts):
            body = {
                "name": script,
                "identities": [{"kind": "custom", "value": f"{script}{number}"}],
                "profile": {script: script},
                "tags": [script[:60]],
            }
            made = await client.post("/v1/customers", headers=headers, json=body)
            seen = await client.get(f"/v1/customers/{made.json()['customer_id']}", headers=headers)

            assert seen.headers["content-type"] == "application/json"
            assert seen.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in seen.headers["content-security-policy"]
            assert (seen.json()["name"], seen.json()["profile"]) == (script, {script: script})
        reflected = await client.get("/v1/<script>alert(1)</script>", headers=headers)
        log_in = await client.get("/oidc/authorize", params={"redirect_uri": scripts[2], "state": scripts[1]})
        away = {"redirect_uri": "http://127.0.0.1@evil.example/", "code_challenge_method": "S256"}
        elsewhere = await client.post("/oidc/authorize", data=away)

    assert reflected.headers["content-type"] == "application/problem+json"
    assert "<img" not in log_in.text and log_in.status_code == 400
    assert elsewhere.status_code == 400 and "location" not in elsewhere.headers


async def test_a_page_of_documentation_is_the_only_one_with_scripts(target: Target) -> None:
    async with target.client() as client:
        for method, path in pages():
            answer = await client.request(method, path)
            kind = answer.headers["content-type"]

            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert "content-security-policy" in answer.headers, path
            if path.startswith("/docs/"):  # its script, style and icon, with nothing of a tenant in them
                assert kind.startswith(("text/javascript", "text/css", "image/")), path
            elif not kind.startswith("text/html"):
                assert kind.startswith(("application/json", "application/problem+json")), path
                json.loads(answer.text)
