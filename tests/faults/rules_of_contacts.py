"""What must hold of contacts, agents and figures after every fault."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from tests.faults.evidence import CLOSED, Evidence, of
from tests.faults.topics import DEAD_LETTERS, Row

AFTER_WORK = frozenset(
    {
        "session.wrapped_up",
        "session.survey_requested",
        "session.survey_answered",
        "session.participant_left",
        "session.customer_identified",
        "session.context_changed",
        "session.closed",
        "session.resumed",
        "session.started",
        CLOSED,
    }
)
MS = timedelta(milliseconds=1)


def nothing_lost(evidence: Evidence) -> Iterator[str | int]:
    """I1: every acknowledged contact reaches exactly one terminal state"""
    outcomes: dict[str, list[str]] = defaultdict(list)
    for row in of(evidence.facts, CLOSED):
        outcomes[row.data["interaction_id"]].append(row.data["outcome"])
    for contact in sorted(evidence.acknowledged.contacts):
        yield 1
        if len(outcomes[contact]) != 1:
            yield f"{contact} reached {outcomes[contact] or 'no terminal state'}"


def no_double_assignment(evidence: Evidence) -> Iterator[str | int]:
    """I2: at most one open assignment per contact, at most its capacity per agent and channel"""
    opened: dict[str, str] = {}
    load: Counter[tuple[str, str]] = Counter()
    ends = ("routing.contact_released", "routing.contact_transferred")
    for row in in_order(of(evidence.facts, "routing.contact_assigned", "routing.contact_requeued", *ends)):
        contact, agent = row.data["contact_id"], row.data.get("agent_id", "")
        place = (agent, row.data["channel"])
        if row.name == "routing.contact_assigned":
            yield 1
            if contact in opened:
                yield f"{contact} was assigned to {agent} while {opened[contact]} had it"
            opened[contact] = agent
            load[place] += 1
            if load[place] > evidence.capacity[place[1]]:
                yield f"{agent} had {load[place]} contacts on {place[1]}"
        elif row.name in ends or row.data["cause"] == "agent_lost":
            if opened.get(contact) == agent:
                del opened[contact]
                load[place] -= 1
            elif row.name in ends:
                yield f"{contact} was released by {agent}, who did not have it"


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return facts of routing in the order in which each pool told them, whatever topic they are on."""
    return sorted(rows, key=lambda row: (row.tenant, row.data.get("pool_id", ""), row.sequence))


def legal_transitions(evidence: Evidence) -> Iterator[str | int]:
    """I3: offers end once, and only what was offered is assigned; after the end only after-work follows"""
    offers: dict[str, str] = {}
    for row in in_order(
        row for row in evidence.facts if row.data.get("offer_id") and row.topic.endswith("routing")
    ):
        yield 1
        offer = row.data["offer_id"]
        if row.name == "routing.agent_offered":
            if offer in offers:
                yield f"offer {offer} was made twice"
            offers[offer] = ""
        elif offers.get(offer) != "":
            yield f"offer {offer} became {row.name}, having been {offers.get(offer) or 'never made'}"
        else:
            offers[offer] = row.name
    over: set[str] = set()
    for row in evidence.facts:
        contact = row.data.get("interaction_id", "")
        if row.topic != "trunkline.session" or not contact:
            continue
        yield 1
        if contact in over and row.name not in AFTER_WORK:
            yield f"{contact}: {row.name} after its end"
        if row.name == CLOSED:
            over.add(contact)


def sequence_without_gap(evidence: Evidence) -> Iterator[str | int]:
    """I4: what one pool has told is numbered 1..n, without gap or repeat"""
    told: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in evidence.facts:
        if row.source == "/trunkline/routing/pools":
            told[row.tenant, row.data["pool_id"]].append(row.sequence)
    for pool, numbers in told.items():
        yield len(numbers)
        counted = Counter(numbers)
        missing = [n for n in range(1, max(numbers) + 1) if n not in counted]
        if missing:
            yield f"{pool}: {len(missing)} of {max(numbers)} numbers are missing, first {missing[:5]}"
        if twice := [n for n, times in counted.items() if times > 1]:
            yield f"{pool}: numbers {twice[:5]} stand for several facts"


def one_effect(evidence: Evidence) -> Iterator[str | int]:
    """I5: an event told again is the same event, and a command that came twice had one effect"""
    first: dict[str, Row] = {}
    bad = {each.place for each in evidence.poison}
    for row in evidence.rows:
        if row.topic.endswith(DEAD_LETTERS) or row.place in bad:
            continue
        before = first.setdefault(row.id, row)
        if before is not row:
            yield 1
            if (before.type, before.value) != (row.type, row.value):
                yield f"event {row.id} ({row.type}) was told again with other content"
    opened = {row.data["ticket_id"] for row in of(evidence.facts, "workflow.ticket_opened")}
    for ticket in sorted(evidence.acknowledged.tickets):
        yield 1
        if ticket not in opened:
            yield f"ticket {ticket} was acknowledged and never opened"


def figures_agree(evidence: Evidence) -> Iterator[str | int]:
    """I6: offered = answered + abandoned + overflowed + waiting; the report equals a fold of the topics"""
    facts = evidence.facts
    if not evidence.report:
        return
    kept = Counter(row.name for row in facts if row.tenant == "demo")
    folded = {
        "offered": kept["routing.contact_enqueued"],
        "answered": kept["routing.contact_assigned"],
        "abandoned": kept["routing.contact_abandoned"],
        "handled": kept["routing.contact_released"] + kept["routing.contact_transferred"],
    }
    for name, count in folded.items():
        yield count
        if evidence.report.get(name, 0.0) != count:
            yield f"{name}: the topics hold {count}, the report says {evidence.report.get(name, 0.0):g}"
    if evidence.ended:
        gone = kept["routing.contact_overflowed"] + kept["routing.contact_moved"]
        # A contact taken from a lost agent waits again and is answered again: that is one more answer.
        again = sum(row.data["cause"] == "agent_lost" for row in of(facts, "routing.contact_requeued"))
        left = folded["offered"] + again - folded["answered"] - folded["abandoned"] - gone
        if left:
            yield f"{left} contacts were offered and are neither answered, abandoned nor gone elsewhere"


def recordings_complete(evidence: Evidence) -> Iterator[str | int]:
    """I7: each handled chat has one transcript or a declared gap; checksums and lengths match"""
    stored: dict[str, Row] = {}
    covered: set[str] = set()
    for row in of(evidence.facts, "recording.recording_stored", "recording.gap_declared"):
        covered.add(row.data["interaction_id"])
        if row.name == "recording.recording_stored":
            stored[row.data["recording_id"]] = row
    for row in of(evidence.facts, CLOSED):
        if evidence.ended and row.data["outcome"] == "handled" and row.data["channel"] == "chat":
            yield 1
            if row.data["interaction_id"] not in covered:
                yield f"{row.data['interaction_id']} has neither a transcript nor a declared gap"
    for recording_id, row in stored.items():
        if evidence.objects:
            yield 1
            kept = evidence.objects.get(recording_id)
            if kept != (row.data["size_bytes"], row.data["sha256"]):
                yield f"recording {recording_id} is kept as {kept}, told as {row.data['size_bytes']} bytes"


def agent_states_tile(evidence: Evidence) -> Iterator[str | int]:
    """I9: an agent's states follow each other without overlap or hole"""
    last: dict[tuple[str, str], Row] = {}
    for row in of(evidence.facts, "agent.state_entered"):
        yield 1
        key = (row.tenant, row.data["agent_id"])
        before = last.get(key)
        last[key] = row
        if before is None:
            continue
        if row.data.get("previous", "signed_out") != before.data["state"]:
            yield f"{key[1]} left {row.data.get('previous')}, having been {before.data['state']}"
        lasted, told = _since(row) - _since(before), row.data.get("previous_ms", 0)
        if before.data["state"] != "signed_out" and abs(lasted / MS - told) > 1:
            yield f"{key[1]} was {before.data['state']} for {lasted}, told as {told} ms"


def _since(row: Row) -> datetime:
    return datetime.fromisoformat(row.data["since"])
