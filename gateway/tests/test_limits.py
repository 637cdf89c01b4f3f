"""Rates: what is let through in a second, and to whom it is charged."""

import pytest

from gateway.limits import Rates, body_limits
from gateway.settings import GatewaySettings
from libs.errors import Exhausted


def rates(**limits: int) -> Rates:
    return Rates(GatewaySettings.model_validate(limits))


def test_it_takes_about_as_many_events_as_the_limit_says_and_no_more() -> None:
    limited = rates(gateway_events_per_s=1000)
    taken = 0

    with pytest.raises(Exhausted) as refused:
        while taken <= 3000:  # a second may end on the way
            limited.count_events("demo", 7)
            taken += 7

    assert taken <= 2000
    assert taken > 900
    assert refused.value.retry_after_s == 1


def test_it_charges_one_tenant_nothing_for_another() -> None:
    limited = rates(gateway_events_per_s=10)
    limited.count_events("demo", 10)

    limited.count_events("acme", 10)


def test_it_takes_no_batch_larger_than_the_limit() -> None:
    with pytest.raises(Exhausted):
        rates(gateway_events_per_s=10).count_events("demo", 11)


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/v1/events", 1024 * 1024),
        ("/v1/customers/import", 4 * 1024 * 1024),
        ("/v1/recordings", 64 * 1024 * 1024),
        ("/v1/tickets", 256 * 1024),
        ("/v1/recordings/../events", 256 * 1024),
    ],
)
def test_it_knows_how_large_a_body_a_path_takes(path: str, limit: int) -> None:
    assert body_limits(GatewaySettings())(path) == limit
