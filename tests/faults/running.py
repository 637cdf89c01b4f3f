"""Run one scenario: people at work, the fault among them, then the checker."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from deploy.dev.demo.counted import Seen
from libs import clock
from tests.faults import checker, load
from tests.faults.acknowledged import AcknowledgementLog
from tests.faults.evidence import Finding
from tests.faults.house import House
from tests.faults.scenarios import Scenario
from tests.faults.takeover import in_time


@dataclass(frozen=True, slots=True)
class Size:
    """How much goes on while a fault happens."""

    customers: int
    agents: int
    pace: float


SHORT = Size(customers=24, agents=8, pace=600.0)
LONG = Size(customers=60, agents=10, pace=360.0)


@dataclass(frozen=True, slots=True)
class Result:
    """What a scenario has shown."""

    scenario: str
    says: str
    seed: int
    took_s: float
    injected: dict[str, int]
    contacts: int
    acknowledgements: int
    frames: int
    reconnects: int
    longest_silence_s: float  # between two acknowledgements
    statuses: dict[str, int]
    takeovers: dict[str, list[float]]  # seconds, by service
    findings: tuple[Finding, ...]

    @property
    def breaches(self) -> list[str]:
        return [f"{each.rule}: {breach}" for each in self.findings for breach in each.breaches]

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


async def run(house: House, scenario: Scenario, seed: int, size: Size, folder: Path) -> Result:
    """Live through a scenario and return what the checker has found."""
    began = time.monotonic()
    before = house.injected.copy()
    house.takeovers.clear()
    name = f"{scenario.name}-{seed}-{clock.now():%H%M%S}"
    log = house.witness = AcknowledgementLog(folder / f"{name}.acknowledged.jsonl")
    try:
        contacts, _ = await load.days(
            house,
            log,
            name,
            seed,
            scenario.injure,
            customers=size.customers,
            agents=size.agents,
            pace=size.pace,
            now=scenario.now(Random(seed)),
        )
        findings = await checker.judge(house, log)
    finally:
        log.close()
    if scenario.no_server_errors:
        errors = tuple(log.answers.server_errors)
        findings.append(Finding("5xx", "no answer is a 5xx", sum(log.answers.statuses.values()), errors))
    if house.takeovers:
        findings.append(in_time(house.takeovers))
    findings.append(_seen_by_people(list(contacts.values())))
    return Result(
        scenario.name,
        scenario.says,
        seed,
        round(time.monotonic() - began, 1),
        dict(house.injected - before),
        len(log.contacts),
        len(log.event_ids),
        sum(map(len, log.frames.values())),
        sum(log.closed_with.values()),
        _longest_silence(log.acknowledged_at),
        {str(status): count for status, count in sorted(log.answers.statuses.items())},
        {service: [round(each, 1) for each in times] for service, times in house.takeovers.items()},
        tuple(findings),
    )


def _seen_by_people(contacts: Sequence[Seen]) -> Finding:
    wrong = tuple(
        f"{each.interaction_id} ended {each.outcomes} times before its customer's eyes"
        for each in contacts
        if each.outcomes != 1
    )
    return Finding("P", "every customer sees his contact end once", len(contacts), wrong)


def _longest_silence(moments: Sequence[float]) -> float:
    return round(max((later - earlier for earlier, later in pairwise(moments)), default=0.0), 1)
