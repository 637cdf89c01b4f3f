"""What the workflow service can be told from outside."""

from pathlib import Path

import yaml

from libs import settings
from services.workflow.domain.policy import Policy

POLICY_FILE = Path(__file__).with_name("policy.yaml")


class Settings(settings.Settings):
    """The settings of every process, and those of tickets."""

    workflow_policy_file: Path = POLICY_FILE


def policy_in(file: Path) -> Policy:
    """Return the policy of a file. :raises ValueError: it holds none."""
    return Policy.model_validate(yaml.safe_load(file.read_text("utf-8")))
