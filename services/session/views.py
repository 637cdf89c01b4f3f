"""Sessions, contexts and journal lines as the messages of the gRPC contract."""

import json

from libs.rpc.common.v1 import common_pb2
from libs.rpc.session.v1 import session_pb2
from libs.stored import Stored
from libs.structs import stamp, struct_of, value_of
from services.session.domain.context import Entry
from services.session.domain.state import Contact, Participant, Session
from services.session.journal import Line


def session_view(stored: Stored[Session], *, pii: bool) -> session_pb2.Session:
    """Return a session; personal data only where `pii` allows it."""
    session = stored.state
    first, last = session.contacts[0], session.contacts[-1]
    noted = [each.wrap_up for each in session.contacts if each.wrap_up is not None]
    surveys = [each.survey for each in session.contacts if each.survey is not None and each.survey_until]
    view = session_pb2.Session(
        session_id=session.session_id,
        journey_id=session.journey_id,
        customer_id=session.customer_id,
        status="closed" if session.closed_at else "open",
        channel=first.channel,
        entry_point=first.entry_point,
        language=last.language,
        started_at=stamp(session.began_at),
        last_activity_at=stamp(session.active_at),
        closed_at=stamp(session.closed_at),
        outcome=(last.outcome or "") if session.closed_at else "",
        interactions=[interaction_view(each) for each in session.contacts],
        participants=[participant_view(each) for each in session.participants],
        version=stored.version,
    )
    if pii:
        view.identities.extend(
            common_pb2.Identity(kind=each.kind, value=each.value) for each in session.identities
        )
    if noted:
        wrap_up = max(noted, key=lambda each: each.at)
        view.wrap_up.CopyFrom(
            session_pb2.WrapUp(
                codes=wrap_up.codes,
                notes=wrap_up.notes if pii else "",
                agent_id=wrap_up.agent_id,
                wrapped_up_at=stamp(wrap_up.at),
            )
        )
    if surveys:
        survey = max(surveys, key=lambda each: each.at)
        view.survey.CopyFrom(
            session_pb2.Survey(
                csat=survey.csat,
                nps=survey.nps,
                ces=survey.ces,
                comment=survey.comment if pii else "",
                answered_at=stamp(survey.at),
            )
        )
    return view


def interaction_view(contact: Contact) -> session_pb2.Interaction:
    return session_pb2.Interaction(
        interaction_id=contact.interaction_id,
        channel=contact.channel,
        direction=contact.direction,
        started_at=stamp(contact.began_at),
        ended_at=stamp(contact.ended_at),
        entry_point=contact.entry_point,
        queue_id=contact.queue_id,
        agent_id=contact.agent_id,
        terminal_state=contact.outcome or "",
    )


def participant_view(participant: Participant) -> session_pb2.Participant:
    return session_pb2.Participant(
        participant_id=participant.participant_id,
        role=participant.role,
        joined_at=stamp(participant.joined_at),
        left_at=stamp(participant.left_at),
    )


def entry_view(entry: Entry) -> session_pb2.ContextEntry:
    return session_pb2.ContextEntry(
        key=entry.name,
        value=value_of(json.loads(entry.value)) if entry.value else None,
        version=entry.version,
        written_by=entry.written_by,
        written_at=stamp(entry.written_at),
        expires_at=stamp(entry.expires_at),
    )


def line_view(line: Line, *, pii: bool) -> session_pb2.JourneyEntry:
    """Return a line of the journal; personal data only where `pii` says so."""
    return session_pb2.JourneyEntry(
        event_id=line.event_id,
        type=line.type,
        time=stamp(line.time),
        channel=line.channel,
        topic=line.topic,
        journey_id=line.journey_id,
        session_id=line.session_id,
        interaction_id=line.interaction_id,
        data=struct_of(json.loads(line.data)),
        pii=struct_of(json.loads(line.pii)) if pii and line.pii else None,
        caused_by=line.caused_by,
    )
