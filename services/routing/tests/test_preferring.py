"""Tables of preferred agents in order: each is insisted on for his time, then anybody will do."""

from libs.events.queue import Preferred
from services.routing.tests.cases import Floor, floor, queued, ready, signed_in, signed_out

FIRST_BOB_THEN_CAT = (Preferred(agent_id="bob", for_s=20), Preferred(agent_id="cat", for_s=30))


def only_dan_ready() -> Floor:
    """Return a pool in which ana, bob and cat are signed in, but only dan is ready."""
    here = floor().staff("dan")
    for agent_id in ("ana", "bob", "cat"):
        here.staff(agent_id)
        here.tell(signed_out(agent_id), 3)
        here.tell(signed_in(agent_id), 4)
    return here


def insisting() -> Floor:
    here = only_dan_ready()
    here.tell(queued("c", prefers="ana", for_s=10, then_preferred=FIRST_BOB_THEN_CAT), 10)
    return here


def test_it_insists_on_each_for_his_time_and_then_takes_anybody() -> None:
    here = insisting()

    seen = []
    for seconds in (19, 20, 39, 40, 69):
        here.wait_until(seconds)
        seen.append((here.contact("c").preferred_agent_id, here.contact("c").agent_id))
    here.wait_until(70)

    assert seen == [("ana", ""), ("bob", ""), ("bob", ""), ("cat", ""), ("cat", "")]
    assert here.contact("c").agent_id == "dan"


def test_it_goes_to_the_one_whose_turn_it_is_when_he_comes_free() -> None:
    here = insisting()
    here.wait_until(25)

    here.tell(ready("cat"), 26)
    before = here.contact("c").agent_id
    here.tell(ready("bob"), 27)

    assert (before, here.contact("c").agent_id) == ("", "bob")


def test_it_takes_a_later_one_who_is_free_at_once_when_his_turn_comes() -> None:
    here = insisting()
    here.tell(ready("bob"), 12)

    here.wait_until(19)
    before = here.contact("c").agent_id
    here.wait_until(20)

    assert (before, here.contact("c").agent_id) == ("", "bob")


def test_it_passes_over_who_is_not_there() -> None:
    here = only_dan_ready()
    here.tell(signed_out("ana"), 5)
    here.tell(signed_out("bob"), 5)

    here.tell(queued("c", prefers="ana", for_s=10, then_preferred=FIRST_BOB_THEN_CAT), 10)
    preferred = here.contact("c").preferred_agent_id
    here.wait_until(39)
    before = here.contact("c").agent_id
    here.wait_until(40)

    assert (preferred, before, here.contact("c").agent_id) == ("cat", "", "dan")


def test_it_moves_on_when_the_one_it_waits_for_signs_out() -> None:
    here = insisting()

    here.tell(signed_out("ana"), 12)
    first = here.contact("c").preferred_agent_id
    here.wait_until(31)
    before = here.contact("c").agent_id
    here.tell(signed_out("bob"), 31)
    here.tell(signed_out("cat"), 31)

    assert (first, before, here.contact("c").agent_id) == ("bob", "", "dan")


def test_the_deputy_of_an_account_manager_is_next() -> None:
    here = only_dan_ready()
    here.tell(queued("c", prefers="ana", exclusive=True, then_preferred=FIRST_BOB_THEN_CAT[:1]), 10)
    here.wait_until(3000)
    waited_for = here.contact("c").preferred_agent_id

    here.tell(signed_out("ana"), 3001)
    here.wait_until(3020)
    before = here.contact("c")
    here.wait_until(3021)

    assert (waited_for, before.preferred_agent_id, before.agent_id) == ("ana", "bob", "")
    assert here.contact("c").agent_id == "dan"
