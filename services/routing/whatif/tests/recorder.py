"""Records what a play decides as the bus would have it: numbered events that went through the wire format."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from libs.events.base import AnyEvent, Facts, Tick
from libs.events.queue import ContactQueued
from libs.wire import from_structured, to_structured
from services.routing.whatif.play import Play
from services.routing.whatif.script import Script
from services.routing.whatif.story import Told

LAG = timedelta(milliseconds=250)


class Recorder:
    """Keeps inputs, which happened LAG before they were decided, and facts; ticks leave no event."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self._sequence = 0

    def __call__(self, event: AnyEvent, now: datetime, facts: Facts) -> None:
        if isinstance(event.data, ContactQueued):  # its script says when it happened
            self._keep(event)
        elif not isinstance(event.data, Tick):
            self._keep(event._replace(time=now - LAG))
        for fact in facts:
            self._sequence += 1
            self._keep(fact._replace(sequence=self._sequence))

    def _keep(self, event: AnyEvent) -> None:
        self.events.append(from_structured(to_structured(event)))


def record(script: Script, beat: timedelta | None = None) -> tuple[Told, Sequence[AnyEvent]]:
    """Play a script and return what became of it, with its events as the topics would have them."""
    recorder = Recorder()
    told = Play(script, watch=recorder, beat=beat).run()
    return told, recorder.events
