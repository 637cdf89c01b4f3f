"""Draw a day from a seed."""

import random
from typing import Any

from tests.simulation.script import Person, Script, TimedFault

DAY_S = 100.0
SERVICES = ("session", "ivr", "routing", "crm_context", "workflow", "analytics", "recording", "gateway")
GROUPS = (
    "session",
    "ivr",
    "routing",
    "crm_context",
    "workflow",
    "analytics",
    "recording",
    "gateway",
    "session-journal",
)
ANSWERS = (
    "accept", "accept", "accept", "accept_twice", "accept_again", "decline", "both", "late", "sign_out",
    "accept_and_sign_out", "break", "ignore",
)  # fmt: skip
SERVES = (
    "end",
    "end",
    "end_twice",
    "to_queue",
    "to_agent",
    "to_self",
    "to_queue_twice",
    "sign_out",
    "nothing",
)
CALLS = (
    "start end", "start queue end", "start queue answer end", "start answer end", "start queue",
    "start queue answer hold retrieve end", "start queue answer answer end",
)  # fmt: skip
LEAVES = ("offered", "agent_joined", "queued", "input_expected", "prompt", "requeued", "transferred", "wait")


def draw(seed: int) -> Script:
    """Return the day of a seed: the same for ever."""
    dice = random.Random(f"day/{seed}")
    tenants = ["acme"] if dice.random() < 0.6 else ["acme", "brown"]
    people: list[Person] = []
    for tenant in tenants:
        people += _of_tenant(dice, tenant)
    rough = dice.choice((0.0, 0.3, 1.0, 1.0, 3.0))
    return Script(
        seed=seed,
        people=tuple(people),
        timed=tuple(_timed(dice, rough)),
        fault_rate=0.0015 * rough,
        replicas=dice.choice((1, 2, 2, 3)),
        partitions=dice.choice((1, 2, 3)),
        slowness=dice.choice((0.2, 1.0, 1.0, 4.0)),
    )


def _of_tenant(dice: random.Random, tenant: str) -> list[Person]:
    agents = [f"agent{number}" for number in range(1, 1 + dice.choice((1, 2, 2, 3, 4)))]
    customers = [f"{tenant}-c{number}" for number in range(1, 1 + dice.choice((1, 2, 3, 4, 6)))]
    people = [_supervisor(dice, tenant, agents, customers)]
    people += [_agent(dice, tenant, name, agents) for name in agents]
    people += [_customer(dice, tenant, name) for name in customers]
    people += [_call(dice, tenant, number) for number in range(dice.choice((0, 0, 1, 2)))]
    if dice.random() < 0.2:
        acts = tuple(
            {
                "do": dice.choice(("truncated", "no_type", "bad_time", "unknown")),
                "topic": f"trunkline.{dice.choice(('interaction', 'queue', 'visitor', 'routing'))}",
                "after": _round(dice.uniform(0, 30)),
            }
            for _ in range(dice.randint(1, 3))
        )  # fmt: skip
        people.append(Person("vandal", f"{tenant}-vandal", tenant, 1.0, acts=acts))
    return people


def _round(value: float) -> float:
    return round(value, 3)


def _skew(dice: random.Random) -> float:
    return dice.choice((0.0, 0.0, 0.0, _round(dice.uniform(-2, 2)), _round(dice.uniform(-400, 400))))


def _hands_on(dice: random.Random, agents: list[str], customers: list[str]) -> list[dict[str, Any]]:
    """Draw what a supervisor does with single contacts: gives them to agents, takes them from these."""
    return [
        {
            "at_s": _round(dice.uniform(5, DAY_S)),
            "do": dice.choice(("direct", "take_back")),
            "contact": f"i-{dice.choice(customers)}",
            "agent": dice.choice(agents),
        }
        for _ in range(dice.choice((0, 1, 3, 6)))
    ]


def _supervisor(dice: random.Random, tenant: str, agents: list[str], customers: list[str]) -> Person:
    acts: list[dict[str, Any]] = [
        {"at_s": 0.0, "do": "queue", "config": _queue(dice, queue_id)}
        for queue_id in ("service", "sales", "vip")
    ]
    acts += [{"at_s": 0.0, "do": "agent", "config": _config(dice, name)} for name in agents]
    for _ in range(dice.choice((0, 0, 1, 2, 4))):
        act: dict[str, Any] = {
            "at_s": _round(dice.uniform(5, DAY_S)),
            "do": dice.choice(("queue", "agent", "move", "move", "sign_out", "not_ready")),
        }
        match act["do"]:
            case "queue":
                act["config"] = _queue(dice, dice.choice(("service", "sales"))) | {
                    "enabled": dice.random() < 0.7
                }
            case "agent":
                act["config"] = _config(dice, dice.choice(agents)) | {"enabled": dice.random() < 0.7}
            case "move":
                act |= {
                    "contact": f"i-{dice.choice(customers)}",
                    "to": dice.choice(("service", "sales", "nowhere", "")),
                }
                act["priority"] = dice.choice((None, 5))
            case _:
                act["agent"] = dice.choice(agents)
        acts.append(act)
    apart = random.Random(f"{tenant}/{acts}")  # so that nothing else is drawn differently
    acts += _hands_on(apart, agents, customers)
    acts.sort(key=lambda each: float(each["at_s"]))
    return Person("supervisor", f"{tenant}-boss", tenant, 0.0, acts=tuple(acts))


def _queue(dice: random.Random, queue_id: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "queue_id": queue_id,
        "offer_timeout_s": dice.choice((4.0, 8.0, 15.0)),
        "wrap_up_s": dice.choice((0.0, 3.0, 10.0)),
        "max_wait_s": dice.choice((0.0, 0.0, 6.0, 20.0)),
        "overflow_queue_id": dice.choice(("", "service", "sales")),
        "max_waiting": dice.choice((0, 0, 0, 1, 2)),
    }
    if dice.random() < 0.3:
        config["needs"] = [{"skill": queue_id}]
    return config


def _config(dice: random.Random, name: str) -> dict[str, Any]:
    skills = {skill: dice.randint(1, 9) for skill in ("service", "sales", "vip") if dice.random() < 0.8}
    return {"agent_id": name, "skills": skills, "capacity": {"voice": 1, "chat": dice.choice((1, 1, 2, 3))}}


def _agent(dice: random.Random, tenant: str, name: str, agents: list[str]) -> Person:
    acts: list[dict[str, Any]] = []
    for _ in range(dice.randint(0, 8)):
        after = _round(dice.choice((0.0, 0.3, 1.0, 4.0)) + dice.random())
        acts.append(
            {
                "answer": dice.choice(ANSWERS),
                "serve": dice.choice(SERVES),
                "wraps": dice.choice((0, 1, 1, 2)),
                "after": after,
                "to": dice.choice([*agents, "sales", "service"]),
            }
        )
    traits = {"shift_s": _round(dice.uniform(30, DAY_S)), "comes_back_s": dice.choice((0.5, 3.0))}
    return Person("agent", name, tenant, _round(dice.uniform(0, 10)), _skew(dice), traits, tuple(acts))


def _customer(dice: random.Random, tenant: str, name: str) -> Person:
    traits: dict[str, Any] = {
        "channel": dice.choice(("chat", "chat", "voice")),
        "entry_point": dice.choice(("web-chat", "straight", "straight")),
        "visitor": dice.choice((name, name, f"{tenant}-shared", "")),
        "pages": dice.choice((0, 1, 3)),
        "named": dice.random() < 0.5,
        "on_record": dice.random() < 0.5,
        "vip": dice.choice((0, 0, 3)),
        "prefers": dice.choice(("", "agent1", "agent9")),
        "login": dice.choice((0, 0, 0.5, 6.0)),
        "clicks": dice.choice((1, 1, 1, 2)),
        "goodbyes": dice.choice((1, 1, 2)),
        "patience": dice.choice((0.0, 2.0, 15.0, 40.0, 60.0)),
        "choices": [
            dice.choice(("0", "0", "1", "2", "3", "4", "silence", "what")) for _ in range(dice.randint(0, 4))
        ],
        "thinks": dice.choice((0.1, 1.0, 5.0)),
        "says": dice.choice((0, 1, 3)),
        "surveys": dice.choice((0, 1, 2)),
        "late_survey": dice.random() < 0.1,
    }
    if dice.random() < 0.6:
        traits["leave_at"] = dice.choice(LEAVES)
        traits["leave_after"] = dice.choice((0.0, 0.0, 0.4, _round(dice.uniform(0, 2)), 6.0))
    return Person("customer", name, tenant, _round(dice.uniform(1, 60)), _skew(dice), traits)


def _call(dice: random.Random, tenant: str, number: int) -> Person:
    order = dice.choice(CALLS).split()
    acts = tuple(
        {
            "do": do,
            "after": _round(dice.uniform(0, 8)),
            "jump_s": dice.choice((0.0, 0.0, 0.0, _round(dice.uniform(-60, 60)))),
            "agent": dice.choice(("x1", "x2")),
            "by": dice.choice(("customer", "agent")),
        }
        for do in order
    )
    return Person(
        "outside", f"{tenant}-call{number}", tenant, _round(dice.uniform(0, 60)), _skew(dice), acts=acts
    )


def _timed(dice: random.Random, rough: float) -> list[TimedFault]:
    faults = []
    for _ in range(round(rough * dice.choice((0, 1, 2, 4)))):
        kind = dice.choice(("crash", "stop", "lose", "lose", "rebalance", "skew", "rewind"))
        replica = f"{dice.choice(SERVICES)}/{dice.randint(0, 1)}"
        who = dice.choice(GROUPS) if kind in ("rebalance", "rewind", "lose") else replica
        amount = _round(dice.uniform(-30, 30)) if kind == "skew" else _round(dice.uniform(0.2, 8))
        faults.append(TimedFault(_round(dice.uniform(2, DAY_S)), kind, who, amount))
    return sorted(faults, key=lambda each: each.at_s)
