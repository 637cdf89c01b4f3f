"""A short selection of the faults, on two replicas of everything; all of them: `make faults`."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import scenarios
from tests.faults.house import House, opened
from tests.faults.injuries import in_turn, kill_at, kill_mongo, together, two_owners
from tests.faults.records import duplicates, poison
from tests.faults.running import SHORT, run
from tests.faults.scenarios import Scenario

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

KNOWN = scenarios.everything(stopped_s=5.0)
SELECTED = (
    Scenario(
        "routing_killed_and_stopped",
        "kill -9 of routing when it has saved, then each routing stopped past its session",
        in_turn(kill_at("saved", ("routing",)), two_owners),
    ),
    KNOWN["rolling_halves"],
    Scenario(
        "mongo_killed_poison_duplicates",
        "kill -9 of mongod while bad records come and good ones come again",
        together(kill_mongo, poison, duplicates),
    ),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Give a house shared by all faults: what one leaves behind, the next one has to bear."""
    with opened(tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.mark.parametrize("scenario", SELECTED, ids=lambda scenario: scenario.name)
def test_it_survives(scenario: Scenario, house: House, tmp_path: Path) -> None:
    result = asyncio.run(run(house, scenario, seed=7, size=SHORT, folder=tmp_path))

    assert sum(result.injected.values()) > 0
    assert result.contacts > 0
    assert result.breaches == [], house.stack.logs()
