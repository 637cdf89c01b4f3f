"""The settings of the CRM context service."""

from libs.settings import Settings


class CrmContextSettings(Settings):
    """What this service adds to the settings of all."""

    crm_context_last_agent_days: float = 30  # the last agent is preferred for so long
