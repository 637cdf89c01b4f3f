"""Telling what happens in a dialogue, while it happens: prompts, steps, variables, the end."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypedDict

from libs.events import ivr, queue
from libs.events.base import AnyEvent, Fact, Identity, Scalar, after, follow_id
from libs.events.queue import Attribute
from services.ivr.domain.dialogue import Dialogue, Outcome
from services.ivr.domain.flow import Callback, Queue
from services.ivr.domain.words import LONGEST_TEXT, filled_in, text_in

PATH = 50
LONGEST_WORD = 256  # labels, subjects and reasons on the bus


class Where(TypedDict):
    session_id: str
    interaction_id: str


class Telling:
    """
    A dialogue as it changes, with the facts that it leads to.

    Lives for one decision only.
    """

    def __init__(self, dialogue: Dialogue, languages: Sequence[str], cause: AnyEvent, now: datetime) -> None:
        self.dialogue = replace(dialogue, updated_at=now)
        self.facts: list[AnyEvent] = []
        self._languages = languages
        self._cause = cause
        self._now = now

    def complete(self, outcome: Outcome, reason: str, node: Queue | None = None) -> None:
        """End the dialogue: tell what came of it, forget what is nobody's business from now on."""
        dialogue = self.dialogue
        shown = dialogue.shown()
        assert outcome != ""
        self._tell(
            ivr.DialogueCompleted(
                **self._where(),
                flow_id=dialogue.flow_id,
                flow_version=dialogue.flow_version,
                outcome=outcome,
                pool_id=node.pool_id if node else "",
                queue_id=node.queue_id if node else "",
                needs=node.needs if node else (),
                priority=node.priority if node else 0,
                language=dialogue.language,
                reason=reason,
                path=tuple(step.node_id for step in dialogue.trail)[-PATH:],
                attributes=self._attributes(node) if node else {},
                deadline_s=node.deadline_s or 0.0 if node else 0.0,
                pii=ivr.CollectedPii(
                    collected={name: shown[name] for name in dialogue.collected if name in shown}
                ),
            )
        )
        self.dialogue = replace(
            dialogue,
            status="completed",
            outcome=outcome,
            reason=reason,
            queue_id=node.queue_id if node else "",
            deadline=None,
            asked=None,
            early=(),
            variables=shown,
        )

    def _attributes(self, node: Queue) -> dict[str, Attribute]:
        """Return what the flow lets strategies know: its variables that are set and no secret."""
        dialogue = self.dialogue
        values = {
            word: dialogue.variables.get(name)
            for word, name in node.attributes.items()
            if name not in dialogue.sensitive
        }
        return {
            word: value[:LONGEST_WORD] if isinstance(value, str) else value
            for word, value in values.items()
            if value is not None
        }

    def _ask_for_callback(self, node: Callback) -> None:
        dialogue = self.dialogue
        number = self._text(f"{{{{ {node.number} }}}}").strip() if node.number else ""
        identities = dialogue.identities[:4] if not number else (Identity(kind="phone", value=number[:256]),)
        fact = queue.CallbackRequested(
            pool_id=node.pool_id,
            callback_id=follow_id(self._cause.id, f"callback/{dialogue.node_id}/{dialogue.steps}"),
            queue_id=node.queue_id,
            continues_id=dialogue.interaction_id,
            priority=node.priority,
            language=dialogue.language,
            customer_id=dialogue.customer_id,
            reason=self._text(node.reason)[:LONGEST_WORD],
            by=dialogue.flow_id,
            pii=queue.CallbackPii(identities=identities),
        )
        self._tell(fact)

    def _say(
        self,
        texts: Mapping[str, str],
        *,
        before: Mapping[str, str] | None = None,
        choices: tuple[ivr.Choice, ...] = (),
        media_url: str = "",
    ) -> None:
        text = "\n".join(filter(None, (self._in_words(before or {}), self._in_words(texts))))[:LONGEST_TEXT]
        if not text:
            return
        dialogue = self.dialogue
        self.dialogue = replace(dialogue, prompts=dialogue.prompts + 1)
        self._mark(prompt=text)
        self._tell(
            ivr.PromptRequested(
                **self._where(),
                prompt_id=follow_id(
                    f"{self._cause.tenant}/{dialogue.interaction_id}", f"prompt/{dialogue.prompts}"
                ),
                node_id=dialogue.node_id,
                language=dialogue.language,
                choices=choices,
                media_url=media_url,
                pii=ivr.PromptPii(text=text),
            )
        )

    def _speak(self, language: str) -> None:
        if language in self._languages:
            variables = {**self.dialogue.variables, "language": language}
            self.dialogue = replace(self.dialogue, language=language, variables=variables)

    def _set(self, values: Mapping[str, Scalar]) -> None:
        if values:
            self.dialogue = replace(
                self.dialogue,
                variables={**self.dialogue.variables, **values},
                collected=tuple(dict.fromkeys((*self.dialogue.collected, *values))),
            )

    def _mark(self, *, prompt: str | None = None, said: str | None = None, branch: str | None = None) -> None:
        """Write into the present step of the trail."""
        *older, last = self.dialogue.trail
        last = replace(
            last,
            prompt=last.prompt if prompt is None else prompt,
            input=last.input if said is None else said[:LONGEST_WORD],
            branch=last.branch if branch is None else branch,
        )
        self.dialogue = replace(self.dialogue, trail=(*older, last))

    def _in_words(self, texts: Mapping[str, str]) -> str:
        return self._text(text_in(texts, self.dialogue.language, self._languages))

    def _text(self, text: str) -> str:
        return filled_in(text, self.dialogue.variables)

    def _in(self, seconds: float) -> datetime:
        return self._now + timedelta(milliseconds=round(seconds * 1000))

    def _where(self) -> Where:
        return Where(session_id=self.dialogue.session_id, interaction_id=self.dialogue.interaction_id)

    def _tell(self, fact: Fact) -> None:
        what = f"{self.dialogue.interaction_id}/{len(self.facts)}"
        self.facts.append(after(self._cause, self._now, fact, journey_id=self.dialogue.journey_id, what=what))
