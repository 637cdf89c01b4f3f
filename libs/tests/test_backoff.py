"""Waiting between tries: seldom, short, bounded, and at another time for each."""

from collections.abc import Sequence
from datetime import UTC, datetime

from libs.apply import ATTEMPTS, Apply
from libs.backoff import FIRST_S, MOST_S, Backoff
from libs.errors import Unavailable
from libs.local import LocalStore
from libs.stored import Change, Key
from libs.tests.test_apply import Trail, decide, page

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_it_waits_longer_after_every_failed_try_up_to_a_limit() -> None:
    spans = [Backoff(lambda: 1.0).span_s(failed) for failed in range(40)]

    assert spans[0] == FIRST_S
    assert spans == sorted(spans)
    assert spans[-1] == MOST_S


class Contended(LocalStore[Trail]):
    """A store in which somebody else is quicker a number of times."""

    def __init__(self, lost: int) -> None:
        super().__init__("trails", lambda key: Trail())
        self._lost = lost

    async def save(self, changes: Sequence[Change[Trail]]) -> set[Key]:
        if self._lost:
            self._lost -= 1
            return {change.key for change in changes}
        return await super().save(changes)


async def applied_against(lost: int) -> list[int]:
    """Apply one event where others win so often, and return what was waited for."""
    waits: list[int] = []

    async def wait(failed: int) -> None:
        waits.append(failed)

    async def tell(events: object) -> None:
        pass

    apply = Apply(Contended(lost), decide, tell, "/test", wait=wait)
    try:
        await apply([(Key("acme", "v"), page(1))], NOON)
    except Unavailable as error:
        assert error.reason == "contended"
        waits.append(-1)
    return waits


async def test_it_tries_again_at_once_and_then_after_a_wait() -> None:
    assert await applied_against(0) == []
    assert await applied_against(1) == []
    assert await applied_against(3) == [1, 2]


async def test_it_gives_up_after_so_many_tries() -> None:
    assert await applied_against(ATTEMPTS) == [*range(1, ATTEMPTS - 1), -1]


async def test_it_draws_another_wait_for_each() -> None:
    drawn: list[float] = []

    def draw() -> float:
        drawn.append(0.0)
        return 0.0

    await Backoff(draw)(3)

    assert drawn == [0.0]
