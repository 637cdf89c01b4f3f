"""The command, and the question that its page shows."""

from pathlib import Path

import orjson
import pytest

from services.routing.whatif.__main__ import main

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


def test_it_says_what_is_wrong_with_a_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = tmp_path / "question.yaml"
    question.write_text(example().replace("per_hour:", "per_day:"))

    assert main([str(question)]) == 2

    said = capsys.readouterr().err
    assert "synthetic.demand.0.per_hour: Field required" in said
    assert "synthetic.demand.0.per_day: Extra inputs are not permitted" in said
