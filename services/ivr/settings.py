"""What the ivr service can be told from outside."""

from pathlib import Path

from libs import settings


class Settings(settings.Settings):
    """The settings of every process, and those of self-service."""

    ivr_look_ups_at_once: int = 64
    ivr_flows_dir: Path | None = None  # flows published at the start for `ivr_flows_tenant`, where new
    ivr_flows_tenant: str = "demo"
