"""The fuse burns where its step is: before saving, after saving, after telling or committing something."""

from typing import Any

from tests.faults.crashing import Fuse, Fused, after


class Counting(Fuse):
    """Says when it burns, and kills nobody."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__(1)
        self._seen = seen

    def burn(self) -> None:
        self._seen.append("burnt")


class Store:
    """Says when it saves."""

    name = "pools"

    def __init__(self, seen: list[str]) -> None:
        self._seen = seen

    async def save(self, changes: Any) -> set[Any]:
        self._seen.append("saved")
        return set()


async def test_it_burns_before_or_after_saving() -> None:
    order: dict[str, list[str]] = {}
    for step in ("decided", "saved"):
        seen = order[step] = []
        await Fused(Store(seen), step, Counting(seen)).save([])

    assert order == {"decided": ["burnt", "saved"], "saved": ["saved", "burnt"]}


async def test_it_leaves_everything_else_of_the_store_alone() -> None:
    assert Fused(Store([]), "saved", Counting([])).name == "pools"


async def test_it_burns_after_a_commit_of_something() -> None:
    seen: list[str] = []

    async def commit(consumer: object, done: dict[str, int]) -> None:
        done.clear()  # as the real one does

    fused = after(commit, Counting(seen), only_with=1)
    await fused(object(), {})
    await fused(object(), {"place": 1})

    assert seen == ["burnt"]
