"""The day to be lived: who comes when, wants what, how patient he is; from a seed, in virtual seconds."""

import random
from dataclasses import dataclass

HOURS_S = 7200.0
PAGES = (
    ("/", "Home"),
    ("/cards", "Cards"),
    ("/cards/lost", "Lost card"),
    ("/loans/home", "Home loans"),
    ("/funds", "Funds"),
    ("/contact", "Contact"),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """
    One customer's plan. `wants` is browse, balance, loss, loan, person or leave_menu.

    `patience_s` is how long he waits in a queue, `talk_s` how long his matter takes.
    """

    number: int
    comes_at_s: float
    channel: str  # web, chat or voice
    wants: str
    pages: tuple[int, ...]
    patience_s: float
    talk_s: float
    csat: int | None
    known: bool
    language: str


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """One agent's habits, in virtual seconds."""

    agent_id: str
    reaction_s: float
    wrap_up_s: float
    declines: float  # share of offers declined
    misses: float  # share of offers not answered
    break_at_s: float
    break_s: float


def customers(seed: int, count: int) -> list[Customer]:
    """Return the day's customers in the order of their coming."""
    dice = random.Random(f"customers/{seed}")
    plans = []
    for number in range(count):
        channel = dice.choices(["chat", "voice", "web"], [0.62, 0.28, 0.10])[0]
        wants = "browse"
        if channel != "web":
            wants = dice.choices(
                ["balance", "loss", "loan", "person", "leave_menu"], [0.24, 0.10, 0.20, 0.40, 0.06]
            )[0]
        plans.append(
            Customer(
                number=number,
                comes_at_s=dice.uniform(0, HOURS_S * 0.92),
                channel=channel,
                wants=wants,
                pages=tuple(dice.randrange(len(PAGES)) for _ in range(dice.randint(1, 5))),
                patience_s=dice.expovariate(1 / 420) + 30,
                talk_s=min(900.0, dice.lognormvariate(5.2, 0.5)),
                csat=dice.choices([None, 1, 2, 3, 4, 5], [0.35, 0.03, 0.04, 0.10, 0.22, 0.26])[0],
                known=dice.random() < 0.6,
                language=dice.choice(["zh-CN", "zh-CN", "en"]),
            )
        )
    return sorted(plans, key=lambda plan: plan.comes_at_s)


def agents(seed: int, count: int) -> list[AgentPlan]:
    """Return the day's agents."""
    dice = random.Random(f"agents/{seed}")
    return [
        AgentPlan(
            agent_id=f"agent{number}",
            reaction_s=dice.uniform(2, 8),
            wrap_up_s=dice.uniform(15, 60),
            declines=0.02,
            misses=0.02,
            break_at_s=dice.uniform(1200, HOURS_S - 1800),
            break_s=dice.uniform(300, 900),
        )
        for number in range(1, count + 1)
    ]
