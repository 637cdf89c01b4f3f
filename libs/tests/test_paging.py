"""The tokens of pages and the normal forms of identities."""

from datetime import UTC, datetime

import pytest

from libs import paging
from libs.errors import Invalid
from libs.events.base import Identity
from libs.identities import normal


def test_it_returns_the_places_that_a_token_was_made_of() -> None:
    places: list[paging.Place] = [datetime(2026, 1, 2, 3, 4, 5, 6000, UTC), "acme/1", 7]

    token = paging.token_of(places)

    assert paging.places_of(token, (datetime, str, int)) == places


@pytest.mark.parametrize(
    "token",
    [
        "%%%",
        "e30",
        paging.token_of(["only one"]),
        paging.token_of([1, 2]),
        "W3sidCI6IngifSwieCJd",
        "bnVsbA",
        "é",
        "W3siJGd0IjogIiJ9LCAieCJd",
    ],
)
def test_it_refuses_a_token_that_is_none_of_its_own(token: str) -> None:
    with pytest.raises(Invalid):
        paging.places_of(token, (datetime, str))


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (7, 7), (501, 500)])
def test_it_keeps_pages_within_limits(asked: int, given: int) -> None:
    assert paging.size_of(asked) == given


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("phone", "138 0013 8000", "+8613800138000"),
        ("phone", "+86 138-0013-8000", "+8613800138000"),
        ("phone", "010-62551111", "+861062551111"),
        ("phone", "ext. 12", "12"),
        ("phone", "nobody", "nobody"),
        ("email", " Zhang.Wei@Example.COM ", "zhang.wei@example.com"),
        ("openid", "oABC", "oABC"),
    ],
)
def test_it_brings_an_identity_into_its_normal_form(kind: str, value: str, expected: str) -> None:
    identity = Identity.model_validate({"kind": kind, "value": value})

    assert normal(identity).value == expected
