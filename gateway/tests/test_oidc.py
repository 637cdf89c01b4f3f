"""The development issuer: every way to log in, and every way not to."""

import base64
import hashlib
import stat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.oidc import load_key
from gateway.settings import GatewaySettings
from gateway.tests.doors import Door

VERIFIER = "a-code-verifier-of-at-least-forty-three-characters"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "http://127.0.0.1:5173/callback"
PASSWORD = {"grant_type": "password", "username": "agent1", "password": "agent1"}


async def token(door: Door, **form: str) -> Any:
    return await door.ask("POST", "/oidc/token", data=form)


async def test_it_logs_a_demo_user_in_and_the_gateway_knows_him() -> None:
    door = Door()

    found = (await token(door, **PASSWORD)).json()
    headers = {"authorization": f"Bearer {found['access_token']}"}
    me = (await door.ask("GET", "/v1/me", headers=headers)).json()

    assert (me["tenant"], me["agent_id"], me["roles"]) == ("demo", "agent1", ["agent"])


async def test_it_gives_an_adapter_a_token_for_its_credentials() -> None:
    form = {"grant_type": "client_credentials", "client_id": "adapter1", "client_secret": "adapter1"}

    assert (await token(Door(), **form)).status_code == 200


async def test_it_renews_a_token_but_takes_no_refresh_token_for_an_access_token() -> None:
    door = Door()
    found = (await token(door, **PASSWORD)).json()

    renewed = await token(door, grant_type="refresh_token", refresh_token=found["refresh_token"])
    headers = {"authorization": f"Bearer {found['refresh_token']}"}
    misused = await door.ask("GET", "/v1/me", headers=headers)
    swapped = await token(door, grant_type="refresh_token", refresh_token=found["access_token"])

    assert (renewed.status_code, misused.status_code, swapped.status_code) == (200, 401, 400)


BAD_FORMS: list[dict[str, str]] = [
    {},
    {"grant_type": "implicit"},
    PASSWORD | {"password": "wrong"},
    PASSWORD | {"username": "root", "password": "root"},
    {"grant_type": "client_credentials", "client_id": "adapter1", "client_secret": ""},
    {"grant_type": "refresh_token", "refresh_token": "x"},
    {"grant_type": "authorization_code", "code": "x", "code_verifier": VERIFIER},
]


@pytest.mark.parametrize("form", BAD_FORMS)
async def test_it_gives_no_token_for_anything_else(form: dict[str, str]) -> None:
    answer = await token(Door(), **form)

    assert answer.status_code == 400
    assert "access_token" not in answer.text


def asked(**changes: str) -> dict[str, str]:
    return {
        "redirect_uri": REDIRECT,
        "state": 's"><script>',
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "client_id": "desktop",
    } | changes


async def code_of(door: Door) -> str:
    form = asked(username="agent1", password="agent1")
    answer = await door.ask("POST", "/oidc/authorize", data=form)
    assert answer.status_code == 303
    return parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]


async def test_it_exchanges_a_code_once_and_only_with_its_verifier() -> None:
    door = Door()
    form = {"grant_type": "authorization_code", "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    code = await code_of(door)

    stolen = await token(door, **form | {"code": code, "code_verifier": "guessed"})
    moved = await token(door, **form | {"code": code, "redirect_uri": "http://127.0.0.1/else"})
    first = await token(door, **form, code=code)
    again = await token(door, **form, code=code)

    assert [each.status_code for each in (stolen, moved, first, again)] == [400, 400, 200, 400]


async def test_it_shows_a_page_to_log_in_and_escapes_what_it_was_given() -> None:
    answer = await Door().ask("GET", "/oidc/authorize", params=asked())

    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert 'name="password"' in answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "http://127.0.0.1@evil.example/"},
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
    ],
)
async def test_it_sends_codes_to_this_machine_and_with_a_challenge_only(change: dict[str, str]) -> None:
    door = Door()

    page = await door.ask("GET", "/oidc/authorize", params=asked(**change))
    form = asked(username="agent1", password="agent1", **change)
    sent = await door.ask("POST", "/oidc/authorize", data=form)

    assert (page.status_code, sent.status_code) == (400, 400)


def test_it_keeps_its_key_for_itself(tmp_path: Path) -> None:
    first, again = load_key(tmp_path), load_key(tmp_path)

    (file,) = (tmp_path / "oidc").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.as_dict(private=False) == again.as_dict(private=False)


def test_it_does_not_run_in_production() -> None:
    settings = GatewaySettings(environment="production")

    assert not settings.issues_tokens
    assert not settings.chat_tenants
    with pytest.raises(ValueError, match="OIDC_ISSUER"):
        assert settings.issuer
