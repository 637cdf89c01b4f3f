"""Tokens of every kind, good and bad, made with the keys that the stack under attack really uses."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from gateway.auth import ROLES
from gateway.oidc import KID, load_key
from tests.stack import Stack

AUDIENCE = "trunkline"
LIFETIME_S = 3600


@dataclass(frozen=True)
class Mint:
    """Signs as the development issuer of one stack does."""

    issuer: str
    key: RSAKey

    @classmethod
    def of(cls, stack: Stack) -> "Mint":
        return cls(f"{stack.gateway_url}/oidc", load_key(Path(stack.env["TRUNKLINE_DATA_DIR"])))

    def claims(self, tenant: str, subject: str, /, *roles: str, **changes: Any) -> dict[str, Any]:
        """Return good claims, changed; a change to None leaves a claim out."""
        now = int(time.time())
        good: dict[str, Any] = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "tenant": tenant,
            "sub": subject,
            "roles": list(roles),
            "iat": now,
            "exp": now + LIFETIME_S,
        }
        return {name: value for name, value in (good | changes).items() if value is not None}

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode({"alg": "RS256", "kid": KID, **header}, claims, self.key)

    def token(self, tenant: str, subject: str, /, *roles: str, **changes: Any) -> str:
        return self.signed(self.claims(tenant, subject, *roles, **changes))


NOBODY = "nobody"
EVERY_ROLE = (*sorted(ROLES), NOBODY)
