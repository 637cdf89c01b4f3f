"""Reads records from Kafka: in batches, offsets committed by hand after the work, drained on revoke."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from libs import metrics
from libs.bus_joining import Rounds
from libs.errors import Unavailable
from libs.reading import RETRY_S, Row

log = logging.getLogger(__name__)

HandleRows: TypeAlias = Callable[[Sequence[Row]], Awaitable[None]]

COMMIT_EVERY_S = 0.15  # a commit is dear everywhere; it follows the stored state, so late is safe
REPORT_EVERY_S = 0.15
POLL_MS = 200
LOOK_EVERY_S = 0.5  # whether the group is still worth waiting for
FIND_WITHIN_S = 5.0
JOIN_WITHIN_S = 60.0  # twice the time that a member of a group has to give up what it reads


class NotJoined(Exception):
    """The group has not said for long what this member reads: it should come again as a new one."""


async def read(
    consumer: AIOKafkaConsumer,
    topics: Collection[str],
    handle: HandleRows,
    group: str,
    batch: int,
    join_within_s: float = JOIN_WITHIN_S,
    rounds: Rounds | None = None,
) -> None:
    """
    Give rows to `handle` for ever; cancelled, finish the batch in hand and commit it.

    :raises NotJoined: the group has not come to terms for `join_within_s`, or waits for a leader who is gone.
    """
    lock = asyncio.Lock()
    done: dict[TopicPartition, int] = {}
    drain = _Drain(consumer, lock, done, group)
    consumer.subscribe(list(topics), listener=drain)
    try:
        await _loop(consumer, lock, done, handle, group, batch, drain, join_within_s, rounds)
    finally:
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(5):
                await _commit(consumer, done)


async def _loop(
    consumer: AIOKafkaConsumer,
    lock: asyncio.Lock,
    done: dict[TopicPartition, int],
    handle: HandleRows,
    group: str,
    batch: int,
    drain: "_Drain",
    join_within_s: float,
    rounds: Rounds | None,
) -> None:
    clock = asyncio.get_running_loop().time
    committed_at = reported_at = clock()

    def gives_up() -> bool:
        since = drain.joining_since
        is_without_leader = rounds is not None and bool(rounds.absent)
        return since is not None and (is_without_leader or clock() - since > join_within_s)

    while True:
        try:
            fetched = await _poll(consumer, batch, gives_up)
        except KafkaError as error:
            log.warning("reading failed", extra={"group": group, "error": type(error).__name__})
            await asyncio.sleep(0.5)
            continue
        async with lock:
            mine = consumer.assignment()
            fetched = {place: rows for place, rows in fetched.items() if place in mine}
            if clock() - reported_at >= REPORT_EVERY_S:
                _report_lag(consumer, group)  # before the work: it shows what was just taken over
                reported_at = clock()
            if fetched:
                await _finish(asyncio.ensure_future(_handle(handle, merge(fetched), group)), fetched, done)
            if clock() - committed_at >= COMMIT_EVERY_S:
                if done:
                    await _commit(consumer, done)
                committed_at = reported_at = clock()


async def _poll(
    consumer: AIOKafkaConsumer, batch: int, gives_up: Callable[[], bool]
) -> dict[TopicPartition, list[Any]]:
    """
    Return what has come. The client waits for its group as long as that takes, whatever time it is given.

    :raises NotJoined: that takes too long.
    """
    polling = asyncio.ensure_future(consumer.getmany(timeout_ms=POLL_MS, max_records=batch))
    try:
        while True:
            if gives_up():
                raise NotJoined
            done, _ = await asyncio.wait({polling}, timeout=LOOK_EVERY_S)
            if done:
                return dict(polling.result())
    finally:
        polling.cancel()


async def _finish(
    work: asyncio.Future[None], fetched: dict[TopicPartition, list[Any]], done: dict[TopicPartition, int]
) -> None:
    """Wait for the batch in hand, even when cancelled meanwhile, and note how far it came."""
    ends = {place: rows[-1].offset + 1 for place, rows in fetched.items()}
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work}, timeout=10)
        work.cancel()
        if work.done() and not work.cancelled() and work.exception() is None:
            done.update(ends)
        raise
    done.update(ends)


async def _handle(handle: HandleRows, rows: Sequence[Row], group: str) -> None:
    attempt = 0
    while True:
        try:
            with metrics.batch_seconds.labels(group).time():
                await handle(rows)
            return
        except Unavailable as error:
            metrics.bus_retries.labels(group).inc()
            log.warning("batch tried again", extra={"group": group, "why": error.text, "attempt": attempt})
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1


async def _commit(consumer: AIOKafkaConsumer, done: dict[TopicPartition, int]) -> None:
    mine = consumer.assignment()
    offsets = {place: offset for place, offset in done.items() if place in mine}
    done.clear()
    if not offsets:
        return
    try:
        await consumer.commit(offsets)
    except KafkaError as error:  # the next owner reads them again; whoever applied them knows their ids
        log.warning("commit failed", extra={"error": type(error).__name__})


def _report_lag(consumer: AIOKafkaConsumer, group: str) -> None:
    for place in consumer.assignment():
        end = consumer.highwater(place)
        state = consumer._subscription.subscription
        if end is not None and state is not None and state.assignment is not None:
            with suppress(KeyError, AttributeError, AssertionError):
                position = state.assignment.state_value(place).position
                metrics.lag.labels(group, place.topic, place.partition).set(max(0, end - position))


def _forget_lag(places: Collection[TopicPartition], group: str) -> None:
    """Say nothing more of partitions that somebody else reads now."""
    for place in places:
        with suppress(KeyError):  # nothing was said of it yet
            metrics.lag.remove(group, place.topic, str(place.partition))


class _Drain(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """
    Before a partition is given away, finishes the batch in hand and commits it.

    `joining_since` is the loop's time since which the group has not said what this member reads.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, lock: asyncio.Lock, done: dict[TopicPartition, int], group: str
    ) -> None:
        self._group = group
        self._consumer = consumer
        self._lock = lock
        self._done = done
        self._clock = asyncio.get_running_loop().time
        self.joining_since: float | None = self._clock()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        async with self._lock:
            if revoked:
                await _commit(self._consumer, self._done)
        _forget_lag(revoked, self._group)
        self.joining_since = self._clock()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self.joining_since = None
        log.info("partitions assigned", extra={"count": len(assigned)})
        with suppress(KafkaError, OSError, TimeoutError):  # the client finds out by itself then
            async with asyncio.timeout(FIND_WITHIN_S):
                await _find_places(self._consumer, assigned)


async def _find_places(consumer: AIOKafkaConsumer, assigned: Collection[TopicPartition]) -> None:
    """
    Go to where each partition is to be read from: by one request. The client asks for one after another.

    :raises KafkaError: the broker does not tell, or the partitions are given away already.
    """
    committed = await consumer._coordinator.fetch_committed_offsets(list(assigned))
    offsets = {place: found.offset for place, found in committed.items() if found.offset >= 0}
    for place, offset in offsets.items():
        consumer.seek(place, offset)
    if unread := set(assigned) - set(offsets):
        await consumer.seek_to_beginning(*unread)


def merge(fetched: dict[TopicPartition, list[Any]]) -> list[Any]:
    """
    Return the rows of several partitions, by time where possible.

    The order within a partition is kept even where a clock ran backwards.
    """
    if len(fetched) == 1:
        return next(iter(fetched.values()))
    timed: list[tuple[int, Any]] = []
    for rows in fetched.values():
        latest = 0
        for row in rows:
            latest = max(latest, row.timestamp)
            timed.append((latest, row))
    timed.sort(key=itemgetter(0))
    return [row for _, row in timed]
