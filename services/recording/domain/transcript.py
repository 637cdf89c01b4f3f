"""What was said in one interaction, collected until it is over and written down soon after."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from libs.events import interaction, ivr, recording, routing, session
from libs.events.base import AnyEvent, Channel, Facts, after, follow_id
from services.recording.domain.commands import Forgotten, WriteFailed, Written
from services.recording.domain.masking import masked

LONGEST_CHARS = 2_000_000  # of one transcript; an aggregate must fit into a document
FROM_ADAPTER, FROM_IVR = 0, 1
SLOWEST_RETRY = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Rules:
    """How long to wait for late messages, and when to admit that something is missing."""

    grace: timedelta = timedelta(seconds=2)
    without_session: timedelta = timedelta(seconds=30)  # while it is not known which one it belongs to
    attempts: int = 8


@dataclass(frozen=True, slots=True)
class Line:
    """
    One thing said.

    `place` counts what came from one source. It orders what was said in the same millisecond, so that the
    written document does not depend on which topic was read first.
    """

    id: str
    time: datetime
    speaker: str
    text: str
    participant_id: str = ""
    source: int = FROM_ADAPTER
    place: int = 0


@dataclass(frozen=True, slots=True)
class Transcript:
    """
    What is known of one interaction.

    `due` is set when there is something said that is not in the store as it is known now, and the interaction
    is over. Facts of session and routing may come before or after what was said.
    """

    interaction_id: str
    session_id: str = ""
    journey_id: str = ""
    customer_id: str = ""
    channel: Channel = "chat"
    queue_id: str = ""
    agent_ids: tuple[str, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    lines: tuple[Line, ...] = ()
    chars: int = 0
    changes: int = 0  # since it ended, so that what is written is known to be all
    cut: bool = False
    due: datetime | None = None
    failures: int = 0
    declared: tuple[str, ...] = ()  # gaps told
    erased: bool = False

    @property
    def begins(self) -> datetime | None:
        """Return when it began: the first line stands in where nobody said."""
        return self.started_at or min((line.time for line in self.lines), default=self.ended_at)

    def in_order(self) -> list[Line]:
        """Return what was said, in the order of time."""
        return sorted(self.lines, key=lambda line: (line.time, line.source, line.place))


def recording_id_of(tenant: str, interaction_id: str) -> str:
    """Return the id of the recording that an interaction's transcript becomes."""
    return follow_id(f"{tenant}/{interaction_id}", "transcript")


def due(transcript: Transcript) -> datetime | None:
    """Return when the transcript wants to be written."""
    return transcript.due


def decider(rules: Rules) -> Callable[[Transcript, AnyEvent, datetime], tuple[Transcript, Facts]]:
    """Return the decision on one event by these rules."""

    def decide(transcript: Transcript, event: AnyEvent, now: datetime) -> tuple[Transcript, Facts]:
        match event.data:
            case Written() as data:
                due = None if data.changes == transcript.changes else transcript.due
                return told_gap(replace(transcript, due=due, failures=0), event, now)
            case WriteFailed():
                return fail(transcript, event, now, rules)
            case Forgotten():
                gone = replace(transcript, lines=(), chars=0, customer_id="", due=None, erased=True)
                return gone, ()
        learnt = transcript if transcript.erased else learn(transcript, event)
        if learnt is transcript:
            return transcript, ()
        if learnt.ended_at is not None and learnt.lines:
            wait = rules.grace if learnt.session_id else rules.without_session
            learnt = replace(learnt, due=now + wait, changes=learnt.changes + 1)
        return learnt, ()

    return decide


def learn(transcript: Transcript, event: AnyEvent) -> Transcript:
    """Return the transcript with what the event says of the interaction; itself where that is nothing new."""
    match event.data:
        # Their topic told before who began it; where that is not known, it is a call that has no transcript.
        case session.CustomerIdentified() | session.ParticipantJoined() if is_unknown(transcript):
            return transcript
        case interaction.Started() as data:
            journey_id = transcript.journey_id or event.journey_id
            return replace(transcript, channel=data.channel, started_at=event.time, journey_id=journey_id)
        case interaction.MessageSent() as data:
            text = data.pii.text or f"[{data.pii.attachment_name or data.attachment_id or data.media_type}]"
            author = data.author
            line = Line(data.message_id, event.time, author, masked(text), data.agent_id)
            agents = (data.agent_id,) if author in ("agent", "supervisor") else ()
            return join(add(transcript, line), *agents)
        case interaction.InputReceived() as data:
            return add(transcript, Line(event.id, event.time, "customer", masked(data.pii.value)))
        case ivr.PromptRequested() as data:
            choices = "".join(f"\n[{choice.key}] {choice.label}" for choice in data.choices)
            text = masked(data.pii.text + choices)
            line = Line(data.prompt_id, event.time, "bot", text, source=FROM_IVR)
            return add(belongs(transcript, data.session_id, event), line)
        case interaction.Ended():
            if is_unknown(transcript):
                return transcript  # nothing was said, and nothing else can be known of it
            return replace(transcript, ended_at=event.time)
        case session.ContactBegan() as data:
            joined = belongs(transcript, data.session_id, event)
            customer = data.customer_id or transcript.customer_id
            return replace(joined, customer_id=customer, channel=data.channel)
        case session.CustomerIdentified() as data:
            return changed(transcript, customer_id=data.customer_id)
        case session.ParticipantJoined() as data:
            return join(transcript, data.agent_id)
        case routing.ContactAssigned() as data:
            joined = belongs(transcript, data.session_id, event)
            return join(changed(joined, queue_id=data.queue_id), data.agent_id)
    return transcript


def is_unknown(transcript: Transcript) -> bool:
    """Return whether nothing is known of the interaction."""
    return transcript == Transcript(transcript.interaction_id)


def add(transcript: Transcript, line: Line) -> Transcript:
    """Return the transcript with one more line, unless it has it or has become too long."""
    if any(each.id == line.id for each in transcript.lines):
        return transcript
    chars = transcript.chars + len(line.text)
    if chars > LONGEST_CHARS:
        return changed(transcript, cut=True)
    place = sum(1 for each in transcript.lines if each.source == line.source)
    return replace(transcript, lines=(*transcript.lines, replace(line, place=place)), chars=chars)


def join(transcript: Transcript, *agent_ids: str) -> Transcript:
    """Return the transcript with somebody more who took part."""
    new = tuple(each for each in agent_ids if each and each not in transcript.agent_ids)
    return replace(transcript, agent_ids=(*transcript.agent_ids, *new)) if new else transcript


def belongs(transcript: Transcript, session_id: str, event: AnyEvent) -> Transcript:
    """Return the transcript as one of this session."""
    journey_id = transcript.journey_id or event.journey_id
    return changed(transcript, session_id=session_id, journey_id=journey_id)


def changed(transcript: Transcript, **values: Any) -> Transcript:
    """Return the transcript with these values, itself where it has them."""
    if all(getattr(transcript, name) == value for name, value in values.items()):
        return transcript
    return replace(transcript, **values)


def fail(transcript: Transcript, event: AnyEvent, now: datetime, rules: Rules) -> tuple[Transcript, Facts]:
    """Try again later and later; after so many attempts say that something is missing, and go on trying."""
    failures = transcript.failures + 1
    pause = min(timedelta(seconds=2 ** min(failures, 10) / 2), SLOWEST_RETRY)
    failed = replace(transcript, failures=failures, due=now + pause)
    return declare(failed, event, now, "store_unavailable") if failures >= rules.attempts else (failed, ())


def told_gap(transcript: Transcript, event: AnyEvent, now: datetime) -> tuple[Transcript, Facts]:
    return declare(transcript, event, now, "too_long") if transcript.cut else (transcript, ())


def declare(transcript: Transcript, event: AnyEvent, now: datetime, reason: str) -> tuple[Transcript, Facts]:
    """Tell a gap, once for each reason."""
    if reason in transcript.declared:
        return transcript, ()
    fact = recording.GapDeclared(
        session_id=transcript.session_id or transcript.interaction_id,
        interaction_id=transcript.interaction_id,
        recording_id=recording_id_of(event.tenant, transcript.interaction_id),
        reason=reason,
    )
    known = replace(transcript, declared=(*transcript.declared, reason))
    return known, [after(event, now, fact, journey_id=transcript.journey_id, what=reason)]
