"""A contact in routing's log: which steps it may take, who holds it, what became of its offers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.audit.domain.line import Line

# state, fact -> state. A wrap-up runs beside the contact and is looked at apart.
STEPS: dict[tuple[str, str], str] = {
    ("", "contact_enqueued"): "waiting",
    ("", "contact_rejected"): "rejected",
    ("rejected", "contact_rejected"): "rejected",  # asked again: who was not admitted has not been there
    ("rejected", "contact_enqueued"): "waiting",
    ("waiting", "agent_offered"): "offered",
    ("waiting", "contact_abandoned"): "abandoned",
    ("waiting", "contact_overflowed"): "leaving",
    ("waiting", "contact_moved"): "leaving",
    ("waiting", "contact_diverted"): "diverted",
    ("leaving", "contact_enqueued"): "waiting",
    ("offered", "contact_assigned"): "assigned",
    ("offered", "offer_declined"): "lapsed",
    ("offered", "offer_expired"): "lapsed",
    ("offered", "offer_withdrawn"): "lapsed",
    ("lapsed", "contact_requeued"): "waiting",
    ("lapsed", "contact_abandoned"): "abandoned",
    ("lapsed", "contact_moved"): "leaving",
    ("lapsed", "contact_diverted"): "diverted",
    ("assigned", "contact_transferred"): "leaving",
    ("assigned", "contact_requeued"): "waiting",
    ("assigned", "contact_released"): "released",
}
LEADS_TO = {fact: state for (_, fact), state in STEPS.items()}  # also where it came out of place
ENDS = ("released", "abandoned", "rejected", "diverted")
ANSWERS = {
    "contact_assigned": "accepted",
    "offer_declined": "declined",
    "offer_expired": "expired",
    "offer_withdrawn": "withdrawn",
}
LEAVES_BY = {
    "contact_assigned": "answered",
    "contact_abandoned": "abandoned",
    "contact_overflowed": "overflowed",
    "contact_moved": "overflowed",
    "contact_diverted": "overflowed",
}


@dataclass(frozen=True, slots=True)
class Stay:
    """A contact's time in one queue: from when, and how it left; "" while it waits."""

    queue_id: str
    since: datetime
    exit: str = ""


@dataclass(slots=True)
class Routed:
    """What routing's log comes to for one contact. `faults` are (rule, what, event ids)."""

    state: str = ""
    holder: str = ""  # the agent it is assigned to
    ended_by: str = ""  # the event of its end
    ended: str = ""
    open_offer: str = ""  # made and not answered yet
    stays: list[Stay] = field(default_factory=list)
    rejections: list[Stay] = field(default_factory=list)
    faults: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    assigned_by: str = ""
    offers: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # agent, answer, event
    wrapping: list[str] = field(default_factory=list)

    def fault(self, rule: str, what: str, *event_ids: str) -> None:
        self.faults.append((rule, what, tuple(dict.fromkeys(filter(None, event_ids)))))


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Return the lines by their teller's numbers; one without a number keeps its place."""
    placed: list[tuple[int, Line]] = []
    place = 0
    for line in lines:
        place = line.number or place
        placed.append((place, line))
    return [line for _, line in sorted(placed, key=lambda each: each[0])]


def follow(lines: Sequence[Line]) -> Routed:
    """Return what the lines of topic routing come to, taken in the order in which routing decided them."""
    found = Routed()
    before: Line | None = None
    for line in in_order(lines):
        if before is not None and line.at < before.at:
            found.fault("I14", f"{line.what} is earlier than {before.what} before it", line.event_id)
        before = line
        fact = line.what.partition(".")[2]
        if fact == "contact_wrapped_up":
            _wrap_up(found, line)
            continue
        _answer(found, line, fact)
        _step(found, line, fact)
        _stay(found, line, fact)
    return found


def _step(found: Routed, line: Line, fact: str) -> None:
    state = found.state
    to = STEPS.get((state, fact))
    if to is None:
        if fact == "contact_assigned" and state == "assigned":
            what = f"assigned to {line.agent_id} while {found.holder} holds it"
            found.fault("I2", what, found.assigned_by, line.event_id)
        else:
            found.fault("I3", f"{fact} while {state or 'unknown to routing'}", found.ended_by, line.event_id)
        to = LEADS_TO[fact]
    if state == "assigned" and fact in ("contact_released", "contact_transferred", "contact_requeued"):
        if line.agent_id != found.holder:
            what = f"{fact} by {line.agent_id} while {found.holder} holds it"
            found.fault("I3", what, found.assigned_by, line.event_id)
        elif fact != "contact_requeued":
            found.wrapping.append(line.agent_id)
    if (state, to) == ("rejected", "waiting"):
        found.ended = found.ended_by = ""
    found.state = to
    if to == "assigned":
        found.holder, found.assigned_by = line.agent_id, line.event_id
    else:
        found.holder = ""
    if to in ENDS:
        found.ended, found.ended_by = to, line.event_id


def _answer(found: Routed, line: Line, fact: str) -> None:
    """Follow the offers: made, then accepted, declined, expired or withdrawn, once."""
    if fact == "agent_offered":
        if line.offer_id in found.offers:
            found.fault("I3", f"offer {line.offer_id} made twice", line.event_id)
        found.offers[line.offer_id] = (line.agent_id, "", line.event_id)
        found.open_offer = line.offer_id
        return
    answer = ANSWERS.get(fact)
    if answer is None:
        return
    if line.offer_id not in found.offers:
        found.fault("I3", f"offer {line.offer_id} {answer}, which was never made", line.event_id)
        return
    agent_id, earlier, event_id = found.offers[line.offer_id]
    if earlier:
        what = f"offer {line.offer_id} {answer} after it was {earlier}"
        found.fault("I3", what, event_id, line.event_id)
    elif agent_id != line.agent_id:
        what = f"offer {line.offer_id} to {agent_id} {answer} by {line.agent_id}"
        found.fault("I3", what, event_id, line.event_id)
    found.offers[line.offer_id] = (agent_id, earlier or answer, line.event_id)
    if found.open_offer == line.offer_id:
        found.open_offer = ""


def _wrap_up(found: Routed, line: Line) -> None:
    if line.agent_id in found.wrapping:
        found.wrapping.remove(line.agent_id)
    else:
        found.fault("I3", f"wrapped up by {line.agent_id}, who had nothing to wrap up", line.event_id)


def _stay(found: Routed, line: Line, fact: str) -> None:
    """Follow the queues: a stay begins when the contact is admitted, or loses the agent who served it."""
    open_stay = found.stays[-1] if found.stays and not found.stays[-1].exit else None
    if fact == "contact_rejected":
        found.rejections.append(Stay(line.queue_id, line.at, "rejected"))
    elif fact == "contact_enqueued" and open_stay is None:
        found.stays.append(Stay(line.queue_id, line.since or line.at))
    elif fact == "contact_requeued" and open_stay is None:
        found.stays.append(Stay(line.queue_id, line.at))
    elif fact in LEAVES_BY and open_stay is not None:
        found.stays[-1] = replace(open_stay, exit=LEAVES_BY[fact])
