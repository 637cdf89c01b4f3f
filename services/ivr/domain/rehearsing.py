"""Going through a flow with given inputs and given answers to look-ups, as a dialogue would, in no time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from libs.events import interaction, ivr, session
from libs.events.base import AnyEvent, Channel, Event, Fact, Scalar, Tick
from services.ivr.domain.deciding import LookedUp, decide
from services.ivr.domain.dialogue import Dialogue, Flows, Pin
from services.ivr.domain.flow import Flow

TENANT = "rehearsal"
CONTACT = "rehearsal"


class Rehearsal:
    """
    One dialogue of a flow, played by hand.

    `look_ups` answers by node: values, or None for "it cannot be said"; a node not named finds nothing.
    """

    def __init__(
        self,
        flow: Flow,
        *,
        at: datetime,
        look_ups: Mapping[str, Mapping[str, Scalar] | None] | None = None,
        variables: Mapping[str, Scalar] | None = None,
        channel: Channel = "chat",
        language: str = "",
        entry_point: str = "rehearsal",
    ) -> None:
        pin = Pin(TENANT, flow.flow_id, 1)
        known = flow.model_copy(update={"variables": {**flow.variables, **(variables or {})}})
        self._flows = Flows({pin: known}, {(TENANT, entry_point): pin})
        self._look_ups = look_ups or {}
        self._now = at
        self._count = 0
        self.dialogue = Dialogue(CONTACT)
        self.facts: list[Fact] = []
        started = session.Started(
            session_id=CONTACT,
            interaction_id=CONTACT,
            channel=channel,
            entry_point=entry_point,
            language=language,
        )
        self._take(started)

    def say(self, text: str) -> None:
        """Let the customer say or write something."""
        self._input("text", text)

    def press(self, key: str) -> None:
        """Let the customer press keys."""
        self._input("key", key)

    def keep_silent(self) -> None:
        """Let the customer say nothing until the dialogue has had enough of waiting."""
        if self.dialogue.deadline is not None:
            self._now = self.dialogue.deadline
            self._take(Tick(of=CONTACT))

    def leave(self) -> None:
        """Let the customer go."""
        self._take(interaction.Ended(interaction_id=CONTACT, by="customer"))

    @property
    def is_over(self) -> bool:
        return self.dialogue.status == "completed"

    def prompts_since(self, place: int) -> list[str]:
        """Return what the customer was told by the facts from a place on."""
        return [fact.pii.text for fact in self.facts[place:] if isinstance(fact, ivr.PromptRequested)]

    def _input(self, kind: Literal["text", "key"], value: str) -> None:
        self._now += timedelta(seconds=1)
        pii = interaction.InputPii(value=value)
        self._take(interaction.InputReceived(interaction_id=CONTACT, kind=kind, pii=pii))

    def _take(self, data: Fact) -> None:
        self._decide(data)
        for _ in range(len(self._flows.versions) * 100):
            asked = self.dialogue.asked
            if asked is None:
                return
            node_id = self.dialogue.node_id
            values = self._look_ups.get(node_id, {})
            result: Literal["found", "missing", "failed"] = "found" if values else "missing"
            self._decide(
                LookedUp(
                    interaction_id=CONTACT,
                    ask_id=asked.ask_id,
                    result="failed" if values is None else result,
                    values=values or {},
                )
            )
        # A circle of look-ups, which a real dialogue would run through at the pace of their answers.
        self.dialogue = replace(
            self.dialogue, status="completed", outcome="failed", reason="too_many_look_ups"
        )

    def _decide(self, data: Fact) -> None:
        self._count += 1
        event: AnyEvent = Event(f"rehearsal-{self._count}", TENANT, self._now, data, CONTACT)
        self.dialogue, facts = decide(self.dialogue, event, self._now, self._flows)
        self.facts.extend(fact.data for fact in facts)
