"""Tokens: the good one, and every way to fake one."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from gateway.auth import Verifier, bearer
from gateway.keys import VISITORS, VisitorTokens, usable
from gateway.tests.making import (
    AUDIENCE,
    ISSUER,
    KEY,
    NOON,
    OTHER_KEY,
    Clock,
    claims,
    issuer,
    token,
)
from libs.errors import Unauthenticated

SECRET = "a secret of the installation, long enough"


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def hs256(secret: bytes, header: dict[str, Any] | None = None) -> str:
    body = f"{part({'alg': 'HS256', 'kid': 'k1', **(header or {})})}.{part(claims())}"
    mac = hmac.new(secret, body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def verifier(clock: Clock | None = None) -> Verifier:
    now = clock or Clock()
    return Verifier((issuer(), VisitorTokens(SECRET, 600, now).issuer), now)


async def test_it_says_whom_a_good_token_speaks_for() -> None:
    found = await verifier().verify(token(agent_id="agent7", pool="north"))

    assert (found.tenant, found.subject, found.roles) == ("demo", "ana", frozenset({"agent"}))
    assert (found.agent_id, found.pool_id) == ("agent7", "north")


NOW = int(NOON.timestamp())
BAD = {
    "nothing": "",
    "no token": "abc",
    "garbage in three parts": "a.b.c",
    "not JSON": "e30x.e30.x",
    "an array as header": f"{base64.urlsafe_b64encode(b'[]').decode()}.{part(claims())}.x",
    "far too long": "a" * 9000 + ".b.c",
    "without signature": f"{part({'alg': 'none'})}.{part(claims())}.",
    "alg None in capitals": f"{part({'alg': 'None', 'kid': 'k1'})}.{part(claims())}.",
    "alg as a list": f"{part({'alg': ['RS256'], 'kid': 'k1'})}.{part(claims())}.x",
    "signed with the public key as a secret": hs256(KEY.as_pem(private=False)),
    "signed with the public key in DER": hs256(KEY.as_der(private=False)),
    "signed with an empty secret": hs256(b""),
    "of a key of somebody else": token(key=OTHER_KEY),
    "of an unknown key": token({"kid": "k2"}),
    "with a path as kid": token({"kid": "../../etc/passwd"}),
    "with a kid that is no text": f"{part({'alg': 'RS256', 'kid': 7})}.{part(claims())}.x",
    "with keys of its own": token({"jwk": OTHER_KEY.as_dict(private=False)}, OTHER_KEY),
    "with an address of keys": token({"jku": "https://evil.example/jwks"}),
    "with a certificate's address": token({"x5u": "https://evil.example/cert"}),
    "altered": token()[:-6] + "AAAAAA",
    "expired": token(exp=NOW - 1),
    "expiring now": token(exp=NOW),
    "without expiry": token(exp=None),
    "with an expiry that is no number": token(exp="tomorrow"),
    "with true as expiry": token(exp=True),
    "not good yet": token(nbf=NOW + 3600),
    "of another issuer": token(iss="https://evil.example"),
    "without issuer": token(iss=None),
    "of an issuer that is a list": token(iss=[ISSUER]),
    "for another audience": token(aud="somebody-else"),
    "without audience": token(aud=None),
    "without tenant": token(tenant=None),
    "with a slash in its tenant": token(tenant="demo/../acme"),
    "with an object as tenant": token(tenant={"$ne": ""}),
    "without subject": token(sub=None),
    "with a line break in its subject": token(sub="ana\nadmin"),
    "with a text as roles": token(roles="admin"),
    "of staff in a visitor's name": token(iss=VISITORS),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_it_refuses_a_token(bad: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier().verify(bad)


async def test_it_refuses_a_key_of_the_wrong_kind_for_the_algorithm() -> None:
    elliptic = ECKey.generate_key("P-256", {"kid": "k1"}, private=True)
    fake = jwt.encode({"alg": "ES256", "kid": "k1"}, claims(), elliptic)

    with pytest.raises(Unauthenticated):
        await verifier().verify(fake)


async def test_it_grants_no_role_that_people_cannot_have() -> None:
    found = await verifier().verify(token(roles=["service", "agent", "root", 7]))

    assert found.roles == {"agent"}


async def test_it_takes_an_audience_among_others() -> None:
    found = await verifier().verify(token(aud=["else", AUDIENCE]))

    assert found.subject == "ana"


async def test_it_refuses_a_remembered_token_once_it_has_expired() -> None:
    clock = Clock()
    checked = verifier(clock)
    await checked.verify(token())

    clock.pass_s(601)

    with pytest.raises(Unauthenticated, match="expired"):
        await checked.verify(token())


async def test_it_lets_a_visitor_be_a_customer_only() -> None:
    clock = Clock()
    visitors = VisitorTokens(SECRET, 600, clock)

    found = await verifier(clock).verify(visitors.issue("demo", "v-1"))

    assert (found.tenant, found.subject, found.roles) == ("demo", "v-1", frozenset({"customer"}))


async def test_it_takes_visitors_of_another_replica_and_none_of_another_installation() -> None:
    clock = Clock()
    checked = verifier(clock)

    assert (await checked.verify(VisitorTokens(SECRET, 600, clock).issue("demo", "v-1"))).subject == "v-1"
    with pytest.raises(Unauthenticated):
        await checked.verify(VisitorTokens(SECRET + "!", 600, clock).issue("demo", "v-1"))


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer  ", "Basic YTpi", "token"])
def test_it_wants_a_bearer_token(header: str) -> None:
    with pytest.raises(Unauthenticated):
        bearer(header)


def test_it_uses_only_signing_keys_it_understands() -> None:
    good = KEY.as_dict(private=False)
    rows = [
        good,
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {"kty": "RSA", "kid": "broken"},
        {**good, "kid": "for encryption", "use": "enc"},
        "no key",
    ]

    assert set(usable(rows)) == {"k1"}
