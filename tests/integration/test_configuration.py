"""A configuration is exported, changed as a file and moved to another tenant, by the outer doors only."""

from typing import Any

import httpx
import pytest

from deploy.dev.configuration import exported, lines_of, taken_over
from deploy.dev.demo.door import Door, DoorClosed
from tests.integration.people import Person, eventually

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

PATH = "/v1/routing/configuration"
STRATEGY = """
strategy_id: calm
queues: [spare]
select: {order: [round_robin]}
hours: {calendar: {time_zone: UTC, weekly: {0: [{start: "00:00", end: "00:00"}]},
  holidays: ["2026-10-01", "2026-01-01"]}}
"""
MORE = """
calendars:
  always:
    time_zone: Asia/Shanghai
    weekly: {"0": [{start: 00:00, end: 00:00}], "1": [{start: 00:00, end: 00:00}]}
    holidays: [2031-10-01, 2031-01-01]
reasons: {break: {name: Break, name_zh: 休息}, training: }
pools:
  main:
    queues:
      spare: {name: Spare, overflow_queue_id: service}
    agents:
      agent12: {name: Agent 12, team: team-b, skills: {service: 4}, schedule: always}
"""


class Files:
    """The doors for files, as an administrator uses them."""

    def __init__(self, door: Door, token: str) -> None:
        self._headers = {"authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(base_url=door.url, timeout=30, trust_env=False)

    async def export(self, accept: str = "application/yaml") -> httpx.Response:
        answer = await self._client.get(PATH, headers={**self._headers, "accept": accept})
        assert answer.status_code == 200, answer.text
        return answer

    async def send(self, text: str, query: str = "", **headers: str) -> httpx.Response:
        kind = {"content-type": "application/yaml", **headers}
        return await self._client.post(
            f"{PATH}?{query}", content=text.encode(), headers={**self._headers, **kind}
        )

    async def take_over(self, text: str, query: str = "", **headers: str) -> dict[str, Any]:
        answer = await self.send(text, query, **headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def close(self) -> None:
        await self._client.aclose()


def shown(answer: dict[str, Any]) -> list[str]:
    return [f"{each['change']} {each['section']} {each['item_id']}" for each in answer["changes"]]


async def test_a_configuration_moves_between_tenants_as_a_file(door: Door) -> None:
    admin, other = await door.token("admin1"), await door.token("acme-admin1")
    here, there = Files(door, admin), Files(door, other)
    await door.send("POST", "/v1/strategies", admin, {"strategy": {"text": STRATEGY}})
    before = await here.export()

    dry = await here.take_over(MORE, "dry_run=true")
    assert (await here.export()).text == before.text
    wet = await here.take_over(MORE, **{"if-match": before.headers["etag"]})

    assert shown(dry) == shown(wet)
    assert {"added calendars always", "added reasons break", "changed agents agent12"} <= set(shown(wet))
    (agent12,) = [each for each in wet["changes"] if each["item_id"] == "agent12"]
    assert {"field": "skills.service", "before": 2, "after": 4} in agent12["fields"]
    late = await here.send("skills: {late: }", **{"if-match": before.headers["etag"]})
    assert (late.status_code, late.json()["code"]) == (412, "version_conflict")

    file = await here.export()
    assert file.headers["content-type"].startswith("application/yaml")
    moved = await there.take_over(file.text)
    assert "added strategies calm" in shown(moved)
    assert (await there.export()).text == file.text
    assert shown(await there.take_over(file.text, "prune=true")) == []
    as_json = await here.export("application/json")
    same = await there.take_over(
        as_json.text, "dry_run=true&prune=true", **{"content-type": "application/json"}
    )
    assert shown(same) == []

    async def followed() -> bool:
        found = (await door.get("/v1/queues", other))["items"]
        return {"spare", "service", "sales", "vip"} <= {each["queue_id"] for each in found}

    await eventually(followed)
    back = await here.take_over(before.text, "prune=true")
    assert {"removed queues spare", "removed calendars always", "removed reasons break"} <= set(shown(back))
    assert (await here.export()).text == before.text
    await here.close()
    await there.close()


async def test_what_is_wrong_or_in_use_is_refused_with_its_place(door: Door) -> None:
    admin = await door.token("admin1")
    files = Files(door, admin)
    await files.take_over("reasons: {break: , training: }")

    wrong = await files.send("pools:\n  main:\n    queues:\n      spare: {prioritee: 3}\n")
    bomb = await files.send("a: &a [x]\nb: [*a, *a]\n")
    text = await files.send("skills: {}", **{"content-type": "text/plain"})

    assert (wrong.status_code, wrong.json()["violations"]) == (
        422,
        [
            {
                "field": "pools.main.queues.spare.prioritee",
                "text": "line 4: is not known here",
                "reason": "invalid",
            }
        ],
    )
    assert (bomb.status_code, text.status_code) == (422, 415)

    ana = Person(door, "/v1/agent/socket", await door.token("agent1"), "agent1")
    await ana.do("sign_in")
    await ana.do("ready")
    await ana.sees("state", state="ready")
    await ana.do("not_ready", reason="shopping")
    await ana.sees("refused", detail="unknown_reason: one of break, training")
    await ana.do("not_ready", reason="training")
    await ana.sees("state", state="not_ready", reason="training")

    with pytest.raises(DoorClosed, match="in_use"):
        await door.send("DELETE", f"{PATH}/agents/agent1", admin, None)
    await door.send("PUT", f"{PATH}/agents/agent99", admin, {"name": "Nobody yet"})

    async def known() -> bool:
        return any(each["agent_id"] == "agent99" for each in (await door.get("/v1/agents", admin))["items"])

    async def gone() -> bool:
        return not await known()

    await eventually(known)
    await door.send("DELETE", f"{PATH}/agents/agent99", admin, None)
    await eventually(gone)
    await door.send("DELETE", f"{PATH}/reasons/break", admin, None)
    await door.send("DELETE", f"{PATH}/reasons/training", admin, None)
    await ana.leave()
    await files.close()


async def test_the_commands_move_a_file(door: Door) -> None:
    text = await exported(door, "demo")

    other = text.replace("name: Agent 3", "name: Ana")
    dry = await taken_over(door, "demo", other, dry_run=True, prune=True)
    await taken_over(door, "acme", text, dry_run=False, prune=True)

    changed = ["changed agents/main/agent3", "    name: Agent 3 -> Ana"]
    assert list(lines_of(dry))[:-1] == changed
    assert await exported(door, "demo") == text
    assert await exported(door, "acme") == text
