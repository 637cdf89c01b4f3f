"""Who is asking: JSON Web Tokens checked against the keys of the issuers we trust."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64decode

from libs.clock import Now
from libs.errors import Unauthenticated
from libs.rpc_client import Caller

ALGORITHMS: Mapping[str, type[RSAKey] | type[ECKey]] = {"RS256": RSAKey, "ES256": ECKey}
ROLES = frozenset({"agent", "supervisor", "qa", "manager", "admin", "analyst", "adapter", "customer"})
DEFAULT_POOL = "main"
LONGEST_TOKEN = 8192
LEEWAY_S = 10
REMEMBERED = 20_000
# A token that brings or names its own keys wants them used; ours come from the issuer only.
REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "enc", "zip", "b64"})
_NAME = re.compile(r"[A-Za-z0-9._:@+=~-]{1,128}")

Key = RSAKey | ECKey
FindKey = Callable[[str], Awaitable[Key | None]]  # by kid


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or a machine with a verified token; every field comes from that token."""

    tenant: str
    subject: str
    roles: frozenset[str]
    agent_id: str
    pool_id: str
    expires_at: float
    caller: Caller

    @property
    def who(self) -> str:
        return f"{self.tenant}/{self.subject}"


@dataclass(frozen=True, slots=True)
class Issuer:
    """Somebody whose tokens count: his name, whom his tokens must be meant for, which roles he may grant."""

    name: str
    audience: str
    key: FindKey
    grants: frozenset[str] = ROLES


class Verifier:
    """Tells good tokens from bad ones; a token verified before is only looked up, until it expires."""

    def __init__(self, issuers: Sequence[Issuer], now: Now) -> None:
        self._issuers = {issuer.name: issuer for issuer in issuers}
        self._now = now
        self._verified: OrderedDict[bytes, Principal] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """Return whom the token speaks for. :raises Unauthenticated: it is not good, and why."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        principal = self._verified.get(digest)
        if principal is None:
            principal = await self._verify(token)
            self._verified[digest] = principal
            if len(self._verified) > REMEMBERED:
                self._verified.popitem(last=False)
        elif principal.expires_at <= self._now().timestamp():
            del self._verified[digest]
            raise Unauthenticated("token_expired", "the token has expired")
        return principal

    async def _verify(self, token: str) -> Principal:
        if len(token) > LONGEST_TOKEN or token.count(".") != 2:
            raise _invalid("it is no signed token")
        header, claims = _part(token, 0), _part(token, 1)
        algorithm, kid = header.get("alg"), header.get("kid", "")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise _invalid("its algorithm is none of RS256, ES256")
        if REFUSED_HEADERS & header.keys() or not isinstance(kid, str) or len(kid) > 128:
            raise _invalid("its header asks for something we do not do")
        issuer = self._issuers.get(str(claims.get("iss")))
        if issuer is None:
            raise _invalid("its issuer is not trusted")
        key = await issuer.key(kid)
        if key is None or not isinstance(key, ALGORITHMS[algorithm]):
            raise _invalid("its key is not one of the issuer's")
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError) as error:
            raise _invalid("its signature is not right") from error
        return _principal(claims, issuer, self._now().timestamp())


def _principal(claims: Mapping[str, Any], issuer: Issuer, now: float) -> Principal:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != issuer.name or issuer.audience not in audiences:
        raise _invalid("it is meant for somebody else")
    expires_at, not_before = claims.get("exp"), claims.get("nbf", 0)
    if not _is_number(expires_at) or not _is_number(not_before):
        raise _invalid("it does not say how long it is good")
    if float(expires_at or 0) <= now:
        raise Unauthenticated("token_expired", "the token has expired")
    if float(not_before) > now + LEEWAY_S:
        raise _invalid("it is not good yet")
    tenant, subject, roles = claims.get("tenant"), claims.get("sub"), claims.get("roles")
    agent_id, pool_id = claims.get("agent_id") or subject, claims.get("pool") or DEFAULT_POOL
    names = [each for each in (tenant, subject, agent_id, pool_id) if isinstance(each, str)]
    if len(names) != 4 or not all(_NAME.fullmatch(name) for name in names):
        raise _invalid("its tenant, subject, agent or pool is no name")
    if not isinstance(roles, list):
        raise _invalid("it names no roles")
    granted = frozenset(role for role in roles if isinstance(role, str)) & issuer.grants
    caller = Caller(names[0], names[1], granted)
    return Principal(names[0], names[1], granted, names[2], names[3], float(expires_at or 0), caller)


def bearer(authorization: str) -> str:
    """Return the token of an Authorization header. :raises Unauthenticated: there is none."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("token_missing", "an Authorization header with a bearer token is needed")
    return token.strip()


def _part(token: str, place: int) -> dict[str, Any]:
    try:
        part = orjson.loads(urlsafe_b64decode(token.split(".")[place].encode()))
    except (ValueError, TypeError) as error:
        raise _invalid("it cannot be read") from error
    if not isinstance(part, dict):
        raise _invalid("it cannot be read")
    return part


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _invalid(why: str) -> Unauthenticated:
    return Unauthenticated("token_invalid", f"the token is not accepted: {why}")
