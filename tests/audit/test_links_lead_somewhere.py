"""Every event that the audit may link to is kept where the link leads: in the journal."""

import pytest

from libs.events import interaction
from libs.events.base import Fact
from libs.events.catalogue import FACTS
from libs.events.samples import sample
from services.audit.domain.line import is_line
from services.audit.domain.numbers import NAMELESS, aggregate_of
from services.session.journal import BY_ID, KEPT, OF_JOURNEYS, document_of


def is_linked(fact: type[Fact]) -> bool:
    """Return whether a fact is a line of an account, or carries a number that may be wrong."""
    event = sample(fact)._replace(sequence=1)
    return is_line(event) or bool(aggregate_of(event)) or fact is interaction.MediaChanged


@pytest.mark.parametrize("fact", [*filter(is_linked, FACTS)], ids=lambda fact: fact.type)
def test_it_keeps_what_the_audit_links_to(fact: type[Fact]) -> None:
    assert fact in KEPT


def test_it_links_to_facts_of_every_teller() -> None:
    topics = {fact.topic() for fact in FACTS if is_linked(fact)}

    assert {"trunkline.queue", "trunkline.agent", "trunkline.analytics", "trunkline.routing"} <= topics
    assert not any(is_linked(fact) for fact in FACTS if fact.type in NAMELESS)


@pytest.mark.parametrize("fact", KEPT, ids=lambda fact: fact.type)
def test_it_lists_only_steps_of_journeys_under_a_journey(fact: type[Fact]) -> None:
    document = document_of(sample(fact))

    assert bool(document["keys"]) is (fact in OF_JOURNEYS)
    assert document["_id"] == f"{sample(fact).tenant}/{sample(fact).id}"
    assert not set(OF_JOURNEYS) & set(BY_ID)
