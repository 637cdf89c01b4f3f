"""The settings of recording."""

from datetime import timedelta

from pydantic import Field

from libs.settings import Settings
from services.recording.domain.transcript import Rules


class RecordingSettings(Settings):
    """What all services share, and how recordings are kept."""

    recording_grace_s: float = Field(default=2, ge=0)  # for what is said after the end, before it is written
    recording_attempts: int = Field(default=8, ge=1)  # to write; after them a gap is declared
    recording_retention_days: float = Field(default=365, gt=0)
    recording_max_upload_mb: float = Field(default=200, gt=0)

    def rules(self) -> Rules:
        return Rules(timedelta(seconds=self.recording_grace_s), attempts=self.recording_attempts)

    @property
    def retention(self) -> timedelta:
        return timedelta(days=self.recording_retention_days)

    @property
    def max_upload_bytes(self) -> int:
        return int(self.recording_max_upload_mb * 1024 * 1024)
