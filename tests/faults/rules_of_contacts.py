"""What must hold of contacts, agents and figures after every fault."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.faults.evidence import CLOSED, Evidence, of
from tests.faults.topics import DEAD_LETTERS, Row

MS = timedelta(milliseconds=1)


def nothing_lost(evidence: Evidence) -> Iterator[str | int]:
    """I1: every acknowledged contact, and every one the topics know, reaches exactly one terminal state"""
    outcomes: dict[str, list[str]] = defaultdict(list)
    for row in of(evidence.facts, CLOSED):
        outcomes[row.data["interaction_id"]].append(row.data["outcome"])
    for contact in sorted(evidence.acknowledged.contacts):
        yield 1
        if len(outcomes[contact]) != 1:
            yield f"{contact} reached {outcomes[contact] or 'no terminal state'}"
    yield from _audited(evidence, "I1")


def no_double_assignment(evidence: Evidence) -> Iterator[str | int]:
    """I2: at most one open assignment per contact, at most its capacity per agent and channel"""
    yield len(of(evidence.facts, "routing.contact_assigned"))
    yield from _audited(evidence, "I2")


def legal_transitions(evidence: Evidence) -> Iterator[str | int]:
    """I3: only legal transitions of contacts and offers; after the end only after-work follows"""
    yield sum(row.topic in ("trunkline.routing", "trunkline.session") for row in evidence.facts)
    yield from _audited(evidence, "I3")


def sequence_without_gap(evidence: Evidence) -> Iterator[str | int]:
    """I4: what one aggregate tells is numbered 1..n, without gap or repeat"""
    yield sum(row.sequence > 0 for row in evidence.facts)
    yield from _audited(evidence, "I4")


def _audited(evidence: Evidence, rule: str) -> Iterator[str]:
    """Yield what the ledger's own auditor finds: the rules that production is watched by."""
    for breach in evidence.verdict:
        if breach.rule == rule:
            yield f"{breach.tenant}/{breach.subject}: {breach.what} ({', '.join(breach.event_ids)})"


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
    yield from _audited(evidence, "I6")
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
        left = folded["offered"] - folded["answered"] - folded["abandoned"] - gone
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
            kept = evidence.objects.get(f"{recording_id}/{row.data['sha256'][:32]}")
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
