"""The keys that tokens are signed with: the issuer's, fetched and cached, and our own for visitors."""

import asyncio
import logging
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from gateway.auth import Issuer, Key
from libs.clock import Now
from libs.errors import Unavailable

log = logging.getLogger(__name__)

FRESH_S = 600
ASK_AGAIN_S = 30  # at most so often for a kid nobody knows, else strangers make us ask
MOST_KEYS = 50
LARGEST_ANSWER = 256 * 1024
VISITORS = "urn:trunkline:visitors"
VISITOR_AUDIENCE = "trunkline-chat"
VISITOR_KID = "visitors-1"
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class RemoteKeys:
    """The key set of an OpenID provider, by its address or by the issuer's discovery document."""

    def __init__(self, client: httpx.AsyncClient, issuer: str, jwks_url: str, now: Now) -> None:
        self._client = client
        self._issuer = issuer
        self._url = jwks_url
        self._now = now
        self._keys: dict[str, Key] = {}
        self._asked_at = self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def __call__(self, kid: str) -> Key | None:
        """Return the key of that id. :raises Unavailable: the issuer has never answered."""
        now = self._now().timestamp()
        wants = now - self._fetched_at > FRESH_S or self._find(kid) is None
        # Without any key one waits for whoever is asking; with some, one goes on with these.
        if wants and (now - self._asked_at > ASK_AGAIN_S or not self._keys):
            async with self._lock:
                if now - self._asked_at > ASK_AGAIN_S:
                    self._asked_at = now
                    await self._fetch(now)
        if not self._keys:
            raise Unavailable(
                "issuer_unreachable", "the token issuer's keys cannot be fetched", retry_after_s=5
            )
        return self._find(kid)

    def _find(self, kid: str) -> Key | None:
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _fetch(self, now: float) -> None:
        try:
            if not self._url:
                found = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                self._url = str(found["jwks_uri"])
            keys = usable((await self._get(self._url)).get("keys"))
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("keys not fetched", extra={"issuer": self._issuer, "error": type(error).__name__})
            return
        if keys:
            self._keys, self._fetched_at = keys, now

    async def _get(self, url: str) -> dict[str, Any]:
        answer = await self._client.get(url, timeout=5)
        answer.raise_for_status()
        if len(answer.content) > LARGEST_ANSWER:
            raise ValueError("larger than a key set can be")
        document = answer.json()
        if not isinstance(document, dict):
            raise TypeError("not an object")
        return document


def usable(rows: object) -> dict[str, Key]:
    """Return the signing keys of a key set that we can use; the rest of it is ignored."""
    keys: dict[str, Key] = {}
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or row.get("use", "sig") != "sig" or row.get("kty") not in ("RSA", "EC"):
            continue
        try:
            key = import_key(row)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey | ECKey) and len(keys) < MOST_KEYS:
            keys[str(row.get("kid", ""))] = key
    return keys


class VisitorTokens:
    """
    Gives strangers who open a chat a token of their own, and vouches for it.

    Its key follows from the secret that all processes of an installation share, so every replica
    accepts what another one has issued.
    """

    def __init__(self, secret: str, lifetime_s: int, now: Now) -> None:
        seed = HKDF(SHA256(), 48, salt=None, info=b"trunkline visitor tokens").derive(secret.encode())
        private = ec.derive_private_key(int.from_bytes(seed, "big") % (_P256_ORDER - 1) + 1, ec.SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._key = ECKey.import_key(pem, {"kid": VISITOR_KID, "use": "sig", "alg": "ES256"})
        self.lifetime_s = lifetime_s
        self._now = now
        self.issuer = Issuer(VISITORS, VISITOR_AUDIENCE, self._find, frozenset({"customer"}))

    async def _find(self, kid: str) -> Key | None:
        return self._key if kid == VISITOR_KID else None

    def issue(self, tenant: str, visitor_id: str) -> str:
        """Return a token that makes its bearer this visitor, and nobody else."""
        now = int(self._now().timestamp())
        claims = {
            "iss": VISITORS,
            "aud": VISITOR_AUDIENCE,
            "tenant": tenant,
            "sub": visitor_id,
            "roles": ["customer"],
            "iat": now,
            "exp": now + self.lifetime_s,
        }
        return jwt.encode({"alg": "ES256", "kid": VISITOR_KID}, claims, self._key)
