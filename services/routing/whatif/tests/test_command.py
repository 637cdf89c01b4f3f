"""The command, and the question that its page shows."""

from pathlib import Path

import orjson
import pytest

from libs import wire
from services.routing.whatif import reading
from services.routing.whatif.__main__ import main
from services.routing.whatif.drawing import drawn
from services.routing.whatif.tests import days
from services.routing.whatif.tests.recorder import record

PAGE = Path(__file__).parents[4] / "docs" / "what-if.md"


def example() -> str:
    """Return the first YAML of the page, asked once only."""
    return (
        PAGE.read_text().split("```yaml\n")[1].split("```")[0].replace("replications: 20", "replications: 2")
    )


def test_it_answers_the_question_of_its_page_the_same_way_twice(tmp_path: Path) -> None:
    question, once, again = (tmp_path / name for name in ("question.yaml", "once.json", "again.json"))
    question.write_text(example())

    assert main([str(question), "--out", str(once), "--quiet"]) == 0
    assert main([str(question), "--out", str(again), "--quiet"]) == 0

    assert once.read_bytes() == again.read_bytes()
    report = orjson.loads(once.read_bytes())
    assert report["replications"] == 2
    assert report["difference"]["service_level"]["mean"] > 0  # two agents more


def test_it_replays_a_record_from_a_file(tmp_path: Path) -> None:
    question, events, out = (tmp_path / name for name in ("question.yaml", "events.jsonl", "out.json"))
    question.write_text(
        "recorded: {start: 2026-03-02T09:00:00Z, end: 2026-03-02T10:00:00Z}\nreplications: 1\n"
    )
    told, recorded = record(drawn(days.day(per_hour=60, hours=1, warm_up_h=0), "1"))
    events.write_text("\n".join(wire.to_text(each) for each in recorded))

    assert main([str(question), "--events", str(events), "--out", str(out), "--quiet"]) == 0

    report = orjson.loads(out.read_bytes())
    assert report["reproduced"]["equal"] == report["reproduced"]["choices"] > 30
    assert report["as_recorded"] == {"of": len(told.stories), "same": len(told.stories)}


def test_it_refuses_a_record_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question, events = tmp_path / "question.yaml", tmp_path / "events.jsonl"
    question.write_text("recorded: {start: 2026-03-02T09:00:00Z, end: 2026-03-02T10:00:00Z}")
    events.write_text('{"type": "com.example.other"}')

    assert main([str(question)]) == 2
    assert main([str(question), "--events", str(events)]) == 2

    said = capsys.readouterr().err
    assert "needs --events or --tenant" in said and "unknown_type" in said


def test_it_reads_from_topics_what_is_routing_of_the_tenant_only() -> None:
    _, recorded = record(drawn(days.day(per_hour=60, hours=0.1, warm_up_h=0), "1"))
    records = [wire.encode(each) for each in recorded]
    others = [wire.encode(each._replace(tenant="another")) for each in recorded]
    ticket = records[0]._replace(headers=(*records[0].headers, ("ce_type", b"trunkline.workflow.other.v1")))
    bad = records[0]._replace(value=b"{")

    found = list(reading.wanted([*others, ticket, bad, *records], "what-if"))

    assert found == list(recorded)


def test_it_says_what_is_wrong_with_a_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = tmp_path / "question.yaml"
    question.write_text(example().replace("per_hour:", "per_day:"))

    assert main([str(question)]) == 2

    said = capsys.readouterr().err
    assert "synthetic.demand.0.per_hour: Field required" in said
    assert "synthetic.demand.0.per_day: Extra inputs are not permitted" in said
