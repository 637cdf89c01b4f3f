"""A day is accounted for to the last contact, by two processes; what is forged is named at every door."""

import asyncio
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import httpx
import pytest
import websockets
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich.console import Console

from deploy.dev import audit
from deploy.dev.demo.__main__ import main
from deploy.dev.demo.door import Door, DoorClosed, Json
from deploy.dev.seed import seed
from libs import bus, clock
from libs.events import analytics, interaction, routing
from libs.events.base import AnyEvent, Event, Fact
from libs.settings import Settings
from tests.integration.people import eventually
from tests.servers import broker_server, mongo_server
from tests.stack import Stack, running_stack

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

CUSTOMERS = 14
AUDITS = ("audit", "audit-2")


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a running platform, two of everything, whose audit does not wait long."""
    folders = [tmp_path_factory.mktemp(name) for name in ("mongo", "broker", "stack")]
    soon = {
        "TRUNKLINE_AUDIT_CHECK_S": "1",
        "TRUNKLINE_AUDIT_SETTLE_S": "1",
        "TRUNKLINE_AUDIT_GAP_S": "5",
        "TRUNKLINE_AUDIT_FIGURES_S": "12",
    }
    with (
        mongo_server(folders[0]) as mongo,
        broker_server(folders[1]) as broker,
        running_stack(folders[2], mongo.address, broker.address, soon, replicas=2) as running,
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

    async def shown_by_both() -> bool:
        return all({"demo I2 1.0", "demo I3 3.0"} <= breaches_in_metrics(audited, name) for name in AUDITS)

    await eventually(shown_by_both)
    one, other = (places_in_metrics(audited, name) for name in AUDITS)
    assert one
    assert other
    await door.close()


async def test_it_compares_figures_as_they_are_told_and_goes_on_when_one_process_is_killed(
    audited: Stack,
) -> None:
    door = Door(audited.gateway_url)
    token = await door.token("supervisor1")
    opened = (await door.get("/v1/audit", token))["contacts"]["opened"]
    began = clock.now() - timedelta(hours=3)
    quarter = began.replace(minute=began.minute // 15 * 15, second=0, microsecond=0)
    subject = f"branch@{quarter:%Y%m%dT%H%M}"
    audited.kill("audit")

    await tell(audited, [event for number in range(3) for event in served_elsewhere(number, quarter)])

    async def found(what: str, status: str) -> Json | None:
        rows = (await door.get("/v1/audit/breaches", token, {"rule": "I6", "status": status}))["items"]
        return next((row for row in rows if row["subject"] == subject and row["what"] == what), None)

    # Analytics waits for more before it tells an old interval again, and the audit waits for it.
    untold = "analytics told no figures of it"
    assert await eventually(lambda: found(untold, "mended"), within_s=90)
    assert (await door.get("/v1/audit", token))["contacts"]["opened"] == opened + 3

    wrong = analytics.IntervalClosed(
        dimension="queue",
        id="branch",
        interval_start=quarter,
        interval_minutes=15,
        revision=99,
        definitions_version=1,
        figures={"offered": 3, "answered": 2},
    )
    await tell(audited, [Event("forged-figures", "demo", clock.now(), wrong, "j-0", source="/forger")])

    what = "analytics says answered 2 instead of 3"
    breach = await eventually(lambda: found(what, "open"), within_s=60)
    assert [each["event_id"] for each in breach["events"]] == ["forged-figures"]
    event = await door.get(breach["events"][0]["href"], token)
    assert (event["type"], event["data"]["revision"]) == ("trunkline.analytics.interval_closed.v1", 99)
    with pytest.raises(DoorClosed, match="403"):
        await door.get(breach["events"][0]["href"], await door.token("agent1"))
    await door.close()


def served_elsewhere(number: int, at: datetime) -> Iterator[AnyEvent]:
    """Yield the life of a contact of an outside ACD, answered at once."""
    name = f"branch-{number}"
    facts: tuple[Fact, ...] = (
        interaction.Started(
            interaction_id=name, channel="voice", entry_point="branch", distribution="external"
        ),
        interaction.QueueEntered(interaction_id=name, queue_id="branch"),
        interaction.MediaChanged(interaction_id=name, change="answered", agent_id="eve", queue_id="branch"),
        interaction.Ended(interaction_id=name, by="customer"),
    )
    for step, fact in enumerate(facts):
        time = at + timedelta(seconds=20 * step)
        yield Event(f"{name}-{step}", "demo", time, fact, f"j-{name}", source="/branch", sequence=step + 1)


async def tell(stack: Stack, events: Sequence[AnyEvent]) -> None:
    """Publish events as somebody else than the services."""
    settings = Settings(kafka_bootstrap=stack.env["TRUNKLINE_KAFKA_BOOTSTRAP"])
    async with bus.connect(settings, "/forger") as door:
        await door.publish(events)


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
    await tell(stack, events)
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


def breaches_in_metrics(stack: Stack, name: str) -> set[str]:
    """Return tenant, rule and number of breaches as a process of the audit exposes them to scrapers."""
    return {
        f"{each.labels['tenant']} {each.labels['rule']} {each.value}"
        for each in samples(stack, name, "trunkline_audit_breaches")
    }


def places_in_metrics(stack: Stack, name: str) -> set[str]:
    """Return topic and partition of all that a process of the audit has read."""
    read = samples(stack, name, "trunkline_bus_lag")
    return {f"{each.labels['topic']} {each.labels['partition']}" for each in read}


def samples(stack: Stack, name: str, metric: str) -> list[Sample]:
    answer = httpx.get(stack.metrics_url(name), trust_env=False)
    families = text_string_to_metric_families(answer.text)
    return [each for family in families for each in family.samples if each.name == metric]


async def printed(stack: Stack) -> tuple[int, str]:
    """Return what `make audit` ends with and its last sentence."""
    console = Console(file=io.StringIO(), width=200)
    ended = await audit.main(stack.gateway_url, "demo", console)
    assert isinstance(console.file, io.StringIO)
    return ended, console.file.getvalue().strip().splitlines()[-1].partition("read. ")[2]
