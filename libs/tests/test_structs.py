"""Values on their way through gRPC's well-known messages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value

from libs.structs import plain_of, stamp, struct_of, time_of, value_of


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
