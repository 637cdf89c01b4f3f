"""On whose behalf a call is made, and the signed token that carries it from service to service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from libs.errors import Forbidden, Unauthenticated

AUDIENCE = "trunkline-services"
SERVICE_ROLE = "service"  # of services that act for themselves, such as a timer
LIFETIME_S = 90
REUSED_S = 30  # a signed token is used again this long, so that signing costs nothing on a busy path
LEEWAY_S = 15  # the clocks of two machines may differ this much
REMEMBERED = 10_000
SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, in which tenant. Taken from a verified token only."""

    tenant: str
    subject: str  # a person, or service:<name>
    roles: frozenset[str] = frozenset()

    def require(self, *roles: str) -> None:
        """Raise Forbidden unless the caller has one of `roles`."""
        if self.roles.isdisjoint(roles):
            raise Forbidden("role_missing", f"this takes one of the roles {', '.join(roles)}")


_caller: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Return who asked for what runs now."""
    try:
        return _caller.get()
    except LookupError:
        raise Unauthenticated("no_caller", "nobody asked for this call") from None


@contextmanager
def acting_for(someone: Caller) -> Iterator[None]:
    """Make the calls within on behalf of `someone`."""
    before = _caller.set(someone)
    try:
        yield
    finally:
        _caller.reset(before)


def admit(someone: Caller) -> None:
    """Let the rest of the present task run on behalf of `someone`."""
    _caller.set(someone)


class Signer:
    """Signs tokens of one service."""

    def __init__(self, secret: str, service: str, now: Callable[[], datetime]) -> None:
        self._key = key_of(secret)
        self._service = service
        self._now = now
        self._signed: dict[Caller, tuple[str, float]] = {}

    def token(self, someone: Caller) -> str:
        """Return a token that says: this service asks on behalf of `someone`."""
        now = self._now().timestamp()
        token, reused_until = self._signed.get(someone, ("", 0.0))
        if now < reused_until:
            return token
        claims = {
            "iss": self._service,
            "aud": AUDIENCE,
            "tenant": someone.tenant,
            "sub": someone.subject,
            "roles": sorted(someone.roles),
            "exp": int(now) + LIFETIME_S,
        }
        token = jwt.encode({"alg": "HS256"}, claims, self._key)
        if len(self._signed) >= REMEMBERED:
            self._signed.clear()
        self._signed[someone] = token, now + REUSED_S
        return token


class Verifier:
    """Tells good tokens from bad ones; a token seen before is not computed again."""

    def __init__(self, secret: str, now: Callable[[], datetime]) -> None:
        self._key = key_of(secret)
        self._now = now
        self._verified: dict[str, tuple[Caller, float]] = {}

    def caller(self, token: str) -> Caller:
        """Return whom the token speaks for. Raise Unauthenticated if it is forged, foreign or too old."""
        someone, good_until = self._verified.get(token) or self._verify(token)
        if self._now().timestamp() >= good_until:
            self._verified.pop(token, None)
            raise Unauthenticated("token_expired", "the caller's token has expired")
        return someone

    def _verify(self, token: str) -> tuple[Caller, float]:
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"]).claims
            if claims["aud"] != AUDIENCE or not (claims["tenant"] and claims["sub"] and claims["iss"]):
                raise Unauthenticated("token_foreign", "the caller's token is meant for something else")
            someone = Caller(str(claims["tenant"]), str(claims["sub"]), frozenset(map(str, claims["roles"])))
            good_until = float(claims["exp"]) + LEEWAY_S
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated("token_invalid", "the caller's token is not one of ours") from error
        if len(self._verified) >= REMEMBERED:
            self._verified.clear()
        self._verified[token] = someone, good_until
        return someone, good_until


def key_of(secret: str) -> OctKey:
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"the service secret must have {SHORTEST_SECRET} characters or more")
    return OctKey.import_key(secret)
