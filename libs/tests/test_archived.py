"""What a topic has dropped is in the archive from first to last, or it is said which is not."""

import pytest

from libs.archived import Spans
from libs.wire import Record


def at(offset: int, partition: int = 0) -> Record:
    return Record("t", b"k", b"v", (), partition, offset)


@pytest.mark.parametrize(
    ("archived", "first", "missing"),
    [
        ([], 0, []),
        ([], 4, ["t-0: records 0 to 3"]),
        ([0, 1, 2, 3], 4, []),
        ([3, 0], 4, []),
        ([0, 7], 4, []),
        ([2, 3], 4, ["t-0: records 0 to 1"]),
        ([9], 4, ["t-0: records 0 to 3"]),
        ([0, 1], 4, ["t-0: records 2 to 3"]),
        ([1, 2], 5000, ["t-0: records 0 to 0", "t-0: records 3 to 4,999"]),
    ],
)
def test_it_says_which_records_are_nowhere(archived: list[int], first: int, missing: list[str]) -> None:
    spans = Spans()
    for offset in archived:
        spans.see([at(offset)])

    assert spans.missing({("t", 0): first}) == missing


def test_it_looks_at_each_partition() -> None:
    spans = Spans()
    spans.see([at(0), at(1), at(0, 1)])

    assert spans.missing({("t", 0): 2, ("t", 1): 2, ("t", 2): 0}) == ["t-1: records 1 to 1"]
