"""What the tests of this folder share."""

from collections.abc import AsyncIterator

import pytest

from deploy.dev.demo.door import Door
from deploy.dev.seed import seed
from tests.stack import Stack


@pytest.fixture
async def door(stack: Stack) -> AsyncIterator[Door]:
    """Give the gateway of a seeded platform."""
    made = Door(stack.gateway_url)
    await seed(made)
    yield made
    await made.close()
