"""What the service reads is what a recorded day is repeated from."""

from services.routing import handlers
from services.routing.whatif.recording import INPUTS


def test_a_recording_has_all_that_the_service_decides_on() -> None:
    assert set(INPUTS) == set(handlers.WANTED)
