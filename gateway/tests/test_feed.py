"""The gateway's consumer with stores in memory: facts in, streams out, and twice changes nothing."""

from gateway.conversation import Conversation
from gateway.feed import Feed
from gateway.hub import Hub
from gateway.stream import Stream
from gateway.tests.making import NOON, Clock, event
from gateway.tests.test_folding import ASSIGNED, ENDED, OFFERED, RELEASED, STARTED, said
from libs.events import agent, audit, routing
from libs.local import LocalStore
from libs.stored import Key

STATE = agent.StateEntered(agent_id="ana", pool_id="main", state="ready", since=NOON)
REFUSED = agent.RequestRefused(agent_id="ana", pool_id="main", request_id="e-9", code="offer_expired")
DAY = [
    event(fact, number=number, seconds=number)
    for number, fact in enumerate(
        (STATE, STARTED, said("hello"), OFFERED, ASSIGNED, said("hm"), ENDED, RELEASED, REFUSED)
    )
]


class World:
    """A feed with its stores."""

    def __init__(self) -> None:
        self.conversations: LocalStore[Conversation] = LocalStore(
            "conversations", lambda key: Conversation(key.id)
        )
        self.streams: LocalStore[Stream] = LocalStore("streams", lambda key: Stream())
        self.hub = Hub(self.streams)
        self.feed = Feed(self.conversations, self.streams, self.hub, Clock())

    def kinds(self, stream: str, tenant: str = "demo") -> list[str]:
        stored = self.streams.kept.get(Key(tenant, stream))
        frames = stored.state.frames if stored else ()
        return [text.split('"')[3] for text in frames]


async def test_it_writes_each_stream_in_the_order_of_the_facts() -> None:
    world = World()

    await world.feed(DAY)

    assert set(world.kinds("agent:ana")) == {
        "state", "offer", "assigned", "message", "ended", "released", "refused",
    }  # fmt: skip
    assert world.kinds("interaction:in-1") == [
        "started", "message", "offered", "agent_joined", "message", "ended", "agent_left",
    ]  # fmt: skip
    assert world.kinds("supervisors", "acme") == []


async def test_it_changes_nothing_when_everything_is_told_again() -> None:
    world = World()
    await world.feed(DAY)
    before = {key: stored.state for key, stored in world.streams.kept.items()}

    await world.feed(DAY)
    for each in DAY:
        await world.feed([each])

    assert {key: stored.state for key, stored in world.streams.kept.items()} == before


async def test_it_hands_on_frames_that_a_dead_process_left_behind() -> None:
    world = World()
    await world.feed(DAY)
    whole = world.kinds("interaction:in-1")
    world.streams.kept.clear()  # as if it had died before the streams were written

    for key in list(world.conversations.kept):
        stored = world.conversations.kept[key]
        await world.feed.tell(stored.untold)

    assert world.kinds("interaction:in-1") == whole


async def test_it_shows_supervisors_what_the_audit_says() -> None:
    world = World()
    about = {
        "breach_id": "b-1",
        "rule": "I2",
        "subject": "in-1",
        "what": "assigned to ben while ana holds it",
    }
    facts = (
        audit.BreachFound.model_validate({**about, "event_ids": ("e-1", "e-2")}),
        audit.BreachMended.model_validate(about),
        audit.LedgerChecked(checked_at=NOON, opened=1, open=1, overdue=0, breaches={"I2": 1}),
    )

    await world.feed([event(fact, number=number) for number, fact in enumerate(facts)])

    assert world.kinds("supervisors") == ["breach_found", "breach_mended", "audit"]


async def test_it_wakes_a_reader_with_what_is_new() -> None:
    world = World()
    with world.hub.reading(Key("demo", "interaction:in-1")) as reader:
        await world.feed(DAY)

        portion = await reader.after(0)

    assert [seq for seq, _ in portion.frames] == [1, 2, 3, 4, 5, 6, 7]


async def test_a_customer_and_supervisors_are_told_what_becomes_of_a_callback() -> None:
    world = World()
    of = {"callback_id": "cb", "pool_id": "main", "queue_id": "service"}
    facts = (
        routing.CallbackScheduled(**of, contact_id="in-1", due_at=NOON),
        routing.CallbackStarted(**of, contact_id="in-1"),
        routing.CallbackRefused(**of, request_id="e-1", code="callback_exists"),
        routing.CallbackCancelled(**of),
    )

    await world.feed([event(fact, number=number, seconds=number) for number, fact in enumerate(facts)])

    assert world.kinds("interaction:in-1") == ["callback"] * 2
    assert world.kinds("supervisors") == ["callback"] * 4
