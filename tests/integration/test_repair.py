"""Poisoned topics are put right through the outer doors, letters once, projections while people go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from deploy.dev.demo.__main__ import main as demo
from deploy.dev.demo.door import Door
from deploy.dev.processes import ServerFailed
from deploy.dev.seed import seed
from libs import bus, clock, mongo, topics, wire
from libs.bus_following import Follower, Place, follow
from libs.events import interaction
from libs.events.base import Event
from libs.settings import Settings
from libs.wire import Record
from services.rebuild import rebuild as services_rebuild
from tests.integration.watcher import everything
from tests.servers import broker_server, mongo_server
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

TOPIC = "trunkline.interaction"
PACE = 300.0
SECRET_TEXT = "my-card-is-6222020000000000"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a running platform, two of everything, shared by the tests of this file."""
    folders = [tmp_path_factory.mktemp(name) for name in ("mongo", "broker", "stack")]
    with (
        mongo_server(folders[0]) as mongo_at,
        broker_server(folders[1]) as broker,
        running_stack(folders[2], mongo_at.address, broker.address, replicas=2) as running,
    ):
        yield running


@pytest.fixture
async def door(stack: Stack) -> AsyncIterator[Door]:
    made = Door(stack.gateway_url)
    yield made
    await made.close()


async def eventually(ask: Callable[[], Awaitable[Any]], within_s: float = 30) -> Any:
    """Return the first answer that is not empty."""
    async with asyncio.timeout(within_s):
        while not (answer := await ask()):  # noqa: ASYNC110 - the answer comes over HTTP
            await asyncio.sleep(0.1)
        return answer


async def publish(stack: Stack, records: list[Record]) -> None:
    """Write records past the gateway, as a broken service would."""
    settings = Settings(kafka_bootstrap=stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"])
    async with bus.connect(settings, "/trunkline/test") as a_bus:
        await a_bus.publish_records(records)


def started(interaction_id: str, tenant: str = "demo") -> Record:
    data = interaction.Started(
        interaction_id=interaction_id, channel="chat", visitor_id="v-1", entry_point="web-chat"
    )
    event: Event[interaction.Started] = Event(
        f"e-{interaction_id}",
        tenant,
        clock.now(),
        data,
        f"j-{interaction_id}",
        source="/test/adapter",
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    return wire.encode(event)


def poisoned(record: Record) -> Record:
    """Return the record with a channel that there is not, and something that nobody else should see."""
    value = (record.value or b"").replace(b'"chat"', b'"pigeon"')
    return record._replace(value=value[:-1] + b',"note":"' + SECRET_TEXT.encode() + b'"}')


async def asked(door: Door, method: str, path: str, token: str, **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", **more.pop("headers", {})}
    async with httpx.AsyncClient(base_url=door.url, timeout=20, trust_env=False) as client:
        return await client.request(method, path, headers=headers, **more)


async def test_it_puts_a_poisoned_topic_right_once(door: Door, stack: Stack) -> None:
    admin, foreign, agent = [await door.token(user) for user in ("admin1", "acme-admin1", "agent1")]
    orphan = poisoned(started("orphan"))
    orphan = orphan._replace(headers=tuple(each for each in orphan.headers if each[0] != "ce_tenant"))
    await publish(stack, [poisoned(started("c-1")), poisoned(started("c-2")), orphan])

    async def listed() -> list[dict[str, Any]]:
        found = (await door.get("/v1/dead-letters", admin, {"topic": TOPIC, "status": "open"}))["items"]
        return found if len(found) == 2 else []

    # Listed without content, to the tenant's admin only; the orphan is shown to nobody here.
    letters = await eventually(listed)
    letter = next(each for each in letters if each["event_id"] == "e-c-1")
    path = f"/v1/dead-letters/{letter['letter_id']}"
    assert (letter["reason"], letter["detail"]) == ("bad_data", "channel: literal_error")
    assert SECRET_TEXT not in str(letters)
    assert (await door.get("/v1/dead-letters", foreign))["items"] == []
    for token, status in ((foreign, 404), (agent, 403)):
        assert (await asked(door, "GET", path, token)).status_code == status
        assert (await asked(door, "POST", f"{path}/replay", token)).status_code == status
        assert (await asked(door, "GET", f"{path}/audit", token)).status_code == status

    # Inspected, repaired against its contract, replayed once.
    seen = await asked(door, "GET", path, admin)
    assert SECRET_TEXT in seen.json()["original"]["text"]
    data = {"interaction_id": "c-1", "channel": "chat", "visitor_id": "v-1", "entry_point": "web-chat"}
    wrong = await asked(door, "PATCH", path, admin, json={"data": {**data, "channel": "owl"}})
    assert (wrong.status_code, wrong.json()["violations"][0]["reason"]) == (422, "bad_data")
    no_text = await asked(door, "PATCH", path, admin, content=rb'{"data": {"a": "\ud800"}}')
    assert no_text.status_code == 422
    match = {"if-match": seen.headers["etag"]}
    mended = await asked(door, "PATCH", path, admin, json={"data": data, "note": "a typo"}, headers=match)
    assert (mended.status_code, mended.json()["edited"]) == (200, True)
    stale = await asked(door, "PATCH", path, admin, json={"data": data}, headers=match)
    assert stale.status_code == 412
    key = {"idempotency-key": "replay-c-1"}
    replayed = [await asked(door, "POST", f"{path}/replay", admin, headers=key) for _ in range(2)]
    again = await asked(door, "POST", f"{path}/replay", admin)
    assert [each.status_code for each in replayed] == [200, 200]
    assert (again.status_code, again.json()["code"]) == (409, "already_replayed")

    # Its effect is seen once: one session, and one more record of the event.
    async def journey() -> list[dict[str, Any]]:
        found = (await door.get("/v1/journeys/j-c-1", admin))["items"]
        return [each for each in found if each["type"].endswith("session.started.v1")]

    assert len(await eventually(journey)) == 1
    events = await everything(stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"])
    assert [each.data["channel"] for each in events if each.id == "e-c-1"] == ["pigeon", "chat"]

    # The other comes back from a replay as it is, as a new letter with a link, and is discarded.
    other = next(each for each in letters if each["event_id"] == "e-c-2")["letter_id"]
    sent = await asked(door, "POST", "/v1/dead-letters/replay", admin, json={"topic": TOPIC})
    assert (sent.json()["letter_ids"], sent.json()["more"]) == ([other], False)

    async def back() -> list[dict[str, Any]]:
        found = (await door.get("/v1/dead-letters", admin, {"status": "open"}))["items"]
        return [each for each in found if each["replay_of"] == other]

    (returned,) = await eventually(back)
    assert (await asked(door, "GET", f"/v1/dead-letters/{other}", admin)).json()["came_back_as"] == [
        returned["letter_id"]
    ]
    path = f"/v1/dead-letters/{returned['letter_id']}"
    assert (await asked(door, "POST", f"{path}/discard", admin, json={})).status_code == 422
    discarded = await asked(door, "POST", f"{path}/discard", admin, json={"why": "a pigeon"})
    assert (discarded.json()["status"], discarded.json()["why"]) == ("discarded", "a pigeon")
    lines = (await door.get(f"/v1/dead-letters/{letter['letter_id']}/audit", admin))["items"]
    assert [(each["what"], each["by"]) for each in lines] == [
        ("replayed", "admin1"),
        ("edited", "admin1"),
        ("inspected", "admin1"),
    ]
    assert lines[1]["before_sha256"] == letter["sha256"] != lines[1]["after_sha256"]

    # The shell sees what no tenant does, and goes the same way.
    shell = await asyncio.to_thread(stack.run, "services.repair.command", "list", "--status", "open")
    assert "(installation)" in shell and "1 dead letters" in shell and SECRET_TEXT not in shell
    name = shell.split()[0]
    discard = ("discard", name, "--why", "belongs to nobody")
    assert "discarded" in await asyncio.to_thread(stack.run, "services.repair.command", *discard)
    replay = ("replay", "--topic", TOPIC)
    assert "0 replayed" in await asyncio.to_thread(stack.run, "services.repair.command", *replay)


async def rebuild(stack: Stack, *words: str) -> str:
    """Return what the command prints. :raises ServerFailed: it ended with another code than 0."""
    return await asyncio.to_thread(stack.run, "services.rebuild", *words)


async def figures(door: Door, token: str) -> dict[str, float]:
    """Return what analytics says of the tenant, of today and around it."""
    day = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    query: dict[str, str | int] = {
        "from": day.isoformat(),
        "to": (day + timedelta(days=3)).isoformat(),
        "dimension": "tenant",
        "interval": 0,
    }
    found: dict[str, float] = (await door.get("/v1/reports", token, query))["total"]["figures"]
    return found


async def at_rest(door: Door, token: str) -> dict[str, float]:
    """Return the figures once they stand still: people have gone home, and that is counted too."""
    seen = [await figures(door, token)]
    async with asyncio.timeout(40):
        while seen[-4:] != [seen[-1]] * 4:
            await asyncio.sleep(0.7)
            seen.append(await figures(door, token))
    return seen[-1]


async def test_it_computes_projections_anew_while_people_go_on(door: Door, stack: Stack) -> None:
    await seed(door)
    admin = await door.token("admin1")
    day = asyncio.create_task(demo(stack.gateway_url, PACE, seed=5, count=30, agent_count=8))

    said = []
    try:
        for _ in range(2):
            await asyncio.sleep(4)
            assert not day.done()
            said.append(await rebuild(stack, "analytics"))
        differing = await day
    finally:
        day.cancel()
        await asyncio.wait({day})

    # What people counted of the whole day is what analytics counted, before and after the exchange.
    assert differing == 0
    assert all("intervals" in each and "DIFFER" not in each and "in force" in each for each in said)
    before = await at_rest(door, admin)
    again = (("analytics", "--archive"), ("session",), ("repair",))
    said = [await rebuild(stack, *words) for words in again]
    assert all("equal" in each and "DIFFER" not in each for each in said), said
    assert "from the archive" in said[0]
    assert await figures(door, admin) == before
    events = await everything(stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"])
    closed = {each.id for each in events if each.name == "session.contact_closed" and each.tenant == "demo"}
    assert before["contacts"] == len(closed) >= 20


async def test_it_finds_what_is_wrong_and_mends_it(door: Door, stack: Stack) -> None:
    admin = await door.token("admin1")
    right = await at_rest(door, admin)
    name = f"{stack.env['TRUNKLINE_MONGO_DATABASE_PREFIX']}analytics"
    async with mongo.connect(stack.env["TRUNKLINE_MONGO_URL"], name) as database:
        where = {"tenant": "demo", "ix.dimension": "tenant", "state.counts.contacts": {"$gt": 0}}
        spoilt = await database["intervals"].find_one_and_update(
            where, {"$inc": {"state.counts.contacts": 7}}
        )
    assert spoilt is not None

    with pytest.raises(ServerFailed) as refused:
        await rebuild(stack, "analytics")
    wrong = await figures(door, admin)
    said = await rebuild(stack, "analytics", "--force")

    assert f"differs: {spoilt['_id']}" in str(refused.value)
    assert "the live state was kept" in str(refused.value)
    assert wrong["contacts"] == right["contacts"] + 7
    assert "1 DIFFER" in said
    assert await figures(door, admin) == right
    with pytest.raises(ServerFailed, match="not rebuilt from topics"):
        await rebuild(stack, "crm_context")


async def test_it_does_not_wait_long_for_a_replica_that_was_killed(door: Door, stack: Stack) -> None:
    admin = await door.token("admin1")
    before = await at_rest(door, admin)
    stack.kill("analytics-2")

    said = await rebuild(stack, "analytics")

    assert "DIFFER" not in said
    assert "in force" in said
    stack.restart("analytics-2")
    assert await figures(door, admin) == before


@asynccontextmanager
async def cut(
    settings: Settings, names: Collection[str], start: Mapping[Place, int] | None
) -> AsyncIterator[Follower]:
    """Follow topics as if the broker had dropped the older half of each partition of trunkline.session."""
    ends: dict[Place, int] = {}
    async for record in topics.records_of(settings, "trunkline.session"):
        place = record.topic, record.partition
        ends[place] = max(ends.get(place, 0), record.offset + 1)
    firsts = {place: end // 2 for place, end in ends.items()}
    assert sum(firsts.values()) > 20
    begin = {**(start or {})}
    begin.update({place: max(first, begin.get(place, 0)) for place, first in firsts.items()})
    async with follow(settings, names, begin) as follower:
        follower.firsts.update(firsts)
        yield follower


async def test_it_reads_from_the_archive_what_a_topic_has_dropped_and_says_what_is_nowhere(
    door: Door, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = await door.token("admin1")
    before = await at_rest(door, admin)
    settings = settings_of(stack)
    said, codes = [], []

    async def rebuilt(*, force: bool = False) -> None:
        codes.append(await services_rebuild(settings, "analytics", force=force, archive=False, opened=cut))
        said.append(capsys.readouterr().out)

    await rebuilt()
    (stack.folder / "objects" / "archive").rename(stack.folder / "elsewhere")
    await rebuilt()
    await rebuilt(force=True)
    after = await figures(door, admin)

    assert codes == [0, 1, 1]
    assert "trunkline.session: what the broker no longer has is read from the archive" in said[0]
    assert "in force" in said[0]
    assert "DIFFER" not in said[0]
    for each in said[1:]:
        assert "are neither with the broker nor in the archive" in each
        assert "cannot be equal" in each
        assert "in force" not in each
    assert after == before


def settings_of(stack: Stack) -> Settings:
    """Return the settings of the stack's services."""
    env = stack.env
    return Settings(
        kafka_bootstrap=env["TRUNKLINE_KAFKA_BOOTSTRAP"],
        mongo_url=env["TRUNKLINE_MONGO_URL"],
        mongo_database_prefix=env["TRUNKLINE_MONGO_DATABASE_PREFIX"],
        data_dir=stack.folder,
        service_secret=env["TRUNKLINE_SERVICE_SECRET"],
    )
