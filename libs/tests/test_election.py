"""That one process at a time has a duty, by both kinds of lease."""

import asyncio
import copy
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

from libs import mongo
from libs.election import Election, KubernetesElection, MongoElection, do_when_elected
from libs.errors import Unavailable


@dataclass
class FakeLeases:
    """Leases as an API server keeps them: each write makes a version, one of an older version is refused."""

    kept: dict[str, Any] = field(default_factory=dict)
    versions: int = 0
    broken: int = 0
    writing: threading.Lock = field(default_factory=threading.Lock)

    def read_namespaced_lease(self, name: str, namespace: str) -> Any:
        if self.broken:
            raise ApiException(status=self.broken)
        if name not in self.kept:
            raise ApiException(status=404)
        return copy.deepcopy(self.kept[name])

    def create_namespaced_lease(self, namespace: str, body: Any) -> Any:
        with self.writing:
            if body.metadata.name in self.kept:
                raise ApiException(status=409)
            return self._keep(body)

    def replace_namespaced_lease(self, name: str, namespace: str, body: Any) -> Any:
        with self.writing:
            if body.metadata.resource_version != self.kept[name].metadata.resource_version:
                raise ApiException(status=409)
            return self._keep(body)

    def _keep(self, body: Any) -> Any:
        self.versions += 1
        body.metadata.resource_version = str(self.versions)
        self.kept[body.metadata.name] = copy.deepcopy(body)
        return body


@dataclass
class Passing:
    """Two candidates, and a way to let a term pass."""

    ana: Election
    ben: Election
    clock: list[float] | None = None

    async def let_a_term_pass(self) -> None:
        if self.clock is None:
            await asyncio.sleep(0.5)
        else:
            await self.ben.hold("sweep")  # sees the lease as it is now
            self.clock[0] += 1.1


@pytest.fixture(params=["kubernetes", pytest.param("mongo", marks=pytest.mark.real)])
async def candidates(request: pytest.FixtureRequest) -> AsyncIterator[Passing]:
    if request.param == "kubernetes":
        api, clock = FakeLeases(), [0.0]

        def candidate(name: str) -> Election:
            return KubernetesElection(api, "ns", name, 1.0, lambda: clock[0])

        yield Passing(candidate("ana"), candidate("ben"), clock)
        return
    url = request.getfixturevalue("mongo_url")
    async with mongo.connect(url, f"t{uuid.uuid4().hex[:8]}") as database:
        yield Passing(MongoElection(database, "ana", 0.4), MongoElection(database, "ben", 0.4))


async def test_it_gives_a_duty_to_one_at_a_time(candidates: Passing) -> None:
    taken = await asyncio.gather(*(each.hold("sweep") for each in (candidates.ana, candidates.ben)))

    assert sorted(taken) == [False, True]
    winner, loser = (candidates.ana, candidates.ben) if taken[0] else (candidates.ben, candidates.ana)
    assert await winner.hold("sweep")
    assert not await loser.hold("sweep")
    assert await loser.hold("another")


async def test_it_gives_the_duty_of_the_silent_to_somebody_else(candidates: Passing) -> None:
    assert await candidates.ana.hold("sweep")
    assert not await candidates.ben.hold("sweep")

    await candidates.let_a_term_pass()

    assert await candidates.ben.hold("sweep")
    assert not await candidates.ana.hold("sweep")


async def test_it_frees_a_duty_that_is_given_up(candidates: Passing) -> None:
    assert await candidates.ana.hold("sweep")
    await candidates.ben.give_up("sweep")
    assert not await candidates.ben.hold("sweep")

    await candidates.ana.give_up("sweep")

    assert await candidates.ben.hold("sweep")


async def test_it_is_unavailable_while_the_cluster_fails() -> None:
    election = KubernetesElection(FakeLeases(broken=500), "ns", "ana")

    with pytest.raises(Unavailable):
        await election.hold("sweep")


class Fickle:
    """Grants a duty as often as told."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.given_up = False

    async def hold(self, duty: str) -> bool:
        return self.answers.pop(0) if self.answers else False

    async def give_up(self, duty: str) -> None:
        self.given_up = True


async def test_it_stops_work_in_the_middle_when_the_duty_is_lost() -> None:
    election, ended = Fickle(True, True, False), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    task = asyncio.create_task(do_when_elected(election, "sweep", work, every_s=60, term_s=0.03))
    async with asyncio.timeout(5):
        await ended.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert election.answers == []
    assert election.given_up


async def test_it_works_again_and_again_while_elected() -> None:
    election, done = Fickle(True, False, True), asyncio.Semaphore(0)

    async def work() -> None:
        done.release()
        raise Unavailable("x", "once more")

    task = asyncio.create_task(do_when_elected(election, "sweep", work, every_s=0.01))
    async with asyncio.timeout(5):
        await done.acquire()
        await done.acquire()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert election.given_up
