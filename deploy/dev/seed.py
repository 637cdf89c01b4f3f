"""
Seed the demo tenant through the gateway: queues, agents, flows, customers. Seeding again changes nothing.

python -m deploy.dev.seed
"""

import asyncio
import csv
import hashlib
import io
import os
import sys
from typing import Any

from deploy.dev.demo.door import Door, DoorClosed
from deploy.dev.settings import ROOT

FLOWS = ROOT / "services" / "ivr" / "flows"
FAMILY = "李王张刘陈杨赵黄周吴"
GIVEN = ("伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "洋", "艳")
CUSTOMERS = 40
COLUMNS = (
    "name",
    "identity.phone",
    "vip_level",
    "language",
    "tags",
    "profile.balance",
    "profile.card_bill",
)

QUEUES: dict[str, dict[str, Any]] = {
    "service": {
        "name": "Customer service",
        "name_zh": "客户服务",
        "needs": [{"skill": "service"}],
        "offer_timeout_s": 15,
        "wrap_up_s": 60,
        "service_level_s": 20,
    },
    "sales": {
        "name": "Loans and savings",
        "name_zh": "贷款与理财",
        "needs": [{"skill": "sales"}],
        "priority": 1,
        "offer_timeout_s": 15,
        "wrap_up_s": 90,
        "service_level_s": 30,
    },
    "vip": {
        "name": "VIP service",
        "name_zh": "贵宾服务",
        "needs": [{"skill": "service", "level": 3}, {"skill": "vip", "hard": False, "weight": 5}],
        "priority": 10,
        "offer_timeout_s": 10,
        "wrap_up_s": 60,
        "service_level_s": 10,
    },
}


def agents() -> dict[str, dict[str, Any]]:
    """Return the twelve agents: all serve, five sell, three are good enough for VIPs."""
    made: dict[str, dict[str, Any]] = {}
    for number in range(1, 13):
        skills = {"service": 5 if number <= 3 else 2}
        skills |= {"sales": 3} if 5 <= number <= 9 else {}
        skills |= {"vip": 4} if number <= 2 else {}
        made[f"agent{number}"] = {
            "name": f"Agent {number}",
            "team": "team-a" if number <= 6 else "team-b",
            "skills": skills,
            "capacity": {"voice": 1, "chat": 2},
        }
    return made


def customers_csv() -> str:
    """Return the customers as the CSV that an administrator would import."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    for number in range(1, CUSTOMERS + 1):
        name = FAMILY[number % len(FAMILY)] + GIVEN[number * 7 % len(GIVEN)]
        vip = 3 if number % 10 == 0 else 0
        language = "en" if number % 4 == 0 else "zh-CN"
        phone = f"+861380000{number:04d}"
        writer.writerow([name, phone, vip, language, "demo", 1000 + number * 137, number * 59 % 900])
    return table.getvalue()


def flow_texts() -> list[str]:
    """Return the flows that come with the platform."""
    paths = [path for path in sorted(FLOWS.glob("*.yaml")) if not path.name.endswith(".test.yaml")]
    return [path.read_text("utf-8") for path in paths]


async def seed(door: Door, user: str = "admin1") -> list[str]:
    """Seed by an administrator's hand and return what there is now, one line each."""
    token = await door.token(user)
    for queue_id, config in QUEUES.items():
        await door.send("PUT", f"/v1/queues/{queue_id}", token, config)
    for agent_id, config in agents().items():
        await door.send("PUT", f"/v1/agents/{agent_id}", token, config)
    published = [await _publish(door, token, text) for text in flow_texts()]
    imported = await door.send_text("POST", "/v1/customers/import", token, customers_csv(), "text/csv")
    if imported.get("errors"):
        raise DoorClosed(f"customers were refused: {imported['errors'][:3]}")
    return [
        f"queues: {', '.join(QUEUES)}",
        f"agents: {len(agents())}",
        f"flows: {', '.join(published)}",
        f"customers: {CUSTOMERS}",
    ]


async def _publish(door: Door, token: str, text: str) -> str:
    """Publish a flow; the same text again is the same command, so it makes no new version."""
    key = f"seed-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    body = {"flow": {"text": text}, "comment": "demo"}
    answer = await door.send("POST", "/v1/flows", token, body, **{"idempotency-key": key})
    return f"{answer['flow_id']} v{answer['version']}"


async def main() -> None:
    port = os.environ.get("TRUNKLINE_GATEWAY_PORT", "8080")
    door = Door(f"http://127.0.0.1:{port}")
    try:
        print(*await seed(door), sep="\n")
    except DoorClosed as problem:
        sys.exit(f"The demo tenant could not be seeded: {problem}")
    finally:
        await door.close()


if __name__ == "__main__":
    asyncio.run(main())
