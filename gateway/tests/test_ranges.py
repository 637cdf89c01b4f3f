"""Range headers of recordings."""

import pytest

from gateway.rest.recordings import range_of

RANGES = [
    ("", None),
    ("bytes=0-9", range(10)),
    ("bytes=90-", range(90, 100)),
    ("bytes=-10", range(90, 100)),
    ("bytes=-1000", range(100)),
    ("bytes=50-1000", range(50, 100)),
    ("bytes=100-", range(100, 100)),
    ("bytes=200-300", range(100, 100)),
    ("bytes=-0", range(100, 100)),
    ("bytes=9-0", None),
    ("bytes=-", None),
    ("bytes=0-1,3-4", None),
    ("lines=0-1", None),
    ("bytes=a-b", None),
    ("bytes=99999999999999999999-", None),
]


@pytest.mark.parametrize(("header", "wanted"), RANGES)
def test_it_reads_a_range(header: str, wanted: range | None) -> None:
    found = range_of(header, 100)

    assert found == wanted if wanted is None else list(found or ()) == list(wanted)
