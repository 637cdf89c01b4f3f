"""Letters as the gRPC contract shows them."""

from collections.abc import Sequence

from libs.mongo import Document
from libs.rpc.repair.v1 import repair_pb2 as pb
from libs.stored import Key
from libs.structs import stamp
from services.repair.domain.letter import NOBODY, Content, Letter


def letter_message(
    key: Key, letter: Letter, *, whole: bool = False, came_back_as: Sequence[str] = ()
) -> pb.Letter:
    """Return the message; without `whole` nothing of it can be personal."""
    content = letter.content
    message = pb.Letter(
        letter_id=letter.letter_id,
        tenant="" if key.tenant == NOBODY else key.tenant,
        topic=letter.topic,
        reason=letter.reason,
        detail=letter.detail,
        status=letter.status,
        event_id=content.header("ce_id"),
        event_type=content.header("ce_type"),
        size_bytes=len(content.body or b""),
        sha256=content.digest,
        set_aside_at=stamp(letter.set_aside_at),
        set_aside_by=letter.group,
        places=letter.places,
        replay_of=letter.replay_of,
        edited=letter.repaired is not None,
        closed_at=stamp(letter.closed_at),
        closed_by=letter.closed_by,
        why=letter.why,
        version=letter.version,
        came_back_as=came_back_as,
    )
    if whole:
        message.original.CopyFrom(content_message(letter.original))
        if letter.repaired is not None:
            message.repaired.CopyFrom(content_message(letter.repaired))
    return message


def content_message(content: Content) -> pb.Content:
    text = (content.body or b"").decode("utf-8", "replace")
    return pb.Content(
        record_key=content.key or b"",
        body=content.body or b"",
        text=text,
        text_is_exact=text.encode() == (content.body or b""),
        headers=[
            pb.Header(name=name, raw=value, text=value.decode("utf-8", "replace"))
            for name, value in content.headers
        ],
    )


def audit_message(line: Document) -> pb.AuditLine:
    return pb.AuditLine(
        time=stamp(line["time"]),
        what=line["what"],
        by=line["by"],
        before_sha256=line["before"],
        after_sha256=line["after"],
        note=line["note"],
        event_id=line["event_id"],
    )
