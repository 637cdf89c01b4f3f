"""Cursors: opened by the list they came from, and by no other."""

import pytest

from gateway.cursor import Cursors
from libs.errors import Invalid

CURSORS = Cursors("a secret")


def test_it_opens_what_it_sealed() -> None:
    assert CURSORS.open(CURSORS.seal("page 2", "demo /v1/tickets"), "demo /v1/tickets") == "page 2"


def test_it_takes_no_cursor_for_the_first_page_and_gives_none_after_the_last() -> None:
    assert CURSORS.open("", "list") == ""
    assert CURSORS.seal("", "list") == ""


@pytest.mark.parametrize("cursor", ["x", "%%%", "AAAA", "é", "A" * 4000])
def test_it_refuses_what_it_did_not_make(cursor: str) -> None:
    with pytest.raises(Invalid):
        CURSORS.open(cursor, "list")


def test_it_refuses_the_cursor_of_another_list_or_installation() -> None:
    with pytest.raises(Invalid):
        CURSORS.open(CURSORS.seal("page 2", "demo /v1/tickets"), "acme /v1/tickets")
    with pytest.raises(Invalid):
        CURSORS.open(Cursors("another").seal("page 2", "list"), "list")
