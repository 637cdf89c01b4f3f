"""What the gateway's tests are made of: a fixed noon, principals, keys and tokens."""

from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.auth import Issuer, Key, Principal
from libs.events.base import AnyEvent, Event, Fact
from libs.rpc_client import Caller

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ISSUER, AUDIENCE = "https://issuer.example", "trunkline"
KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, private=True)
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, private=True)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def pass_s(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def principal(*roles: str, tenant: str = "demo", subject: str = "ana") -> Principal:
    granted = frozenset(roles)
    caller = Caller(tenant, subject, granted)
    return Principal(tenant, subject, granted, subject, "main", 2e9, caller)


def claims(**changes: Any) -> dict[str, Any]:
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ana",
        "tenant": "demo",
        "roles": ["agent"],
        "exp": int(NOON.timestamp()) + 600,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(header: dict[str, Any] | None = None, key: RSAKey = KEY, **changes: Any) -> str:
    return jwt.encode({"alg": "RS256", "kid": "k1", **(header or {})}, claims(**changes), key)


async def find(kid: str) -> Key | None:
    return KEY if kid == "k1" else None


def issuer() -> Issuer:
    return Issuer(ISSUER, AUDIENCE, find)


def event(data: Fact, *, number: int = 1, tenant: str = "demo", seconds: float = 0) -> AnyEvent:
    return Event(f"e-{number}", tenant, NOON + timedelta(seconds=seconds), data, "jo-1")
