"""Walking through a flow: from node to node until one waits for somebody or ends the dialogue."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from libs import hours
from libs.events import ivr
from libs.events.base import AnyEvent, Scalar, follow_id
from services.ivr.domain import expression
from services.ivr.domain.dialogue import LONGEST_TRAIL, MASK, Asked, Dialogue, Said, Step
from services.ivr.domain.flow import (
    Asking,
    BusinessHours,
    Callback,
    Collect,
    Condition,
    End,
    Flow,
    Goto,
    LookUp,
    Menu,
    Node,
    Prompt,
    Queue,
    Set,
    SpeakLanguage,
    Ticket,
)
from services.ivr.domain.telling import LONGEST_WORD, Telling
from services.ivr.domain.words import is_of, matched

MOST_STEPS = 100  # without the customer or a look-up having a say: then the flow runs in a circle
GRACE_S = 1.0  # an answer in time may still be on its way from the shell
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # no I, L, O, U: read aloud, they are mistaken


def ticket_number(cause_id: str) -> str:
    """Return a number of 60 bits that follows from its cause and can be read aloud: T-1A2B-3C4D-5E6F."""
    number = UUID(follow_id(cause_id, "ticket")).int
    letters = [_LETTERS[number >> 5 * place & 31] for place in range(12)]
    return "T-" + "-".join("".join(letters[place : place + 4]) for place in (0, 4, 8))


class Walk(Telling):
    """One stretch of a dialogue through its flow, with the facts that it leads to."""

    def __init__(self, dialogue: Dialogue, flow: Flow, cause: AnyEvent, now: datetime) -> None:
        super().__init__(dialogue, flow.languages, cause, now)
        self._flow = flow
        self._steps_left = MOST_STEPS
        self._gave_up = False

    def go(self, node_id: str | None) -> None:
        """Go on at a node, None where there is nowhere to go."""
        following = node_id
        while self.dialogue.status != "completed":
            if following is None:
                return
            if self._steps_left <= 0 or following not in self._flow.nodes:
                following = self._give_up("too_many_steps" if self._steps_left <= 0 else "unknown_node")
                continue
            following = self._enter(following)

    def answer(self, said: Said) -> None:
        """Go on with what the customer said at the node where the dialogue waits."""
        node = self._asking()
        way = self._way_of(node, said)
        if way is not None:
            return self.go(way)
        tries = self.dialogue.invalid + 1
        self._mark(said="" if self._is_secret(node) else said.value, branch="")
        if tries > node.retries:
            self._mark(branch="invalid")
            return self.go(node.on_invalid) if node.on_invalid else self.fail("not_understood")
        self.dialogue = replace(self.dialogue, invalid=tries)
        return self._ask(node, node.sorry or self._flow.sorry)

    def fall_silent(self) -> None:
        """Go on after the customer has said nothing for too long."""
        node = self._asking()
        tries = self.dialogue.silent + 1
        if tries > node.retries:
            self._mark(branch="timeout")
            return self.go(node.on_timeout) if node.on_timeout else self.fail("silence")
        self.dialogue = replace(self.dialogue, silent=tries)
        return self._ask(node, self._flow.silence)

    def look_up_again(self, asked: Asked) -> None:
        """Ask once more, after whoever was asking has died."""
        again = replace(asked, ask_id=follow_id(asked.ask_id, "again"), attempt=asked.attempt + 1)
        self.dialogue = replace(self.dialogue, asked=again, deadline=self._in(asked.timeout_s + GRACE_S))

    def take_answer(self, branch: str, values: Mapping[str, Scalar]) -> None:
        """Go on with what a look-up has found: branch found, missing or failed."""
        node = self._flow.nodes.get(self.dialogue.node_id)
        if not isinstance(node, LookUp):
            return self.fail("flow_changed")
        found = {f"{node.save_as}.{name}": value for name, value in values.items()}
        customer_id = values.get("id") if node.what == "customer" else None
        self.dialogue = replace(
            self.dialogue,
            variables={**self.dialogue.variables, **found},
            customer_id=str(customer_id or self.dialogue.customer_id),
        )
        self._mark(branch=branch)
        return self.go({"found": node.found, "missing": node.missing}.get(branch, node.failed))

    def fail(self, reason: str) -> None:
        """Go where the flow goes when it cannot go on; end the dialogue where it does not say."""
        self.go(self._give_up(reason))

    def _enter(self, node_id: str) -> str | None:
        """Do what a node does; return the next one, None where the dialogue waits or is over."""
        self._steps_left -= 1
        node = self._flow.nodes[node_id]
        dialogue = self.dialogue
        trail = (*dialogue.trail, Step(node_id, node.kind, self._now))[-LONGEST_TRAIL:]
        self.dialogue = replace(
            dialogue,
            node_id=node_id,
            trail=trail,
            steps=dialogue.steps + 1,
            invalid=0,
            silent=0,
            deadline=None,
        )
        self._tell(
            ivr.NodeEntered(**self._where(), flow_id=dialogue.flow_id, node_id=node_id, kind=node.kind)
        )
        match node:
            case Menu() | Collect():
                return self._begin_asking(node)
            case LookUp():
                ask_id = follow_id(self._cause.id, f"{node_id}/{self.dialogue.steps}")
                asked = Asked(ask_id, node.what, node.timeout_s)
                self.dialogue = replace(
                    self.dialogue,
                    status="looking_up",
                    asked=asked,
                    deadline=self._in(node.timeout_s + GRACE_S),
                )
                return None
            case Queue():
                self._say(node.say)
                self.complete("queue", self._text(node.reason)[:LONGEST_WORD], node)
                return None
            case End():
                self._say(node.say)
                self.complete("self_served", self._text(node.reason)[:LONGEST_WORD])
                return None
        way, target = self._way_on(node)
        self._mark(branch=way)
        return target

    def _way_on(self, node: Node) -> tuple[str, str]:
        """Do what a node does that waits for nobody; return the branch taken and where it leads."""
        match node:
            case Prompt():
                self._say(node.say, media_url=node.media_url)
            case Condition():
                for place, case in enumerate(node.cases):
                    if expression.evaluate(case.when, self.dialogue.variables):
                        return f"cases.{place}", case.next
                return "otherwise", node.otherwise
            case Set():
                self._set(
                    {
                        name: self._text(value) if isinstance(value, str) else value
                        for name, value in node.values.items()
                    }
                )
            case BusinessHours():
                state = hours.state_of(self._flow.calendars[node.calendar], self._now)
                if state == "open":
                    return state, node.open
                return state, (node.holiday if state == "holiday" and node.holiday else node.closed)
            case SpeakLanguage():
                self._speak(self._text(node.language))
            case Ticket():
                self._open_ticket(node)
            case Callback():
                self._ask_for_callback(node)
            case Goto():
                pass
        assert not isinstance(node, Condition | BusinessHours | Menu | Collect | LookUp | Queue | End)
        return "next", node.next

    def _begin_asking(self, node: Asking) -> str | None:
        self.dialogue = replace(self.dialogue, status="waiting")
        early = self.dialogue.early
        for place, said in enumerate(early):
            way = self._way_of(node, said)
            if way is not None:  # what was said before it was asked for and means nothing here is dropped
                self.dialogue = replace(self.dialogue, early=early[place + 1 :])
                return way
        self.dialogue = replace(self.dialogue, early=())
        self._ask(node, {})
        return None

    def _ask(self, node: Asking, before: Mapping[str, str]) -> None:
        choices: tuple[ivr.Choice, ...] = ()
        if isinstance(node, Menu):
            choices = tuple(
                ivr.Choice(key=each.key, label=self._in_words(each.labels)[:LONGEST_WORD])
                for each in node.choices
            )
        self._say(node.say, before=before, choices=choices, media_url=node.media_url)
        timeout_s = node.timeout_s or 60.0
        spoken: tuple[str, ...] = ("text", "speech") if self.dialogue.channel == "voice" else ("text",)
        self._tell(
            ivr.InputExpected.model_validate(
                {
                    **self._where(),
                    "node_id": self.dialogue.node_id,
                    "kinds": ("key", "choice", *spoken) if choices else ("key", *spoken),
                    "max_length": node.max_length if isinstance(node, Collect) else 0,
                    "timeout_s": timeout_s,
                }
            )
        )
        self.dialogue = replace(self.dialogue, status="waiting", deadline=self._in(timeout_s))

    def _way_of(self, node: Asking, said: Said) -> str | None:
        """Return where the answer leads, None where it is not understood."""
        free = said.kind in ("text", "speech")
        if isinstance(node, Menu):
            words = [(each, (each.key, *each.labels.values(), *each.aliases)) for each in node.choices]
            chosen = matched(said.value, words, within=free)
            if chosen is not None:
                self._set({node.save_as: chosen.key} if node.save_as else {})
                if chosen.language:
                    self._speak(chosen.language)
                self._mark(said=said.value, branch=chosen.key)
                return chosen.next
        anywhere = matched(
            said.value, [(each, each.aliases) for each in self._flow.anywhere], within=isinstance(node, Menu)
        )
        if anywhere is not None:
            self._mark(said=said.value, branch="anywhere")
            return anywhere.next
        return self._collected(node, said) if isinstance(node, Collect) else None

    def _collected(self, node: Collect, said: Said) -> str | None:
        value = said.value.strip()
        if said.kind == "key":
            value = value.rstrip("#")
        if node.charset == "digits":
            value = "".join(letter for letter in value if letter not in " -")
        if not (node.min_length <= len(value) <= node.max_length and is_of(node.charset, value)):
            return None
        self._set({node.save_as: value})
        if node.sensitive:
            self.dialogue = replace(
                self.dialogue, sensitive=tuple(dict.fromkeys((*self.dialogue.sensitive, node.save_as)))
            )
        self._mark(said=MASK if node.sensitive else value, branch="next")
        return node.next

    def _open_ticket(self, node: Ticket) -> None:
        ticket_id = ticket_number(f"{self._cause.id}/{self.dialogue.node_id}/{self.dialogue.steps}")
        self._set({node.save_as: ticket_id})
        self._tell(
            ivr.TicketRequested(
                **self._where(),
                ticket_id=ticket_id,
                ticket_type=node.ticket_type,
                priority=node.priority,
                subject=self._in_words(node.subject)[:LONGEST_WORD],
                customer_id=self.dialogue.customer_id,
                pii=ivr.TicketPii(description=self._in_words(node.description)),
            )
        )

    def _give_up(self, reason: str) -> str | None:
        """Return the flow's way out of trouble, the first time; the second time the dialogue has failed."""
        if self._flow.on_error is None or self._gave_up or self.dialogue.node_id == self._flow.on_error:
            self.complete("failed", reason)
            return None
        self._gave_up = True
        self._steps_left = 5
        return self._flow.on_error

    def _asking(self) -> Asking:
        node = self._flow.nodes[self.dialogue.node_id]
        assert isinstance(node, Menu | Collect), "a dialogue waits at nodes that ask"
        return node

    def _is_secret(self, node: Asking) -> bool:
        return isinstance(node, Collect) and node.sensitive
