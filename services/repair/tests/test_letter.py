"""What a letter is, whose it is, and what becomes of it."""

from dataclasses import replace

import pytest

from libs import wire
from libs.errors import Conflict, Invalid, NotFound, Refused
from libs.events import repair
from libs.wire import MAX_EVENT_BYTES, Record
from services.repair.domain.commands import Command, Discard, Edit, Inspect, Replay
from services.repair.domain.deciding import decide
from services.repair.domain.letter import NOBODY, REPLAY_OF, Letter, to_replay
from services.repair.domain.repairing import LARGEST_BODY
from services.repair.handlers import found_in
from services.repair.messages import letter_message
from services.repair.tests.making import GOOD, NOON, TOPIC, aside, broken, do, given, kept, with_headers

OWNERS = [
    pytest.param({}, "bad_data", "acme", id="the tenant it names"),
    pytest.param({}, "foreign_tenant", NOBODY, id="a tenant that is not served here"),
    pytest.param({"ce_tenant": None}, "bad_envelope", NOBODY, id="none"),
    pytest.param({"ce_tenant": b"a/b"}, "bad_envelope", NOBODY, id="what is no name"),
    pytest.param({"ce_tenant": b"\xff"}, "bad_envelope", NOBODY, id="what is no text"),
]


@pytest.mark.parametrize(("headers", "reason", "owner"), OWNERS)
def test_it_belongs_to(headers: dict[str, bytes | None], reason: str, owner: str) -> None:
    key, _ = kept(broken(**headers), reason)

    assert key.tenant == owner


def test_it_is_the_same_letter_wherever_its_record_stood() -> None:
    key, letter = kept()
    again, event = found_in(aside(broken()._replace(partition=2, offset=1)))

    after, _ = decide(letter, event, NOON)

    assert again == key
    assert after == replace(letter, places=("1/7", "2/1"))


def test_it_is_another_letter_when_a_replay_comes_back() -> None:
    key, letter = kept()
    replayed = to_replay(letter)

    other, back = kept(replayed)

    assert other.id != key.id
    assert back.replay_of == key.id
    assert dict(to_replay(back).headers)[REPLAY_OF] == other.id.encode()


def test_it_shows_nothing_of_the_content_in_a_list() -> None:
    secret = "+8613800000001"
    record = broken(f'{{"phone": "{secret}"}}'.encode(), ce_id=secret.encode() + b" \xff", x=secret.encode())
    key, letter = kept(record._replace(key=secret.encode()))

    shown = str(letter_message(key, letter))

    assert secret not in shown
    assert secret in str(letter_message(key, letter, whole=True))


def test_it_can_be_looked_at_and_that_changes_nothing_but_is_told() -> None:
    _, letter = kept()

    after, (fact,) = do(letter, Inspect)

    assert after == letter
    assert isinstance(fact.data, repair.LetterInspected) and fact.data.by == "ana"


def test_it_is_repaired_and_keeps_the_original() -> None:
    _, letter = kept()

    after, (fact,) = do(letter, Edit, body=GOOD, note="typo")

    assert after.original == letter.original
    assert (after.content.body, after.version) == (GOOD, 2)
    assert isinstance(fact.data, repair.LetterEdited)
    assert (fact.data.before_sha256, fact.data.after_sha256) == (letter.content.digest, after.content.digest)
    record = to_replay(after)
    event = wire.decode(record.headers, record.value)
    assert (event.id, event.tenant, record.topic) == ("e-1", "acme", TOPIC)


def test_its_key_follows_from_its_data() -> None:
    _, letter = kept(broken()._replace(key=b"elsewhere"))

    after, _ = do(letter, Edit, body=GOOD)

    assert after.content.key == b"i-1"
    assert after.content.header("ce_subject") == "i-1"


REFUSED = [
    pytest.param({"body": b"{"}, "bad_data", id="no JSON"),
    pytest.param({"body": b'{"interaction_id":"i-1","by":"nobody"}'}, "bad_data", id="not its schema"),
    pytest.param({"body": b'{"a":"' + b"x" * LARGEST_BODY + b'"}'}, "too_large", id="too much"),
    pytest.param({"body": GOOD, "headers": {"ce_tenant": "other"}}, "foreign_tenant", id="another tenant"),
    pytest.param({"body": GOOD, "headers": {"ce_id": "e-2"}}, "other_event", id="another event"),
    pytest.param({"body": GOOD, "headers": {"ce_type": "trunkline.x.y.v1"}}, "unknown_type", id="no type"),
    pytest.param(
        {"body": b'{"visitor_id":"v"}', "headers": {"ce_type": "trunkline.visitor.left.v1"}},
        ("wrong_topic", "bad_data", "unknown_type"),
        id="another topic's type",
    ),
    pytest.param({"body": GOOD, "without_headers": ("ce_time",)}, "bad_envelope", id="no time"),
    pytest.param({"body": GOOD, "headers": {"dlq_reason": "x"}}, "bad_header", id="a mark of ours"),
    pytest.param({"body": GOOD, "headers": {REPLAY_OF: "x"}}, "bad_header", id="a false origin"),
    pytest.param({"body": GOOD, "headers": {"x": "a\nb"}}, "bad_header", id="a line break"),
    pytest.param({"body": GOOD, "headers": {"x": "a" * 2000}}, "bad_header", id="a long header"),
]


@pytest.mark.parametrize(("edit", "reason"), REFUSED)
def test_it_is_not_repaired_to(edit: dict[str, object], reason: str | tuple[str, ...]) -> None:
    _, letter = kept()

    with pytest.raises(Invalid) as refused:
        do(letter, Edit, **edit)

    assert refused.value.violations[0].reason in ([reason] if isinstance(reason, str) else reason)


def test_it_takes_away_a_header_that_is_no_text() -> None:
    _, letter = kept(broken(x=b"\xff"))

    with pytest.raises(Invalid):
        do(letter, Edit, body=GOOD)
    after, _ = do(letter, Edit, body=GOOD, without_headers=("x",))

    assert "x" not in dict(after.content.headers)


def test_it_may_be_given_to_a_tenant_where_none_could_be_told() -> None:
    _, letter = kept(broken(ce_tenant=None), "bad_envelope")

    after, _ = do(letter, Edit, body=GOOD, headers={"ce_tenant": "acme"})

    assert after.content.header("ce_tenant") == "acme"


def test_it_is_replayed_once() -> None:
    _, letter = kept()

    after, (fact,) = do(letter, Replay)

    assert (after.status, after.closed_by) == ("replayed", "ana")
    assert isinstance(fact.data, repair.LetterReplayed) and fact.data.replayed_event_id == "e-1"
    with pytest.raises(Refused) as refused:
        do(after, Replay)
    assert refused.value.reason == "already_replayed"


CLOSED = [(Edit, {"body": GOOD}), (Replay, {}), (Discard, {"why": "x"})]


@pytest.mark.parametrize(("kind", "fields"), CLOSED)
def test_it_stays_closed_once_discarded(kind: type[Command], fields: dict[str, object]) -> None:
    _, letter = kept()
    after, (fact,) = do(letter, Discard, why="a test of theirs")

    assert (after.status, after.why) == ("discarded", "a test of theirs")
    assert isinstance(fact.data, repair.LetterDiscarded)
    with pytest.raises(Refused) as refused:
        do(after, kind, **fields)
    assert refused.value.reason == "already_discarded"


@pytest.mark.parametrize("kind", [Replay, Discard])
def test_it_is_passed_by_among_many_when_closed(kind: type[Command]) -> None:
    _, letter = kept()
    closed, _ = do(letter, Replay)

    assert do(closed, kind, if_open=True, **({"why": "x"} if kind is Discard else {})) == (closed, ())


def test_it_is_not_replayed_when_no_reader_would_take_it() -> None:
    _, letter = kept(broken(b"x" * (MAX_EVENT_BYTES + 1)), "too_large")

    with pytest.raises(Refused) as refused:
        do(letter, Replay)
    assert refused.value.reason == "too_large_to_replay"
    assert do(letter, Replay, if_open=True) == (letter, ())


def test_it_conflicts_when_changed_meanwhile() -> None:
    _, letter = kept()
    edited, _ = do(letter, Edit, body=GOOD)

    with pytest.raises(Conflict):
        do(edited, Replay, expected_version=letter.version)


def test_there_is_none_of_an_unknown_id() -> None:
    with pytest.raises(NotFound):
        do(Letter("nothing"), Replay)


@pytest.mark.parametrize("late", [False, True], ids=["letter first", "facts first"])
def test_it_is_the_same_computed_from_the_topics(late: bool) -> None:
    key, letter = kept()
    edited, told = do(letter, Edit, body=GOOD, headers={"x-note": "y"})
    after, more = do(edited, Replay)

    refolded = Letter(key.id)
    found = [found_in(aside(broken()))[1]]
    facts = [
        wire.decode(record.headers, record.value) for record in (wire.encode(fact) for fact in (*told, *more))
    ]
    for event in [*facts, *found] if late else [*found, *facts]:
        refolded, none = decide(refolded, event, NOON)
        assert not none

    assert refolded == after


def test_it_is_found_without_any_mark() -> None:
    key, event = found_in(Record(f"{TOPIC}-dlq", None, None, ()))

    letter, _ = decide(Letter(key.id), event, NOON)

    assert (key.tenant, letter.reason, letter.topic) == (NOBODY, "unknown", TOPIC)


def test_it_ignores_what_is_no_concern_of_it() -> None:
    _, letter = kept()
    event = wire.decode(with_headers(broken(GOOD)).headers, GOOD)

    assert decide(letter, given(event.data), NOON) == (letter, ())
