"""The settings of the repair service."""

from libs.settings import Settings

__all__ = ["Settings"]
