"""Schemathesis against the description that the gateway serves: no 5xx, and nothing that is not declared."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.attacks.conftest import EXAMPLES, SEED, Target
from tests.attacks.surface import sent

pytestmark = [pytest.mark.real, pytest.mark.timeout(3600)]

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "unsupported_method",
)
SHORT = 100  # examples of an operation from which on all phases run


def test_malformed_requests_are_answered_as_described(target: Target, tmp_path: Path) -> None:
    everything = target.mint.token("fuzz", "fuzzer", *target.all_roles)
    report = tmp_path / "events.ndjson"
    phases = "examples,coverage,fuzzing" if EXAMPLES >= SHORT else "examples,fuzzing"
    command = [
        str(Path(sys.executable).with_name("st")),
        "run",
        f"{target.url}/openapi.json",
        *("--header", f"Authorization: Bearer {everything}"),
        *("--mode", "all", "--phases", phases, "--max-examples", str(EXAMPLES), "--seed", str(SEED)),
        *("--checks", ",".join(CHECKS), "--continue-on-failure", "--no-shrink", "--workers", "2"),
        *("--request-timeout", "20", "--suppress-health-check", "all", "--warnings", "off"),
        *("--report", "ndjson", "--report-ndjson-path", str(report)),
    ]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    statuses = statuses_of(report)
    sent["schemathesis"] += statuses.total()
    # Its generators may stumble now and then (an error, not a failure): what was sent has to pass.
    told = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert told, done.stdout[-8000:] + done.stderr[-2000:]
    assert told[1] == told[2], done.stdout[-8000:]
    assert statuses.total() >= EXAMPLES * len(target.routes) / 3
    assert [status for status in statuses if status >= 500] == []


def statuses_of(report: Path) -> Counter[int]:
    """Return how often each status was answered, by the report of a run."""
    found: Counter[int] = Counter()

    def look(part: object) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("status_code"), int) and "headers" in part:
                found[part["status_code"]] += 1
            for each in part.values():
                look(each)
        elif isinstance(part, list):
            for each in part:
                look(each)

    for line in report.read_text("utf-8").splitlines():
        look(json.loads(line))
    return found
