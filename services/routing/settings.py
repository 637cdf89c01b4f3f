"""The settings of routing."""

from libs.settings import Settings as SharedSettings


class Settings(SharedSettings):
    """What routing adds to the shared settings."""

    routing_decisions_kept_days: float = 90
