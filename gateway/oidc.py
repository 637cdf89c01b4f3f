"""The development issuer: an OpenID provider for one's own machine, never started in production."""

import base64
import hashlib
import hmac
import html
import os
import re
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.auth import Issuer, Key
from gateway.demo_users import USERS, User
from libs.clock import Now

KID = "development-1"
CODE_S, REFRESH_S = 60, 24 * 3600
REMEMBERED_CODES = 1000
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})
GRANTS = ("password", "client_credentials", "refresh_token", "authorization_code")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class DevelopmentIssuer:
    """Logs the demo users in and signs their tokens with a key kept in the data directory."""

    def __init__(self, name: str, audience: str, key: RSAKey, lifetime_s: int, now: Now) -> None:
        self.name = name
        self.issuer = Issuer(name, audience, self._find)
        self._audience = audience
        self._key = key
        self._lifetime_s = lifetime_s
        self._now = now
        self._used_codes: OrderedDict[str, None] = OrderedDict()

    async def _find(self, kid: str) -> Key | None:
        return self._key if kid == KID else None

    def routes(self) -> list[Route]:
        return [
            Route("/oidc/.well-known/openid-configuration", self.configuration, name="oidc_configuration"),
            Route("/oidc/jwks", self.jwks, name="oidc_jwks"),
            Route("/oidc/token", self.token, methods=["POST"], name="oidc_token"),
            Route("/oidc/authorize", self.authorize, methods=["GET"], name="oidc_authorize"),
            Route("/oidc/authorize", self.log_in, methods=["POST"], name="oidc_log_in"),
        ]

    async def configuration(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.name,
                "authorization_endpoint": f"{self.name}/authorize",
                "token_endpoint": f"{self.name}/token",
                "jwks_uri": f"{self.name}/jwks",
                "grant_types_supported": GRANTS,
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": [
                    "none",
                    "client_secret_post",
                    "client_secret_basic",
                ],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid"],
            }
        )

    async def jwks(self, request: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    async def token(self, request: Request) -> Response:
        form = await _form(request)
        client = _basic(request.headers.get("authorization", ""))
        match form.get("grant_type"):
            case "password":
                user = log_in(form.get("username", ""), form.get("password", ""))
            case "client_credentials":
                name, secret = client or (form.get("client_id", ""), form.get("client_secret", ""))
                user = log_in(name, secret)
            case "refresh_token":
                user = self._redeem(form.get("refresh_token", ""), "refresh")
            case "authorization_code":
                user = self._redeem_code(form)
            case _:
                return _oauth_error("unsupported_grant_type")
        if user is None:
            return _oauth_error("invalid_grant")
        access = self.sign(user)
        answer = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self._lifetime_s,
            "refresh_token": self._sign(user, f"{self.name}#refresh", REFRESH_S),
            "id_token": access,
        }
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    def sign(self, user: User) -> str:
        """Return an access token of a user."""
        return self._sign(user, self._audience, self._lifetime_s)

    def _sign(self, user: User, audience: str, lifetime_s: int, **more: str) -> str:
        now = int(self._now().timestamp())
        claims = user.claims() | {
            "iss": self.name,
            "aud": audience,
            "iat": now,
            "exp": now + lifetime_s,
            "jti": secrets.token_urlsafe(12),
        }
        return jwt.encode({"alg": "RS256", "kid": KID}, claims | more, self._key)

    def _claims(self, token: str, purpose: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(token, self._key, algorithms=["RS256"]).claims
        except (JoseError, ValueError, TypeError):
            return {}
        good = claims.get("aud") == f"{self.name}#{purpose}" and claims["exp"] > self._now().timestamp()
        return claims if good else {}

    def _redeem(self, token: str, purpose: str) -> User | None:
        return USERS.get(str(self._claims(token, purpose).get("sub", "")))

    def _redeem_code(self, form: dict[str, str]) -> User | None:
        claims = self._claims(form.get("code", ""), "code")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if not claims or claims["jti"] in self._used_codes:
            return None
        if not hmac.compare_digest(challenge, str(claims.get("challenge"))):
            return None
        if claims.get("redirect_uri") != form.get("redirect_uri"):
            return None
        self._used_codes[claims["jti"]] = None
        if len(self._used_codes) > REMEMBERED_CODES:
            self._used_codes.popitem(last=False)
        return USERS.get(str(claims["sub"]))

    async def authorize(self, request: Request) -> Response:
        return self._page(dict(request.query_params))

    async def log_in(self, request: Request) -> Response:
        form = await _form(request)
        if problem := _problem_of(form, request.url.hostname):
            return HTMLResponse(html.escape(problem), status_code=400)
        user = log_in(form.get("username", ""), form.get("password", ""))
        if user is None:
            return self._page(form, "Wrong name or password.")
        code = self._sign(
            user,
            f"{self.name}#code",
            CODE_S,
            challenge=form["code_challenge"],
            redirect_uri=form["redirect_uri"],
        )
        query = urlencode({"code": code, "state": form.get("state", "")})
        joint = "&" if "?" in form["redirect_uri"] else "?"
        return RedirectResponse(f"{form['redirect_uri']}{joint}{query}", status_code=303)

    def _page(self, values: dict[str, str], note: str = "") -> Response:
        if problem := _problem_of(values, urlsplit(self.name).hostname):
            return HTMLResponse(html.escape(problem), status_code=400)
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(values.get(name, ""), quote=True)}">'
            for name in ("redirect_uri", "state", "code_challenge", "code_challenge_method", "client_id")
        )
        headers = {
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "Cache-Control": "no-store",
        }
        page = _PAGE.replace("{note}", html.escape(note)).replace("{hidden}", hidden)
        return HTMLResponse(page, status_code=401 if note else 200, headers=headers)


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Trunkline development log-in</title>
<style>body{font:16px system-ui;max-width:22rem;margin:15vh auto}
input{width:100%;padding:.5rem;margin:.3rem 0}
button{padding:.5rem 1rem}</style><h1>Log in</h1><p role="alert">{note}</p><form method="post">{hidden}
<label>Name <input name="username" autocomplete="username" autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Log in</button></form><p>Demo users: agent1, supervisor1, admin1, ...
The password is the name.</p></html>"""


def log_in(name: str, password: str) -> User | None:
    """Return the user of that name whose password, which is his name, was given."""
    user = USERS.get(name)
    return user if user and hmac.compare_digest(password.encode(), user.name.encode()) else None


def load_key(folder: Path) -> RSAKey:
    """Return the issuer's key, made on first use; only its owner may read the file."""
    file = folder / "oidc" / "signing-key.pem"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        pem = RSAKey.generate_key(2048, private=True).as_pem(private=True)
        fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
            handle.write(pem)
        try:
            os.link(fresh, file)  # whoever comes first wins, in one step
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return RSAKey.import_key(file.read_bytes(), {"kid": KID, "use": "sig", "alg": "RS256"})


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=50))


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value).decode().partition(":")
    except ValueError:
        return None
    return name, secret


def _problem_of(values: dict[str, str], own_host: str | None) -> str:
    """Say what is wrong with a log-in request, "" if nothing: codes go to loopback or to ourselves only."""
    target = urlsplit(values.get("redirect_uri", ""))
    if target.scheme not in ("http", "https") or target.hostname not in LOOPBACK | {own_host}:
        return "redirect_uri must be an address of this machine"
    if values.get("code_challenge_method") != "S256":
        return "code_challenge_method must be S256"
    if not _CHALLENGE.fullmatch(values.get("code_challenge", "")):
        return "code_challenge must be the S256 of the code verifier"
    return ""


def _oauth_error(code: str) -> Response:
    return JSONResponse({"error": code}, status_code=400, headers={"Cache-Control": "no-store"})
