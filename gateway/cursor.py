"""Cursors of lists: a service's page token, sealed so that only the list it came from takes it back."""

import base64
import binascii
import hashlib
import hmac

from libs.errors import Invalid, Violation

_SEAL = 12


class Cursors:
    """Seals and opens cursors; all replicas of an installation share the secret."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(f"cursor/{secret}".encode()).digest()

    def seal(self, token: str, scope: str) -> str:
        """Return the cursor of a page token in a list; `scope` names the list, its tenant and filters."""
        if not token:
            return ""
        raw = token.encode()
        return base64.urlsafe_b64encode(self._mac(raw, scope) + raw).decode().rstrip("=")

    def open(self, cursor: str, scope: str) -> str:
        """Return the page token. :raises Invalid: the cursor is not one of this list."""
        if not cursor:
            return ""
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            seal, token = raw[:_SEAL], raw[_SEAL:]
            if len(raw) > _SEAL and hmac.compare_digest(seal, self._mac(token, scope)):
                return token.decode()
        except (binascii.Error, ValueError):
            pass
        raise Invalid(Violation("cursor", "is no cursor of this list", "bad_cursor"))

    def _mac(self, raw: bytes, scope: str) -> bytes:
        return hmac.new(self._key, scope.encode() + b"\0" + raw, hashlib.sha256).digest()[:_SEAL]
