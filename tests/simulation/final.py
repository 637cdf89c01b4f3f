"""What must hold when the day is over, faults have stopped and everything has come to rest."""

import json
import re
from collections import Counter
from typing import Any

from libs import wire
from libs.events import interaction, routing, session
from libs.events.catalogue import dead_letters_of
from libs.stored import Key
from libs.wire import Record
from services.analytics.domain.counts import Counted, add
from services.audit.domain.verdict import audit
from services.session.journal import KEPT
from tests.simulation.broker import Broker
from tests.simulation.ledger import Ledger
from tests.simulation.services import Platform
from tests.simulation.world import World

SECRET = re.compile(r"PII-[a-z]+-\w+")
CANARY = re.compile(r"CANARY-(\w+)")


class Closing:
    """The checks at the end of the day."""

    def __init__(self, platform: Platform, ledger: Ledger) -> None:
        self.platform = platform
        self.ledger = ledger
        self.world: World = platform.world
        self.broker: Broker = platform.broker

    def hold(self, rule: str, holds: bool, text: str) -> None:
        self.world.checked[rule] += 1
        if not holds:
            self.world.fail(rule, text)

    def restless(self) -> str:
        """Say what keeps the day from ending, "" where nothing does."""
        for name, group in self.broker.groups.items():
            if behind := group.behind():
                return f"{name} is {behind} records behind"
        for contact, served in self.ledger.watch.served.items():
            if not served.closed:
                return f"contact {contact} is not over"
        for key, closed in self._sessions().items():
            if not closed:
                return f"session {key} is not over"
        for name, shelf in self.platform.shelves.items():
            waiting = [key for key, stored in shelf.kept.items() if stored.untold]
            if waiting:
                return f"{name} holds untold facts of {waiting[0]}"
        pools = self.platform.shelves["pools"].kept.items()
        for key, stored in pools:
            if stored.state.contacts:
                return f"pool {key} still has {sorted(stored.state.contacts)}"
            for agent_id, one in stored.state.agents.items():
                if one.holds:
                    return f"{agent_id} of {key} still holds {sorted(one.holds)}"
        for key, stored in self.platform.shelves["transcripts"].kept.items():
            if stored.state.due is not None:
                return f"transcript {key} is not written"
        for name, applies in self.platform.applies.items():
            for apply in applies:
                if apply._hold._held:
                    return f"{name} has {min(map(str, apply._hold._held))} in hand"
        return ""

    def _sessions(self) -> dict[Key, bool]:
        return {
            key: stored.state.closed_at is not None
            for key, stored in self.platform.shelves["sessions"].kept.items()
        }

    def check(self) -> None:
        """Check everything that can be checked without changing anything."""
        self._all_over()
        self._all_told()
        self._figures()
        self._letters()
        self._journal()
        self._privacy()
        self._bounded()
        self._recordings()
        for breach in audit(self._events()):
            if breach.rule == "I14" and breach.what.startswith("interaction."):
                continue  # the clock of an adapter was put back: that is the fault, not what came of it
            self.hold(f"{breach.rule} audit", False, f"{breach.tenant} {breach.subject}: {breach.what}")
        self.hold("I1-I14 audit", True, "")

    def _all_over(self) -> None:
        began = {
            Key(event.tenant, event.data.interaction_id)
            for event in self.ledger.from_outside.values()
            if isinstance(event.data, interaction.Started)
        }
        for name in sorted(began, key=str):
            served = self.ledger.watch.served.get(name)
            self.hold("I1 nothing lost", served is not None and served.closed, f"{name} has no end")
        for name, contact in self.ledger.watch.contacts.items():
            over = contact.phase in ("over", "rejected")
            self.hold("I1 nothing lost", over, f"{name} is left {contact.phase} in routing")

    def _all_told(self) -> None:
        lost = self.ledger.untold()
        self.hold(
            "I1 saved is told", not lost, f"{len(lost)} facts were never told, {lost[0].type if lost else ''}"
        )

    def _figures(self) -> None:
        """Compare intervals with what contacts and agents counted, and the funnel with routing's facts."""
        wanted: dict[Key, dict[str, int]] = {}
        for _, fact in self.ledger.facts.values():
            if isinstance(fact.data, Counted):
                key = Key(fact.tenant, fact.data.key)
                wanted[key] = add(wanted.get(key, {}), fact.data.counts)
        there = {
            key: dict(stored.state.counts) for key, stored in self.platform.shelves["intervals"].kept.items()
        }
        for key in sorted({*wanted, *there}, key=str):
            self.hold(
                "I6 figures = ledger",
                wanted.get(key, {}) == there.get(key, {}),
                f"{key}: {there.get(key)} is not {wanted.get(key)}",
            )
        for tenant in {key.tenant for key in there}:
            total: dict[str, int] = {}
            for key, counts in there.items():
                if key.tenant == tenant and key.id.startswith("tenant."):
                    total = add(total, counts)
            self._funnel(tenant, total)

    def _funnel(self, tenant: str, total: dict[str, int]) -> None:
        names = {
            routing.ContactEnqueued: "offered",
            routing.ContactAssigned: "answered",
            routing.ContactAbandoned: "abandoned",
            routing.ContactOverflowed: "overflowed",
            routing.ContactMoved: "overflowed",
            routing.ContactRejected: "rejected",
            session.Started: "contacts",
            session.Resumed: "contacts",
        }
        facts: Counter[str] = Counter()
        for _, fact in self.ledger.facts.values():
            if fact.tenant == tenant and type(fact.data) in names:
                facts[names[type(fact.data)]] += 1
            elif fact.tenant == tenant and isinstance(fact.data, routing.ContactRequeued):
                facts["offered"] += fact.data.talked_ms is not None  # answered, and offered anew
        outside = self._outside(tenant)
        for name in sorted(set(names.values())):
            told = total.get(name, 0) - outside[name]
            self.hold(
                "I6 figures = topic", told == facts[name], f"{tenant} {name}: {told}, not {facts[name]}"
            )
        gone = facts["answered"] + facts["abandoned"] + facts["overflowed"]
        self.hold("I6 funnel", facts["offered"] == gone, f"{tenant}: offered {facts['offered']}, gone {gone}")

    def _outside(self, tenant: str) -> Counter[str]:
        """Return what contacts of an outside ACD add to the figures, of which no fact of ours speaks."""
        ended = {
            event.data.interaction_id
            for event in self.ledger.from_outside.values()
            if isinstance(event.data, interaction.Ended) and event.tenant == tenant
        }
        counts: Counter[str] = Counter()
        for key, stored in self.platform.shelves["contacts"].kept.items():
            contact = stored.state
            if key.tenant == tenant and contact.external and contact.queued_at is not None:
                counts["offered"] += 1
                counts["answered"] += contact.answered_at is not None
                silent = contact.outcome == "failed"
                counts["abandoned"] += contact.answered_at is None and (key.id in ended or silent)
        return counts

    def _letters(self) -> None:
        """Compare the dead letters with the records that are none of ours."""
        bad: set[bytes] = set()
        for record in self.broker.records():
            if record.topic.endswith("-dlq"):
                continue
            try:
                wire.decode(record.headers, record.value)
            except wire.Unreadable:
                bad.add(record.value or b"")
                letters = [
                    each
                    for number in range(self.broker.partitions)
                    for each in self.broker.log((dead_letters_of(record.topic), number))
                    if each.value == record.value and dict(each.headers).get("dlq_reason")
                ]
                self.hold(
                    "I12 dead letters", bool(letters), f"a bad record of {record.topic} is in no dead letters"
                )

    def _journal(self) -> None:
        there = set(self.platform.journal)
        wanted = {f"{event.tenant}/{event.id}" for event in self._events() if isinstance(event.data, KEPT)}
        self.hold(
            "I12 journal = topics", there == wanted, f"{len(wanted - there)} events are not in the journal"
        )

    def _events(self) -> list[Any]:
        events = []
        for record in self.broker.records():
            if not record.topic.endswith("-dlq"):
                try:
                    events.append(wire.decode(record.headers, record.value))
                except wire.Unreadable:
                    continue
        return events

    def _privacy(self) -> None:
        for record in self.broker.records():
            if record.topic.endswith("-dlq"):
                continue
            self._private(record)
            tenant = dict(record.headers).get("ce_tenant", b"").decode("utf-8", "replace")
            text = (record.value or b"").decode("utf-8", "replace")
            others = [each for each in CANARY.findall(text) if each != tenant]
            self.hold("I8 tenants", not others, f"{record.topic} of {tenant} tells of {others}")
        for name, shelf in self.platform.shelves.items():
            for key, stored in shelf.kept.items():
                others = [each for each in CANARY.findall(repr(stored.state)) if each != key.tenant]
                self.hold("I8 tenants", not others, f"{name} {key} knows of {others}")

    def _private(self, record: Record) -> None:
        try:
            data = json.loads(record.value or b"null")
        except ValueError:
            return
        if isinstance(data, dict):
            data.pop("pii", None)
        spoken = f"{json.dumps(data)} {record.key!r} {record.headers!r}"
        self.hold(
            "I13 personal data", not SECRET.search(spoken), f"{record.topic}: {SECRET.findall(spoken)[:1]}"
        )

    def _bounded(self) -> None:
        for name, applies in self.platform.applies.items():
            for apply in applies:
                self.hold(
                    "I10 bounded", len(apply._told) < 50, f"{name}: {len(apply._told)} versions not settled"
                )
        for name, shelf in self.platform.shelves.items():
            for key, stored in shelf.kept.items():
                self.hold(
                    "I10 bounded", len(stored.applied) <= 128, f"{name} {key}: {len(stored.applied)} ids"
                )

    def _recordings(self) -> None:
        """Check that what was said is written, and that nothing is written of which nobody knows."""
        known = {
            each
            for stored in self.platform.shelves["recordings"].kept.values()
            for each in stored.state.objects
        }
        for name in known:
            self.hold("I7 recordings", name in self.platform.objects, f"{name} is not in the object store")
        for key, stored in self.platform.shelves["transcripts"].kept.items():
            if stored.state.lines and stored.state.ended_at and not stored.state.erased:
                of = [each for each in self.platform.shelves["recordings"].kept.values()
                      if each.state.interaction_id == key.id]  # fmt: skip
                self.hold("I7 recordings", bool(of) or bool(stored.state.declared), f"{key} was not recorded")

    def standing(self) -> dict[str, Any]:
        """Return how everything stands, to be compared after all topics were read again."""
        return {
            f"{name} {key}": (stored.state, stored.sequence)
            for name, shelf in self.platform.shelves.items()
            for key, stored in shelf.kept.items()
        }
