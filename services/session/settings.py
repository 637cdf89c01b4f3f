"""The settings of the session service."""

from typing import Annotated

from pydantic import Field

from libs.settings import Settings
from services.session.domain.state import Rules


class SessionSettings(Settings):
    """Times in seconds, read as TRUNKLINE_SESSION_<NAME>."""

    session_inactivity_s: float = 1800
    session_survey_expires_s: int = 86_400
    session_hold_s: float = 0.3
    session_dialogue_grace_s: float = 5
    session_stale_s: float = 86_400
    session_preferred_for_s: Annotated[float, Field(ge=0, le=86_400)] = 5
    session_last_agents: Annotated[int, Field(ge=0, le=4)] = 1

    def rules(self) -> Rules:
        """Return the rules that sessions are decided by."""
        return Rules(
            inactivity_s=self.session_inactivity_s,
            survey_expires_s=self.session_survey_expires_s,
            hold_s=self.session_hold_s,
            dialogue_grace_s=self.session_dialogue_grace_s,
            stale_s=self.session_stale_s,
            preferred_for_s=self.session_preferred_for_s,
            last_agents=self.session_last_agents,
        )
