"""A week of a bank's call centre through the bus: its figures equal those computed from the file itself."""

import csv
import os
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from deploy.dev.ports import free_ports
from libs import topics
from libs.settings import Settings
from services.channels.call_log.__main__ import arguments, run
from services.channels.call_log.bus_door import straight
from services.channels.call_log.figures import span_of
from services.channels.call_log.log_file import CallLog, read
from services.channels.call_log.mapping import BANK, load
from services.channels.call_log.settings import ReplaySettings
from services.channels.call_log.tests.processes import service

WEEK = Path(
    os.environ.get("TRUNKLINE_TEST_CALLS")
    or Path(__file__).parents[5] / "shared" / "data" / "bank_calls_1999-02-01_06.tsv"
)
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not WEEK.is_file(), reason="the bank's call log is not there"),
]


def seconds(time_of_day: str) -> int:
    hours, minutes, rest = time_of_day.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def from_the_file() -> dict[date, dict[str, float]]:
    """Return the figures by day, straight from the rows and the rules of docs/replay.md."""
    answered: dict[date, list[int]] = defaultdict(list)
    abandoned: dict[date, list[int]] = defaultdict(list)
    service: dict[date, list[int]] = defaultdict(list)
    with WEEK.open(newline="") as file:
        for row in csv.DictReader((line.strip() for line in file), delimiter="\t"):
            served = row["ser_start"] != "0:00:00"
            queued = row["q_start"] != "0:00:00" or row["q_exit"] != "0:00:00"
            if row["outcome"] == "PHANTOM" or int(row["vru_time"]) < 0:
                continue
            if served != (row["outcome"] == "AGENT"):
                continue
            arrived = datetime.strptime(row["date"], "%y%m%d")  # noqa: DTZ007
            left_vru = arrived + timedelta(seconds=seconds(row["vru_entry"]) + int(row["vru_time"]))
            late = seconds(row["q_start"]) - seconds(row["vru_exit"]) if queued else 0
            entered = left_vru + timedelta(seconds=late)
            if row["outcome"] == "AGENT":
                answered[entered.date()].append(int(row["q_time"]))
                gone = entered + timedelta(seconds=int(row["q_time"]) + int(row["ser_time"]))
                service[gone.date()].append(int(row["ser_time"]))
            elif queued:
                abandoned[entered.date()].append(int(row["q_time"]))
    figures: dict[date, dict[str, float]] = {}
    for day in sorted({*answered, *abandoned, *service}):
        a, b, s = answered[day], abandoned[day], service[day]
        mine: dict[str, float] = {"offered": len(a) + len(b), "answered": len(a), "abandoned": len(b)}
        if a or b:
            mine["abandonment_rate"] = len(b) / (len(a) + len(b))
            for t in (20, 30, 60):
                mine[f"service_level_{t}000ms"] = len([w for w in a if w <= t]) / (len(a) + len(b))
        if a:
            mine["asa_ms"] = sum(a) * 1000 / len(a)
        if b:
            mine["abandon_wait_ms"] = sum(b) * 1000 / len(b)
        if s:
            mine["att_ms"] = sum(s) * 1000 / len(s)
        figures[day] = mine
    return figures


@pytest.fixture
async def settings(kafka_bootstrap: str, mongo_url: str, tmp_path: Path) -> AsyncIterator[ReplaySettings]:
    """Run analytics as a process; give the settings by which to reach it."""
    grpc_port, health_port = free_ports(2)
    shared = Settings(
        kafka_bootstrap=kafka_bootstrap,
        mongo_url=mongo_url,
        mongo_database_prefix="bank_week_",
        service_secret="a secret that only these tests know",
        analytics_address=f"127.0.0.1:{grpc_port}",
        grpc_port=grpc_port,
        health_port=health_port,
    )
    await topics.create(shared)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(service("services.analytics", shared, tmp_path / "analytics.log"))
        yield ReplaySettings(**shared.model_dump(exclude_defaults=True))


async def test_it_counts_the_bank_week_to_the_row_and_counts_a_second_replay_not_at_all(
    settings: ReplaySettings, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert await run(arguments([str(WEEK), "--kafka", "--within", "120"]), settings) == 0

    expected, mapping = from_the_file(), load(BANK)
    async with straight(settings) as door:
        counted = await door.figures(mapping, *span_of([*expected], mapping.zone))
    for day, figures in expected.items():
        assert {name: counted[day].get(name) for name in figures} == pytest.approx(figures, rel=1e-12)
    assert len(counted) == len(expected) == 7  # two calls of the week ended after midnight
    assert "NO:" not in capsys.readouterr().out


def test_it_loses_no_row_of_the_bank_week() -> None:
    log: CallLog = read(WEEK, load(BANK))

    assert log.rows == len(log.calls) + log.ignored.total() + len(log.rejects) == 7465
    assert log.kinds == {"answered": 6098, "abandoned": 671, "left_in_self_service": 611}
    assert log.ignored == {"PHANTOM": 50}
    assert log.set_aside == {
        "answered_without_service_times": 14,
        "left_but_has_service_times": 14,
        "phase_ends_before_it_starts": 7,
    }
