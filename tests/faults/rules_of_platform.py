"""What must hold of the platform itself after every fault: what it keeps, tells, shows and answers."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.faults.evidence import Evidence, ends_of
from tests.faults.topics import DEAD_LETTERS, Row

MOST_MEMORY = 600 * 1024 * 1024  # of one process


def tenants_apart(evidence: Evidence) -> Iterator[str | int]:
    """I8: what one tenant alone knows shows in nothing of another's"""
    for tenant, canary in evidence.canaries.items():
        needle = canary.encode()
        for row in evidence.rows:
            if row.tenant not in ("", tenant) and not row.topic.endswith(DEAD_LETTERS):
                yield 1
                if needle in row.value or canary in "".join(row.headers.values()):
                    yield f"{row.type} {row.id} of {row.tenant} shows what is {tenant}'s"
        for stream, text in evidence.acknowledged.frame_texts:
            yield 1
            if canary in text and tenant not in stream:
                yield f"a frame of {stream} shows what is {tenant}'s"


def bounded(evidence: Evidence) -> Iterator[str | int]:
    """I10: memory is bounded, and what had piled up is gone in time"""
    for process, size in evidence.memory.items():
        yield 1
        if size > MOST_MEMORY:
            yield f"{process} holds {size // 2**20} MB"
    yield 1
    if evidence.settled_s > evidence.settles_within_s:
        yield f"it took {evidence.settled_s:.0f} s to come to rest, at most {evidence.settles_within_s:.0f} s"


def acknowledged_is_kept(evidence: Evidence) -> Iterator[str | int]:
    """I11: every acknowledged write is on a topic; no more is committed than is there; nothing is untold"""
    there = {row.id for row in evidence.rows}
    for event_id, what in evidence.acknowledged.event_ids.items():
        yield 1
        if event_id not in there:
            yield f"{what}: {event_id} was acknowledged and is on no topic"
    ends = ends_of(evidence.rows)
    for (group, topic, partition), offset in evidence.committed.items():
        yield 1
        end = ends.get((topic, partition), 0)
        if offset > end:
            yield f"{group} has committed {offset} of {topic}/{partition}, which ends at {end}"
    for collection, count in evidence.untold.items():
        yield 1
        if count:
            yield f"{count} aggregates of {collection} hold facts that were never told"


def all_consumed(evidence: Evidence) -> Iterator[str | int]:
    """I12: every record is consumed; the bad ones, and no good one, are dead letters with their reason"""
    ends = ends_of(evidence.rows) if evidence.reached is None else evidence.reached
    if evidence.ended:
        for (group, topic, partition), offset in evidence.committed.items():
            yield 1
            if offset < (end := ends.get((topic, partition), 0)):
                yield f"{group} has stopped at {offset} of {topic}/{partition}, which ends at {end}"
    letters: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    for row in evidence.rows:
        if row.topic.endswith(DEAD_LETTERS):
            for place in _places_of(row, evidence):
                letters[place].add(row.headers["dlq_reason"])
    expected = {each.place: each.reason for each in evidence.poison}
    for place, reason in expected.items():
        yield 1
        if (became := letters.get(place)) != {reason}:
            yield f"the bad record at {place} became {became or 'no dead letter'}, expected {reason}"
    for place, reasons in letters.items():
        yield 1
        if place not in expected:
            yield f"the record at {place} was set aside as {reasons}, and it is a good one"


def _places_of(letter: Row, evidence: Evidence) -> list[tuple[str, int, int]]:
    """Return which records a dead letter is about: a service that reads events knows ids, not places."""
    topic, number = letter.headers["dlq_topic"], int(letter.headers["dlq_partition"])
    place = (topic, number, int(letter.headers["dlq_offset"]))
    if number >= 0:
        return [place]
    return [row.place for row in evidence.rows if (row.topic, row.id) == (topic, letter.id)] or [place]


def discreet(evidence: Evidence) -> Iterator[str | int]:
    """I13: no secret and no personal data in logs"""
    pattern = re.compile("|".join(map(re.escape, evidence.secrets))) if evidence.secrets else None
    for process, line in evidence.log_lines:
        yield 1
        if pattern is not None and (found := pattern.search(line)):
            yield f"{process} logs {found.group()[:12]}...: {line[:80]}"


def time_is_sane(evidence: Evidence) -> Iterator[str | int]:
    """I14: no negative duration, and a timer fires once"""
    expired: Counter[str] = Counter()
    for row in evidence.facts:
        for name, value in row.data.items():
            if name.endswith("_ms") and isinstance(value, int | float):
                yield 1
                if value < 0:
                    yield f"{row.type} {row.id}: {name} is {value}"
        if row.name == "routing.offer_expired":
            expired[row.data["offer_id"]] += 1
    yield from (f"offer {offer} expired {times} times" for offer, times in expired.items() if times > 1)


def sockets_without_gap(evidence: Evidence) -> Iterator[str | int]:
    """S: every socket message comes once and in order, over whatever connections and replicas"""
    for stream, numbers in evidence.acknowledged.frames.items():
        yield len(numbers)
        expected = list(range(numbers[0], numbers[0] + len(numbers)))
        if numbers != expected:
            wrong = next(
                place for place, pair in enumerate(zip(numbers, expected, strict=True)) if pair[0] != pair[1]
            )
            yield f"{stream}: after {numbers[wrong - 1]} came {numbers[wrong]}"


def answers_are_fair(evidence: Evidence) -> Iterator[str | int]:
    """A: whoever is put off is told for how long, and no answer is an unexpected error"""
    answers = evidence.acknowledged.answers
    yield sum(answers.statuses.values())
    yield from answers.without_retry_after
    yield from (line for line in answers.server_errors if " 503 " not in line)
