"""A simulated day is accounted for to the last contact; a forged fact is named at every door of the audit."""

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import websockets
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from deploy.dev import audit
from deploy.dev.demo.__main__ import main
from deploy.dev.demo.door import Door, DoorClosed, Json
from deploy.dev.seed import seed
from libs import bus, clock
from libs.events import routing
from libs.events.base import AnyEvent, Event
from libs.settings import Settings
from tests.integration.people import eventually
from tests.servers import broker_server, mongo_server
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

CUSTOMERS = 14


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a running platform whose audit does not wait long."""
    folders = [tmp_path_factory.mktemp(name) for name in ("mongo", "broker", "stack")]
    soon = {"TRUNKLINE_AUDIT_CHECK_S": "1", "TRUNKLINE_AUDIT_SETTLE_S": "1", "TRUNKLINE_AUDIT_GAP_S": "5"}
    with (
        mongo_server(folders[0]) as mongo,
        broker_server(folders[1]) as broker,
        running_stack(folders[2], mongo.address, broker.address, soon) as running,
    ):
        yield running


async def test_it_accounts_for_a_day_and_names_a_forged_assignment(audited: Stack) -> None:
    door = Door(audited.gateway_url)
    await seed(door)
    token = await door.token("supervisor1")
    assert await main(audited.gateway_url, 300.0, seed=5, count=CUSTOMERS, agent_count=4) == 0

    began = len((await door.get("/v1/reports/contacts", token, {"limit": 100}))["items"])

    async def whole_day() -> Json | None:
        found = await door.get("/v1/audit", token)
        contacts = found["contacts"]
        return found if contacts["opened"] >= began and contacts["open"] == 0 else None

    clean = await eventually(whole_day)
    assert clean["contacts"]["opened"] == began > CUSTOMERS // 2
    assert sum(clean["contacts"]["closed"].values()) == clean["contacts"]["opened"]
    assert (clean["verdict"], clean["contacts"]["overdue"]) == ("clean", 0), await breaches_at(door, token)
    assert all(rule["status"] == "ok" for rule in clean["rules"])
    assert all(each["read"] == each["events"] for each in clean["reading"]["partitions"] if each["read"])
    assert await printed(audited) == (0, "No rule is broken.")

    account = await an_answered_contact(door, token)
    assigned = next(line for line in account["lines"] if line["what"] == "routing.contact_assigned")
    assert (await door.get(assigned["href"], token))["type"] == "trunkline.routing.contact_assigned.v1"

    watching = asyncio.create_task(breach_in_the_stream(audited.gateway_url, token))
    await asyncio.sleep(0.5)
    forged = await forge(audited, account, assigned)
    told = await watching
    what = "assigned to agent8 while agent9 holds it"
    assert (told["subject"], told["what"]) == (account["contact_id"], what)
    assert told["event_ids"] == forged

    breaches = await breaches_at(door, token)
    assert {each["rule"] for each in breaches} == {"I2", "I3"}
    (breach,) = [each for each in breaches if each["rule"] == "I2"]
    assert (breach["contact_id"], breach["what"], breach["status"]) == (account["contact_id"], what, "open")
    assert [event["event_id"] for event in breach["events"]] == forged

    async def journaled() -> Json | None:
        with suppress(DoorClosed):  # it is not in the journal yet
            return await door.get(breach["events"][1]["href"], token)
        return None

    assert (await eventually(journaled))["data"]["agent_id"] == "agent8"
    assert (await door.get("/v1/audit", token))["verdict"] == "breached"
    assert (await printed(audited))[0] == 1
    assert {"demo I2 1.0", "demo I3 3.0"} <= breaches_in_metrics(audited)
    await door.close()


async def breaches_at(door: Door, token: str) -> list[Json]:
    return list((await door.get("/v1/audit/breaches", token))["items"])


async def an_answered_contact(door: Door, token: str) -> Json:
    """Return the account of a contact that an agent served, found through the report of contacts."""
    admin = await door.token("admin1")
    found = await door.get("/v1/reports/contacts", admin, {"terminal_state": "handled", "limit": 1})
    return await door.get(f"/v1/audit/contacts/{found['items'][0]['interaction_id']}", token)


async def forge(stack: Stack, account: Json, assigned: Json) -> list[str]:
    """Publish what no service told: the contact, long released, is assigned to one agent and to another."""
    events: list[AnyEvent] = [
        Event(
            f"forged-{agent_id}",
            "demo",
            clock.now(),
            routing.ContactAssigned(
                session_id=account["session_id"],
                contact_id=account["contact_id"],
                pool_id="main",
                queue_id=assigned["queue_id"],
                channel=account["channel"],
                offer_id=offer_id,
                agent_id=agent_id,
                waited_ms=0,
            ),
            account["journey_id"],
            source="/forger",
        )
        for agent_id, offer_id in (("agent9", assigned["offer_id"]), ("agent8", "forged-offer"))
    ]
    settings = Settings(kafka_bootstrap=stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"])
    async with bus.connect(settings, "/forger") as door:
        await door.publish(events)
    return [event.id for event in events]


async def breach_in_the_stream(url: str, token: str) -> Json:
    """Return the first breach that a supervisor's socket tells."""
    address = f"{url.replace('http', 'ws', 1)}/v1/supervisor/socket?access_token={token}"
    async with asyncio.timeout(30), websockets.connect(address) as socket:
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] == "breach_found" and frame["data"]["rule"] == "I2":
                return dict(frame["data"])
    raise AssertionError("the stream ended")


def breaches_in_metrics(stack: Stack) -> set[str]:
    """Return tenant, rule and number of breaches as the audit exposes them to scrapers."""
    answer = httpx.get(f"http://127.0.0.1:{stack.replicas[0].health['audit']}/metrics", trust_env=False)
    return {
        f"{sample.labels['tenant']} {sample.labels['rule']} {sample.value}"
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "trunkline_audit_breaches"
    }


async def printed(stack: Stack) -> tuple[int, str]:
    """Return what `make audit` ends with and its last sentence."""
    console = Console(file=io.StringIO(), width=200)
    ended = await audit.main(stack.gateway_url, "demo", console)
    assert isinstance(console.file, io.StringIO)
    return ended, console.file.getvalue().strip().splitlines()[-1].partition("read. ")[2]
