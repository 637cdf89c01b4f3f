"""Tokens between services: who may be believed, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt

from libs.errors import Forbidden, Unauthenticated
from libs.rpc_caller import AUDIENCE, LEEWAY_S, LIFETIME_S, REUSED_S, Caller, Signer, Verifier, caller, key_of

SECRET = "a secret that only these tests know"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANA = Caller("acme", "ana", frozenset({"agent"}))
GOOD = {
    "iss": "gateway",
    "aud": AUDIENCE,
    "tenant": "acme",
    "sub": "ana",
    "roles": ["agent"],
    "exp": NOON.timestamp() + 60,
}


class Clock:
    """A clock that stands still until moved."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


def signed(**changed: object) -> str:
    claims = {key: value for key, value in {**GOOD, **changed}.items() if value is not None}
    return jwt.encode({"alg": "HS256"}, claims, key_of(SECRET))


def test_believes_what_a_service_with_the_same_secret_says() -> None:
    token = Signer(SECRET, "gateway", Clock()).token(ANA)

    assert Verifier(SECRET, Clock()).caller(token) == ANA


def test_signs_again_only_when_a_token_grows_old() -> None:
    clock = Clock()
    signer = Signer(SECRET, "gateway", clock)

    first = signer.token(ANA)
    clock.time += timedelta(seconds=REUSED_S - 1)
    reused = signer.token(ANA)
    clock.time += timedelta(seconds=1)
    renewed = signer.token(ANA)

    assert first == reused != renewed


def test_signs_each_caller_apart() -> None:
    signer = Signer(SECRET, "gateway", Clock())
    verifier = Verifier(SECRET, Clock())
    callers = [ANA, Caller("other", "ana", ANA.roles), Caller("acme", "ana"), Caller("acme", "bo", ANA.roles)]

    assert [verifier.caller(signer.token(each)) for each in callers] == callers


@pytest.mark.parametrize("seen_before", [False, True])
def test_believes_no_token_past_its_time(seen_before: bool) -> None:
    clock = Clock()
    verifier = Verifier(SECRET, clock)
    token = Signer(SECRET, "gateway", clock).token(ANA)
    if seen_before:
        verifier.caller(token)

    clock.time += timedelta(seconds=LIFETIME_S + LEEWAY_S)

    with pytest.raises(Unauthenticated) as raised:
        verifier.caller(token)
    assert raised.value.reason == "token_expired"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        signed(aud="somewhere else"),
        signed(aud=None),
        signed(tenant=""),
        signed(tenant=None),
        signed(sub=None),
        signed(iss=None),
        signed(roles=None),
        signed(roles=7),
        signed(exp=None),
        signed(exp="tomorrow"),
        signed()[:-2],
        jwt.encode({"alg": "HS256"}, GOOD, key_of("another secret, which is as long as it")),
        "eyJhbGciOiJub25lIn0." + signed().split(".")[1] + ".",
    ],
)
def test_believes_nothing_else(token: str) -> None:
    with pytest.raises(Unauthenticated):
        Verifier(SECRET, Clock()).caller(token)


def test_believes_the_good_token_that_the_bad_ones_are_made_from() -> None:
    assert Verifier(SECRET, Clock()).caller(signed()) == ANA


def test_wants_a_secret_that_cannot_be_guessed() -> None:
    with pytest.raises(ValueError, match="32 characters"):
        Verifier("", Clock())


def test_knows_no_caller_outside_a_call() -> None:
    with pytest.raises(Unauthenticated):
        caller()


def test_asks_for_one_of_the_roles() -> None:
    ANA.require("supervisor", "agent")

    with pytest.raises(Forbidden, match="supervisor"):
        ANA.require("supervisor", "qa")
