"""Forged, stale and foreign tokens: not one opens a route, a socket or an RPC."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import httpx
import pytest
import websockets
from cryptography.hazmat.primitives import hashes, hmac
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from gateway import permissions
from gateway.keys import VISITOR_AUDIENCE, VISITOR_KID, VISITORS
from gateway.oidc import KID
from libs import clock
from libs.rpc_caller import AUDIENCE as SERVICES
from libs.rpc_caller import SERVICE_ROLE, Caller, Signer
from tests.attacks.conftest import Target
from tests.attacks.filling import messages_of, request_of
from tests.attacks.surface import Route, Rpc, gathered, nothing_in, sockets
from tests.attacks.tokens import Mint

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

EVERYTHING = tuple(sorted(set().union(*permissions.ALLOWED.values())))


def encoded(part: Any) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def hs256(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Sign by hand: libraries refuse to take a public key for a secret."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(signed.encode())
    return f"{signed}.{encoded(mac.finalize())}"


def forgeries(mint: Mint, tenant: str, secret: str) -> Iterator[tuple[str, str]]:
    """Yield name and token of every forgery: each would be somebody with every role, were it believed."""
    claims = mint.claims(tenant, "eve", *EVERYTHING)
    now = int(time.time())
    public = mint.key.as_dict(private=False)
    own = RSAKey.generate_key(2048, private=True)
    own_public = own.as_dict(private=False)

    for name in ("none", "None", "NONE", "nOnE", ""):
        yield f"alg {name!r}", f"{encoded({'alg': name, 'kid': KID})}.{encoded(claims)}."
    yield "no alg", f"{encoded({'kid': KID})}.{encoded(claims)}.{encoded(b'x')}"
    yield "alg list", f"{encoded({'alg': ['RS256'], 'kid': KID})}.{encoded(claims)}.{encoded(b'x')}"
    for form in ("PEM", "DER"):
        material = mint.key.as_bytes(encoding=form, private=False)
        for algorithm in ("HS256", "HS384", "RS256"):
            header = {"alg": algorithm, "kid": KID}
            yield f"{algorithm} by the public key's {form}", hs256(header, claims, material)
    yield "HS256 by the key set", hs256({"alg": "HS256", "kid": KID}, claims, json.dumps(public).encode())
    yield "HS256 by the service secret", hs256({"alg": "HS256", "kid": KID}, claims, secret.encode())
    yield "HS256 by nothing", hs256({"alg": "HS256", "kid": KID}, claims, b"")

    forged = {"alg": "RS256", "kid": KID}
    yield "another key", jwt.encode(forged, claims, own)
    yield "jwk", jwt.encode({**forged, "jwk": own_public}, claims, own)
    for name in ("jku", "x5u"):
        for address in ("http://127.0.0.1:1/keys", "file:///etc/passwd", f"{mint.issuer}/jwks"):
            yield f"{name} {address}", by_hand({**forged, name: address}, claims, own)
            yield f"right key, {name} {address}", by_hand({**forged, name: address}, claims, mint.key)
    yield "x5c", by_hand({**forged, "x5c": [encoded(b"certificate")]}, claims, own)
    yield "crit", by_hand({**forged, "crit": ["exp"]}, claims, mint.key)
    yield "b64", by_hand({**forged, "b64": False, "crit": ["b64"]}, claims, mint.key)
    yield "zip", by_hand({**forged, "zip": "DEF"}, claims, mint.key)
    for kid in ("", "../../../../dev/null", "' OR 1=1 --", "a" * 10_000, "\x00", VISITOR_KID, "unknown"):
        yield f"kid {kid[:20]!r}", by_hand({"alg": "RS256", "kid": kid}, claims, own)
    yield "kid of another kind", by_hand({"alg": "RS256", "kid": {"$ne": 1}}, claims, own)
    elliptic = ECKey.generate_key("P-256", private=True)
    yield "ES256 by another key", jwt.encode({"alg": "ES256", "kid": KID}, claims, elliptic)
    visitor = claims | {"iss": VISITORS, "aud": VISITOR_AUDIENCE}
    yield (
        "a visitor's token by another key",
        jwt.encode({"alg": "ES256", "kid": VISITOR_KID}, visitor, elliptic),
    )
    yield "a visitor's token by the issuer", mint.signed(visitor)
    yield "no signature", f"{encoded(forged)}.{encoded(claims)}."
    yield "zeros for a signature", f"{encoded(forged)}.{encoded(claims)}.{encoded(bytes(256))}"

    changed: dict[str, dict[str, Any]] = {
        "expired": {"exp": now - 1},
        "expired long ago": {"exp": 0},
        "expired before the epoch": {"exp": -1},
        "no expiry": {"exp": None},
        "expiry as text": {"exp": str(now + 600)},
        "expiry true": {"exp": True},
        "not yet": {"nbf": now + 600},
        "not yet, as text": {"nbf": "0"},
        "other audience": {"aud": "other"},
        "audience like ours": {"aud": "trunkline "},
        "audience in capitals": {"aud": "TRUNKLINE"},
        "no audience": {"aud": None},
        "audiences": {"aud": ["a", "b"]},
        "refresh token": {"aud": f"{mint.issuer}#refresh"},
        "code": {"aud": f"{mint.issuer}#code"},
        "other issuer": {"iss": "https://evil.example"},
        "no issuer": {"iss": None},
        "issuers": {"iss": [mint.issuer]},
        "issuer with a slash": {"iss": f"{mint.issuer}/"},
        "no tenant": {"tenant": None},
        "empty tenant": {"tenant": ""},
        "tenants": {"tenant": [tenant]},
        "tenant of another kind": {"tenant": {"$ne": ""}},
        "tenant with a slash": {"tenant": f"{tenant}/x"},
        "tenant with a line": {"tenant": f"{tenant}\n"},
        "long tenant": {"tenant": "t" * 129},
        "no subject": {"sub": None},
        "subject of another kind": {"sub": {"$gt": ""}},
        "roles as text": {"roles": "admin"},
        "no roles": {"roles": None},
        "roles by name": {"roles": {"admin": True}},
        "pool with a slash": {"pool": "a/b"},
        "agent of another kind": {"agent_id": ["x"]},
    }
    for name, changes in changed.items():
        yield name, mint.token(tenant, "eve", *EVERYTHING, **changes)

    good = mint.signed(claims)
    head, body, signature = good.split(".")
    yield "truncated", good[:-10]
    yield "two parts", f"{head}.{body}"
    yield "four parts", f"{good}.x"
    yield "other claims under the signature", f"{head}.{encoded(claims | {'tenant': 'acme'})}.{signature}"
    yield "claims that are no object", f"{head}.{encoded([1])}.{signature}"
    yield "claims that are no JSON", f"{head}.{encoded(b'{')}.{signature}"
    yield "huge", mint.signed(claims | {"more": "x" * 7000})
    yield "no token at all", "x"


def by_hand(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    """Sign with a header that libraries would refuse to write."""
    from cryptography.hazmat.primitives.asymmetric import padding

    signed = f"{encoded(header)}.{encoded(claims)}"
    private: Any = key.private_key
    return f"{signed}.{encoded(private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def protected(target: Target) -> list[Route]:
    return [route for route in target.routes if route.name not in permissions.PUBLIC]


async def test_no_forged_token_opens_a_route(target: Target) -> None:
    tokens = list(forgeries(target.mint, target.mine.tenant, target.stack.env["TRUNKLINE_SERVICE_SECRET"]))

    async def opened(name: str, token: str, route: Route) -> str | None:
        request = request_of(route, target.mine.ids)
        headers = {"authorization": f"Bearer {token}"} | request.sent["headers"]
        answer = await client.request(**(request.sent | {"headers": headers}))
        good = answer.status_code == 401 and answer.json()["code"] in ("token_invalid", "token_expired")
        return None if good else f"{name} at {route}: {answer.status_code} {answer.text[:200]}"

    routes = protected(target)
    # All tokens at two routes (one of each kind of door), and all routes with every seventh token.
    some = [route for route in routes if route.name in ("get_me", "ingest_events")]
    pairs = [(*each, route) for each in tokens for route in some]
    pairs += [(*each, route) for place, route in enumerate(routes) for each in tokens[place % 7 :: 7]]
    async with target.client() as client:
        found = await gathered(opened(*pair) for pair in pairs)

    nothing_in(found)


SCHEMES: list[tuple[str, Callable[[str], dict[str, str]]]] = [
    ("no header", lambda token: {}),
    ("no scheme", lambda token: {"authorization": token}),
    ("basic", lambda token: {"authorization": f"Basic {token}"}),
    ("empty bearer", lambda token: {"authorization": "Bearer"}),
    ("another header", lambda token: {"x-authorization": f"Bearer {token}", "x-access-token": token}),
    ("a cookie", lambda token: {"cookie": f"access_token={token}"}),
    ("two of them", lambda token: {"authorization": f"Bearer x, Bearer {token}"}),
    ("who I say I am", lambda token: {"x-tenant": "demo", "x-user": "admin1", "x-forwarded-user": "admin1"}),
]


async def test_a_good_token_counts_in_the_authorization_header_only(target: Target) -> None:
    token = target.token(*EVERYTHING)

    async def opened(name: str, headers: dict[str, str], route: Route) -> str | None:
        request = request_of(route, target.mine.ids)
        url = httpx.URL(request.url).copy_merge_params({"access_token": token})
        sent = request.sent | {"url": url, "headers": headers | request.sent["headers"]}
        answer = await client.request(**sent)
        return None if answer.status_code == 401 else f"{name} at {route}: {answer.status_code}"

    async with target.client() as client:
        found = await gathered(
            opened(name, headers(token), route) for name, headers in SCHEMES for route in protected(target)
        )

    nothing_in(found)


async def test_no_forged_token_opens_a_socket(target: Target) -> None:
    tokens = list(forgeries(target.mint, target.mine.tenant, target.stack.env["TRUNKLINE_SERVICE_SECRET"]))

    async def opened(name: str, token: str, path: str, way: int) -> str | None:
        url = target.socket_url + path.replace("{interaction_id}", target.mine.ids["interaction_id"])
        how: dict[str, Any] = {"proxy": None, "open_timeout": 20}
        if way == 0:
            how["additional_headers"] = {"authorization": f"Bearer {token}"}
        elif way == 1:
            how["subprotocols"] = ["bearer", token]
        else:
            url += f"?access_token={token}"
        try:
            async with websockets.connect(url, **how):
                return f"{name} at {path}, way {way}"
        except websockets.InvalidStatus as refused:
            status = refused.response.status_code
            return None if status in (401, 431) else f"{name} at {path}, way {way}: {status}"

    sound = [(name, token) for name, token in tokens if len(token) < 7000]
    found = await gathered(
        opened(name, token, path, (place + turn) % 3)
        for turn, path in enumerate(sockets().values())
        for place, (name, token) in enumerate(sound)
    )

    nothing_in(found)


def service_forgeries(target: Target) -> Iterator[tuple[str, str | None]]:
    """Yield name and metadata of calls by somebody who does not have the secret, or had a token once."""
    claims = {
        "iss": "gateway", "aud": SERVICES, "tenant": target.mine.tenant, "sub": "eve",
        "roles": [SERVICE_ROLE, *EVERYTHING], "exp": int(time.time()) + 60,
    }  # fmt: skip
    secret = OctKey.import_key(target.stack.env["TRUNKLINE_SERVICE_SECRET"])

    def signed(**changes: Any) -> str:
        changed = {name: value for name, value in (claims | changes).items() if value is not None}
        return f"Bearer {jwt.encode({'alg': 'HS256'}, changed, secret)}"

    yield "nothing", None
    yield "empty", ""
    yield "no scheme", signed()[len("Bearer ") :]
    yield "basic", f"Basic {signed()}"
    yield "another secret", f"Bearer {target.service_token(*EVERYTHING, secret='s' * 40)}"
    yield "a person's token", f"Bearer {target.token(*EVERYTHING)}"
    yield "expired", signed(exp=int(time.time()) - 60)
    old = Signer(
        target.stack.env["TRUNKLINE_SERVICE_SECRET"], "gateway", lambda: clock.now().replace(year=2020)
    )
    yield "old", f"Bearer {old.token(Caller(target.mine.tenant, 'eve', frozenset(EVERYTHING)))}"
    yield "another audience", signed(aud="trunkline")
    for name in ("tenant", "sub", "roles", "exp", "aud", "iss"):
        yield f"no {name}", signed(**{name: None})
    yield "alg none", f"Bearer {encoded({'alg': 'none'})}.{encoded(claims)}."
    good = signed()
    header, _, signature = good.split(".")
    other = encoded(claims | {"tenant": target.theirs.tenant})
    yield "another tenant under the signature", f"{header}.{other}.{signature}"
    yield "truncated", good[:-4]


async def test_no_rpc_answers_without_the_services_secret(target: Target) -> None:
    channels = {rpc.address: grpc.aio.insecure_channel(rpc.address) for rpc in target.rpcs}

    async def opened(rpc: Rpc, name: str, authorization: str | None) -> str | None:
        metadata = () if authorization is None else (("authorization", authorization),)
        requests = list(messages_of(rpc, target.mine.ids))[:1]
        try:
            await rpc.call(channels[rpc.address], requests, metadata=metadata, timeout=5)
        except grpc.aio.AioRpcError as error:
            is_refused = error.code() is grpc.StatusCode.UNAUTHENTICATED
            return None if is_refused else f"{name}: {rpc.name} {error.code()}"
        return f"{name}: {rpc.name} answers"

    try:
        found = await gathered(
            opened(rpc, *each) for rpc in target.rpcs for each in service_forgeries(target)
        )
    finally:
        for channel in channels.values():
            await channel.close()

    nothing_in(found)
