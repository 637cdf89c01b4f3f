"""Opaque tokens that say where the next page of a list begins."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime

from libs.errors import Invalid, Violation

DEFAULT_SIZE = 50
LARGEST_SIZE = 500
Place = str | int | float | datetime


def size_of(page_size: int) -> int:
    """Return how many entries a page has. :raises Invalid: a negative number was asked for."""
    if page_size < 0:
        raise Invalid(Violation("page.page_size", "must not be negative"))
    return min(page_size or DEFAULT_SIZE, LARGEST_SIZE)


def token_of(places: Sequence[Place]) -> str:
    """Return the token for the page after the entry that these values place in its order."""
    plain = [{"t": value.isoformat()} if isinstance(value, datetime) else value for value in places]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def places_of(token: str, kinds: Sequence[type]) -> list[Place]:
    """
    Return the values of a token, which must be of these kinds; none for the empty token.

    :raises Invalid: the token is none of ours.
    """
    if not token:
        return []
    try:
        plain = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        values = [datetime.fromisoformat(each["t"]) if isinstance(each, dict) else each for each in plain]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise Invalid(Violation("page.page_token", "is no token of this list")) from None
    fits = len(values) == len(kinds) and all(
        type(value) is kind for value, kind in zip(values, kinds, strict=False)
    )
    if not fits or any(isinstance(value, datetime) and value.tzinfo is None for value in values):
        raise Invalid(Violation("page.page_token", "is no token of this list"))
    return values
