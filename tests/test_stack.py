"""The platform runs as processes against real servers, and any of them can be killed and comes back."""

import pytest

from deploy.dev.processes import answers_http
from libs.settings import SERVICES
from tests.stack import Stack


@pytest.mark.real
def test_is_ready_as_a_whole(stack: Stack) -> None:
    assert {*SERVICES, "gateway"} == set(stack.names)
    assert answers_http(f"{stack.gateway_url}/readyz")


@pytest.mark.real
@pytest.mark.parametrize("name", SERVICES)
def test_a_killed_service_is_ready_again_after_its_start(stack: Stack, name: str) -> None:
    stack.kill(name)

    stack.restart(name)

    assert answers_http(f"{stack.gateway_url}/readyz")
