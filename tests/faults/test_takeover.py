"""A takeover is late beside the session time-out and beside what bare clients needed, whichever is longer."""

import pytest

from tests.faults.house import SESSION_S
from tests.faults.takeover import BARE, in_time


@pytest.mark.parametrize(
    ("took", "bare", "is_late"),
    [
        (SESSION_S, SESSION_S - 1, False),
        (SESSION_S * 1.3, SESSION_S - 1, True),
        (SESSION_S + 3, SESSION_S + 3, False),
        ((SESSION_S + 3) * 1.3, SESSION_S + 3, True),
    ],
)
def test_it_finds_a_replica_that_takes_over_too_late(took: float, bare: float, is_late: bool) -> None:
    finding = in_time({"routing": [took], f"routing, {BARE}": [bare]})

    assert finding.checked == 1
    assert bool(finding.breaches) == is_late
