"""
Finds out that a group waits for a leader who is gone, and lets him leave properly.

Whoever leads a group shares out its partitions. The packaged broker goes on to name a leader who left just as
another member came: every round then ends without terms, for all members, also for those that come anew. A
broker that forgets who has left counts its rounds (generations), so there nothing here ever happens.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)

ROUNDS = 3  # of one generation under one leader, none of which came to terms
WITHIN_S = 15.0


class Rounds:
    """What a consumer's group answers whenever it asks to join; `consumer` is started, not yet subscribed."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._round = ("", -1)
        self._times = 0
        self._me = ""
        coordinator = consumer._coordinator
        send = coordinator._send_req

        async def noting(request: Any) -> Any:
            answer = await send(request)
            if getattr(answer, "leader_id", "") and not answer.error_code:
                self._note(answer.leader_id, answer.generation_id, answer.member_id)
            elif hasattr(answer, "member_assignment") and not answer.error_code:
                self._times = 0
            return answer

        coordinator._send_req = noting

    def _note(self, leader: str, generation: int, me: str) -> None:
        self._times = self._times + 1 if self._round == (leader, generation) else 1
        self._round = (leader, generation)
        self._me = me

    @property
    def absent(self) -> str:
        """Return the leader for whom the group waits in vain, "" where there is none."""
        leader, _ = self._round
        return leader if self._times >= ROUNDS and leader != self._me else ""


async def dismiss(make: Callable[[], AIOKafkaConsumer], topics: Collection[str], leader: str) -> None:
    """
    Take the place of a leader who is gone, share out what there is, and leave: then there is a new one.

    Two who do it at once do no harm: the second is a member like any other, for a moment.
    """
    consumer = make()
    arrived = _Arrived()
    try:
        await consumer.start()
        consumer._coordinator.member_id = leader
        consumer.subscribe(list(topics), listener=arrived)
        async with asyncio.timeout(WITHIN_S):
            await arrived.wait()
        log.warning("a leader who was gone has left", extra={"leader": leader})
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("a leader who is gone has not left", extra={"error": type(error).__name__})
    finally:
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(WITHIN_S):
                await consumer.stop()


class _Arrived(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Says when the group has come to terms."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """There is nothing in hand."""

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._event.set()
