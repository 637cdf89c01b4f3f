"""Values on their way through gRPC's well-known messages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value

from libs.errors import Invalid
from libs.rpc.crm_context.v1.crm_context_pb2 import Customer, UpsertRequest
from libs.structs import DEEPEST, plain_of, stamp, struct_of, time_of, value_of


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        (
            {"a": 1, "b": [True, None, "x"], "c": {"d": 1.5}},
            {"a": 1, "b": [True, None, "x"], "c": {"d": 1.5}},
        ),
        ({"card": 2**70}, {"card": str(2**70)}),
        ({"huge": 10**400}, {"huge": str(10**400)}),
        ({"none": float("nan")}, {"none": None}),
        ({}, {}),
    ],
)
def test_it_returns_what_it_was_given(given: dict[str, Any], returned: dict[str, Any]) -> None:
    assert plain_of(struct_of(given)) == returned
    assert plain_of(value_of(given)) == returned


def test_it_refuses_numbers_that_json_does_not_have() -> None:
    with pytest.raises(ValueError, match="number"):
        plain_of(Value(number_value=float("inf")))


def test_it_keeps_the_time() -> None:
    time = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)

    message = stamp(time)

    assert message is not None
    assert time_of(message) == time
    assert stamp(None) is None


def nested(depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for _ in range(depth):
        plain = {"a": [plain]} if depth % 2 else {"a": plain}
    return plain


def test_carries_the_deepest_it_takes_through_a_message() -> None:
    message = UpsertRequest(customer=Customer(profile=struct_of(nested(DEEPEST))))

    assert plain_of(UpsertRequest.FromString(message.SerializeToString()).customer.profile) == nested(DEEPEST)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 500])
def test_refuses_what_is_nested_more_deeply(depth: int) -> None:
    with pytest.raises(Invalid, match="deep"):
        struct_of(nested(depth))
    with pytest.raises(Invalid, match="deep"):
        value_of([nested(depth)])


@pytest.mark.parametrize("plain", [{"a": "\ud800"}, {"\udfff": 1}, {"a": ["b\udc00"]}, {"a": {"\ud800": {}}}])
def test_refuses_half_a_character(plain: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="half of a character"):
        struct_of(plain)


def test_carries_whole_characters_of_any_plane() -> None:
    assert plain_of(struct_of({"王": "👩‍👩‍👧"})) == {"王": "👩‍👩‍👧"}


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_refuses_a_time_beyond_the_calendar(text: str) -> None:
    with pytest.raises(Invalid, match="out of range"):
        stamp(datetime.fromisoformat(text))
