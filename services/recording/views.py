"""Recordings and their audit as messages."""

from libs.rpc.recording.v1 import recording_pb2 as pb
from libs.structs import stamp
from services.recording.domain.access import Access
from services.recording.domain.recording import Recording


def recording_view(kept: Recording) -> pb.Recording:
    return pb.Recording(
        recording_id=kept.recording_id,
        kind=kept.kind,
        session_id=kept.session_id,
        interaction_id=kept.interaction_id,
        customer_id=kept.customer_id,
        agent_ids=kept.agent_ids,
        channel=kept.channel,
        queue_id=kept.queue_id,
        started_at=stamp(kept.started_at),
        ended_at=stamp(kept.ended_at),
        duration_ms=kept.duration_ms,
        size=kept.size,
        sha256=kept.sha256,
        media_type=kept.media_type,
        status="erased" if kept.status == "erasing" else kept.status,
        stored_at=stamp(kept.stored_at),
        retention_until=stamp(kept.retention_until),
        legal_hold=kept.legal_hold,
        gaps=[
            pb.Gap(offset_ms=gap.offset_ms, duration_ms=gap.duration_ms, reason=gap.reason)
            for gap in kept.gaps
        ],
        version=kept.version,
    )


def access_view(entry: Access) -> pb.Access:
    return pb.Access(
        recording_id=entry.recording_id,
        subject=entry.subject,
        action=entry.action,
        time=stamp(entry.at),
        purpose=entry.purpose,
        offset=entry.offset,
        length=entry.length,
    )
