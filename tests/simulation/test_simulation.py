"""The simulator: it finds nothing wrong, has each day again to the byte, and finds every planted bug."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.stored import Change, Key, Stored
from tests.simulation import script
from tests.simulation.__main__ import find
from tests.simulation.day import run, run_seed
from tests.simulation.drawing import draw
from tests.simulation.loop import Stuck, VirtualLoop
from tests.simulation.mutations import MUTATIONS, planted
from tests.simulation.shrinking import fewer, shrink
from tests.simulation.stores import Shelf
from tests.simulation.world import MORNING

SEEDS = range(1, 13)
ROOT = Path(__file__).parents[2]
ONE_DAY = "from tests.simulation.day import run_seed; print(run_seed({seed}).digest)"


@pytest.mark.parametrize("seed", SEEDS)
def test_it_finds_nothing_wrong(seed: int) -> None:
    result = run_seed(seed)

    assert result.violation is None, f"make simulate SEEDS={seed}"
    assert result.events > 20
    assert sum(result.checked.values()) > 500


def test_it_has_the_same_day_again_in_another_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", ONE_DAY.format(seed=3)],
            cwd=ROOT,
            env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("0", "4711")
    }

    assert digests == {run_seed(3).digest}


def test_it_has_the_same_day_again_from_the_faults_it_wrote_down(tmp_path: Path) -> None:
    drawn = run_seed(1)
    file = tmp_path / "day.json"
    script.write(drawn.script.fixed(drawn.points), file)

    assert drawn.points
    assert run(script.read(file)).digest == drawn.digest


@pytest.mark.parametrize("name", MUTATIONS)
def test_it_finds_a_planted_bug(name: str) -> None:
    first, last = MUTATIONS[name].seeds

    result = find(name, first, last)

    assert result is not None, f"seeds {first}-{last} do not show that {MUTATIONS[name].what}"


def test_it_takes_every_planted_bug_out_again() -> None:
    before = draw(1)
    for name in MUTATIONS:
        with planted(name):
            pass

    assert run(before).violation is None


def test_it_cuts_a_failing_day_down_to_one_that_still_fails() -> None:
    name = "withdrawn_offer_keeps_the_agent"
    result = find(name, *MUTATIONS[name].seeds)
    assert result is not None and result.violation is not None

    with planted(name):
        shortest = shrink(result, most_runs=40)

    assert shortest.violation is not None
    assert shortest.violation.rule == result.violation.rule
    assert shortest.script.size < result.script.fixed(result.points).size / 2
    assert json.dumps(shortest.history)


def test_it_finds_the_fewest_things_that_fail_together() -> None:
    assert fewer(range(40), lambda some: {7, 23} <= set(some)) == [7, 23]


def test_it_says_who_waits_for_ever() -> None:
    loop = VirtualLoop()

    with pytest.raises(Stuck):
        loop.run_until_complete(loop.create_future())

    loop.close()


@pytest.fixture
def shelf() -> Iterator[Shelf[tuple[str, ...]]]:
    yield Shelf("test", "things", lambda key: (), unique=lambda state: state)


def claiming(tenant: str, name: str, claim: str) -> Change[tuple[str, ...]]:
    return Change(Key(tenant, name), 0, Stored((claim,), version=1))


def test_its_shelf_refuses_what_the_database_refuses(shelf: Shelf[tuple[str, ...]]) -> None:
    first = claiming("acme", "a", "phone")
    claimed = claiming("acme", "b", "phone")
    stale = claiming("acme", "a", "mail")
    elsewhere = claiming("brown", "b", "phone")

    shelf.write(first, MORNING)

    assert not shelf.is_free(claimed)
    assert not shelf.is_free(stale)
    assert shelf.is_free(elsewhere)
