"""A process that dies once starts again at once; one that keeps dying is held back."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.dev import launch


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([], 0.0),
        ([99.0], 0.0),
        ([97.0, 98.0, 99.0], 0.0),
        ([96.0, 97.0, 98.0, 99.0], launch.PAUSE_S),
        ([10.0, 20.0, 30.0, 99.0], 0.0),
    ],
)
def test_holds_back_only_what_started_often_lately(starts: list[float], expected: float) -> None:
    assert launch.pause_s(starts, now=100.0) == expected


def test_becomes_the_command_and_notes_the_start(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    said = "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr)"

    done = subprocess.run(
        [sys.executable, launch.__file__, str(starts), sys.executable, "-c", said],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == ("out\nerr\n", "")
    assert len(launch.read_starts(starts)) == 1
