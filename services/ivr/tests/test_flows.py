"""The flows that come with the service: free of problems, and going the ways their tests say."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.ivr.domain import checking
from services.ivr.publisher import flows_in
from services.ivr.tests.playing import FlowTest, flow_tests_in, play

FOLDER = Path(__file__).parents[1] / "flows"
TESTS = [test for file in sorted(FOLDER.glob("*.test.yaml")) for test in flow_tests_in(file)]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_goes_the_way_its_test_says(test: FlowTest) -> None:
    play(test)


def test_fails_a_flow_test_that_expects_something_else() -> None:
    other = replace(TESTS[0], ends={"outcome": "failed"})

    with pytest.raises(AssertionError, match="outcome is 'self_served'"):
        play(other)


def test_has_no_problem_in_the_flows_that_come_with_it() -> None:
    flows = flows_in(FOLDER)

    assert {flow.flow_id for flow in flows} == {"demo-bank", "direct"}
    assert [checking.problems_of(flow) for flow in flows] == [[], []]
