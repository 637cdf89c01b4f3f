"""Duties that one process at a time may do: a lease decides who, in MongoDB or in Kubernetes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from libs.errors import Unavailable
from libs.mongo import Database, DuplicateKeyError, guarded

log = logging.getLogger(__name__)

TERM_S = 15.0
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
CONFLICT, ABSENT = 409, 404


class Election(Protocol):
    """Who has which duty."""

    async def hold(self, duty: str) -> bool:
        """Take the duty for a term, or another one, and return whether it is ours until then."""
        ...

    async def give_up(self, duty: str) -> None:
        """Let somebody else have the duty at once."""
        ...


async def do_when_elected(
    election: Election,
    duty: str,
    work: Callable[[], Awaitable[None]],
    every_s: float,
    term_s: float = TERM_S,
) -> None:
    """Do `work` every so often for as long as the duty is ours; stop in the middle when it no longer is."""
    try:
        while True:
            if await _held(election, duty):
                await _work_while_held(election, duty, work, term_s)
            await asyncio.sleep(every_s)
    finally:
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(3):
                await election.give_up(duty)


async def _work_while_held(
    election: Election, duty: str, work: Callable[[], Awaitable[None]], term_s: float
) -> None:
    task = asyncio.ensure_future(work())
    try:
        while not (await asyncio.wait({task}, timeout=term_s / 3))[0]:
            if not await _held(election, duty):
                log.warning("duty lost", extra={"duty": duty})
                break
    finally:
        task.cancel()
        await asyncio.wait({task})
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Unavailable):
        log.warning("duty not done", extra={"duty": duty, "why": error.text})
    elif error is not None:
        raise error


async def _held(election: Election, duty: str) -> bool:
    try:
        return await election.hold(duty)
    except Unavailable as error:
        log.warning("election not reached", extra={"duty": duty, "why": error.text})
        return False


class MongoElection:
    """Leases in a collection; the database's clock decides, so that those of the processes may differ."""

    def __init__(self, database: Database, holder: str, term_s: float = TERM_S) -> None:
        self._leases = database["leases"]
        self._holder = holder
        self._term_ms = int(term_s * 1000)

    async def hold(self, duty: str) -> bool:
        ours = {"$or": [{"$eq": ["$holder", self._holder]}, {"$lt": ["$until", "$$NOW"]}]}
        until = {"$dateAdd": {"startDate": "$$NOW", "unit": "millisecond", "amount": self._term_ms}}
        taken = {"holder": self._holder, "until": until}
        kept = {"holder": "$holder", "until": "$until"}
        with suppress(DuplicateKeyError), guarded():  # of two who find no lease, one makes it
            lease = await self._leases.find_one_and_update(
                {"_id": duty},
                [{"$replaceWith": {"$mergeObjects": ["$$ROOT", {"$cond": [ours, taken, kept]}]}}],
                upsert=True,
                return_document=True,
            )
            return bool(lease and lease["holder"] == self._holder)
        return False

    async def give_up(self, duty: str) -> None:
        with guarded():
            await self._leases.delete_one({"_id": duty, "holder": self._holder})


class Leases(Protocol):
    """What is used of the API of Kubernetes: kubernetes.client.CoordinationV1Api."""

    def read_namespaced_lease(self, name: str, namespace: str) -> Any: ...

    def create_namespaced_lease(self, namespace: str, body: Any) -> Any: ...

    def replace_namespaced_lease(self, name: str, namespace: str, body: Any) -> Any: ...


class KubernetesElection:
    """
    Leases of coordination.k8s.io, used as Kubernetes' own components use them.

    Another's lease has run out when it was seen unchanged for its whole term by this process' own clock; the
    times written in it are for people. A write carries the version that was read, so of two one is refused.
    """

    def __init__(
        self,
        api: Leases,
        namespace: str,
        holder: str,
        term_s: float = TERM_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._holder = holder
        self._term_s = term_s
        self._clock = clock
        self._seen: dict[str, tuple[str, float]] = {}

    async def hold(self, duty: str) -> bool:
        return await asyncio.to_thread(self._guarded, duty, self._hold)

    async def give_up(self, duty: str) -> None:
        await asyncio.to_thread(self._guarded, duty, self._give_up)

    def _guarded(self, duty: str, act: Callable[[str], bool]) -> bool:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return act(f"trunkline-{duty}")
        except ApiException as error:
            if error.status == CONFLICT:
                return False
            raise Unavailable("election_unreachable", f"Kubernetes answers {error.status}") from error
        except (HTTPError, OSError) as error:
            name = type(error).__name__
            raise Unavailable("election_unreachable", f"Kubernetes does not answer ({name})") from error

    def _hold(self, name: str) -> bool:
        lease = self._read(name)
        now = datetime.now(UTC)
        if lease is None:
            self._api.create_namespaced_lease(self._namespace, self._new(name, now))
            return True
        spec = lease.spec
        if spec.holder_identity not in (None, "", self._holder):
            version, since = self._seen.get(name, ("", 0.0))
            if version != lease.metadata.resource_version:
                self._seen[name] = (lease.metadata.resource_version, self._clock())
                return False
            if self._clock() - since < (spec.lease_duration_seconds or self._term_s):
                return False
        if spec.holder_identity != self._holder:
            spec.holder_identity = self._holder
            spec.acquire_time = now
            spec.lease_transitions = (spec.lease_transitions or 0) + 1
        spec.renew_time = now
        spec.lease_duration_seconds = max(1, round(self._term_s))
        self._api.replace_namespaced_lease(name, self._namespace, lease)
        return True

    def _give_up(self, name: str) -> bool:
        lease = self._read(name)
        if lease is not None and lease.spec.holder_identity == self._holder:
            lease.spec.holder_identity = ""
            self._api.replace_namespaced_lease(name, self._namespace, lease)
        return True

    def _read(self, name: str) -> Any:
        from kubernetes.client.exceptions import ApiException

        try:
            return self._api.read_namespaced_lease(name, self._namespace)
        except ApiException as error:
            if error.status == ABSENT:
                return None
            raise

    def _new(self, name: str, now: datetime) -> Any:
        from kubernetes import client

        return client.V1Lease(
            metadata=client.V1ObjectMeta(name=name),
            spec=client.V1LeaseSpec(
                holder_identity=self._holder,
                acquire_time=now,
                renew_time=now,
                lease_duration_seconds=max(1, round(self._term_s)),
                lease_transitions=0,
            ),
        )


def choose(kind: Literal["mongo", "kubernetes"], database: Database, holder: str) -> Election:
    """Return the election of this installation; `kubernetes` asks the cluster that the process runs in."""
    if kind == "mongo":
        return MongoElection(database, holder)
    from kubernetes import client, config

    config.load_incluster_config()  # type: ignore[no-untyped-call]  # the client is untyped in places
    return KubernetesElection(client.CoordinationV1Api(), NAMESPACE_FILE.read_text().strip(), holder)
