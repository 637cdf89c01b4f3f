"""The settings of analytics."""

import socket
from typing import Literal

from pydantic import Field

from libs.settings import Settings


class AnalyticsSettings(Settings):
    """What all services share, and how the archive is written."""

    election: Literal["mongo", "kubernetes"] = "mongo"
    archive_flush_s: float = Field(default=0.3, gt=0, le=10)  # records that come within it share files
    archive_compact_every_s: float = Field(default=60, gt=0)

    def holder(self) -> str:
        """Return the name of this process in elections."""
        return f"{socket.gethostname()}-{self.health_port_of('analytics')}"
