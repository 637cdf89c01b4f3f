"""The account of one contact: all lines about it, and what they come to, in whatever order they arrived."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.audit.domain.breach import Breach
from services.audit.domain.line import Line
from services.audit.domain.routed import Routed, Stay, follow, in_order

# How routing's end of a contact shows in the session's.
OUTCOME_OF = {
    "released": "handled",
    "abandoned": "abandoned_in_queue",
    "rejected": "rejected",
    "diverted": "overflowed",
}
END_OF = {outcome: end for end, outcome in OUTCOME_OF.items()}
AFTER_WORK = ("session.wrapped_up",)


@dataclass(frozen=True, slots=True)
class Account:
    """
    What the ledger comes to for one contact.

    `open` says that it began and has no terminal state; `missing` what should have followed by now, "" if
    nothing; `breaches` what no later fact can make good, unless the log was read in part.
    """

    contact_id: str
    began_at: datetime | None
    outcome: str
    closed_at: datetime | None
    external: bool
    missing: str
    breaches: tuple[Breach, ...]
    stays: tuple[Stay, ...]

    @property
    def began(self) -> bool:
        return self.began_at is not None

    @property
    def open(self) -> bool:
        return self.began and not self.outcome


def read(tenant: str, contact_id: str, lines: Sequence[Line]) -> Account:
    """Return what lines, each event once, come to; those of one topic stand in the order of its log."""
    started = [line for line in lines if line.what == "interaction.started"]
    of_session = in_order(line for line in lines if line.topic == "session")
    began = [line for line in of_session if line.what in ("session.started", "session.resumed")]
    closed = [line for line in of_session if line.what == "session.contact_closed"]
    external = any(line.said == "external" for line in (*started, *began))
    routed = follow([line for line in lines if line.topic == "routing"])
    breaches = [Breach(rule, tenant, contact_id, what, ids) for rule, what, ids in routed.faults]

    def breach(rule: str, what: str, *events: Line) -> None:
        ids = tuple(each.event_id for each in events)
        breaches.append(Breach(rule, tenant, contact_id, what, ids))

    if len(began) > 1:
        breach("I3", "began twice", *began)
    for again in closed[1:]:
        what = f"closed as {again.said} after it was closed as {closed[0].said}"
        breach("I1", what, closed[0], again)
    for line in _after(of_session, closed):
        breach("I3", f"{line.what} after the contact was closed", closed[0], line)
    failed = bool(closed) and closed[0].said == "failed"
    stays, faults = _external(lines, failed=failed) if external else ([*routed.stays, *routed.rejections], [])
    for earlier, later in faults:
        breach("I14", f"{later.what} is earlier than {earlier.what} before it", earlier, later)
    return Account(
        contact_id,
        min((line.at for line in (*started, *began)), default=None),
        closed[0].said if closed else "",
        closed[0].at if closed else None,
        external,
        _missing(lines, started, began, closed, routed, external=external),
        tuple(dict.fromkeys(breaches)),
        tuple(stays),
    )


def _after(of_session: Sequence[Line], closed: Sequence[Line]) -> Iterable[Line]:
    """Yield what came after the terminal state and is no after-work."""
    if not closed:
        return
    past = False
    for line in of_session:
        if past and line not in closed and line.what not in AFTER_WORK:
            yield line
        past = past or line is closed[0]


def _missing(
    lines: Sequence[Line],
    started: Sequence[Line],
    began: Sequence[Line],
    closed: Sequence[Line],
    routed: Routed,
    *,
    external: bool,
) -> str:
    """Return what must follow soon from what is there; each is told by another service than its cause."""
    heard = {line.what for line in lines}
    if not started:
        known = bool(began or closed) or any(line.topic in ("routing", "queue") for line in lines)
        return "it was never started" if known else ""
    if not began:
        return "no session took it up"
    outcome = closed[0].said if closed else ""
    if not external:
        if routed.ended and not outcome:
            return f"routing {routed.ended} it and its session did not close it"
        if routed.ended and outcome != OUTCOME_OF[routed.ended]:
            return f"routing {routed.ended} it and its session closed it as {outcome}"
        if outcome in END_OF and not routed.ended:
            return f"its session closed it as {outcome} and routing did not end it"
        if "queue.contact_queued" in heard and not routed.state:
            return "it was queued and routing did not take it up"
        if "queue.contact_withdrawn" in heard and not routed.ended:
            return "it was withdrawn and routing did not end it"
    if "interaction.ended" in heard and not outcome:
        return "it ended and its session did not close it"
    return ""


def _external(lines: Sequence[Line], *, failed: bool) -> tuple[list[Stay], list[tuple[Line, Line]]]:
    """
    Return the stays of a contact that an outside ACD distributed, and where its clock ran backwards.

    One that was closed because its adapter fell silent (`failed`) has left its queue, too.
    """
    stays: list[Stay] = []
    faults: list[tuple[Line, Line]] = []
    answered = False
    before: Line | None = None
    for line in lines:
        if line.topic != "interaction":
            continue
        if before is not None and line.at < before.at:
            faults.append((before, line))
        open_stay = stays[-1] if stays and not stays[-1].exit else None
        match line.what, line.said:
            case "interaction.queue_entered", _:
                if open_stay is not None:
                    stays[-1] = replace(open_stay, exit="overflowed")
                stays.append(Stay(line.queue_id, line.at))
            case "interaction.media_changed", "answered" if not answered:
                answered = True
                if open_stay is not None:
                    stays[-1] = replace(open_stay, exit="answered")
                elif line.queue_id:
                    stays.append(Stay(line.queue_id, line.at, "answered"))
            case "interaction.ended", _ if open_stay is not None:
                stays[-1] = replace(open_stay, exit="abandoned")
            case _:
                pass
        before = line
    if failed and stays and not stays[-1].exit:
        stays[-1] = replace(stays[-1], exit="abandoned")
    return stays, faults
