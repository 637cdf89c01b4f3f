"""What an edit makes of a letter's content, and whether that is an event of the letter's topic."""

from dataclasses import replace

from libs import wire
from libs.errors import Invalid, Violation
from libs.wire import Headers, Unreadable
from services.repair.domain.commands import Edit
from services.repair.domain.letter import MARK, NOBODY, REPLAY_OF, Content, Letter, is_name, tenant_of

LARGEST_BODY = 96 * 1024  # it is told with the fact of the edit, and a fact has its limit too
LONGEST_HEADER = 1024
LARGEST_HEADERS = 16 * 1024
_PLACES = {"too_large": "body", "bad_data": "body"}


def repair(letter: Letter, edit: Edit) -> Content:
    """
    Return the letter's content after an edit; its key follows from its data.

    :raises Invalid: what it would become is no event of its topic, or another tenant's, or another event.
    """
    before = letter.content
    dropped = {*edit.without_headers, *edit.headers}
    _check_names(edit)
    headers = tuple(pair for pair in before.headers if pair[0] not in dropped)
    headers += tuple((name, value.encode()) for name, value in sorted(edit.headers.items()))
    body = before.body if edit.body is None else edit.body
    if len(body or b"") > LARGEST_BODY:
        raise Invalid(Violation("body", f"has more than {LARGEST_BODY} bytes", "too_large"))
    try:
        event = wire.decode(headers, body)
    except Unreadable as problem:
        place = _PLACES.get(problem.reason, "headers")
        raise Invalid(Violation(place, problem.detail or problem.reason, problem.reason)) from None
    if event.data.topic() != letter.topic:
        raise Invalid(Violation("headers.ce_type", f"is no type of {letter.topic}", "wrong_topic"))
    owner = tenant_of(letter.original, letter.reason)
    if owner != NOBODY and event.tenant != owner:
        raise Invalid(Violation("headers.ce_tenant", "must stay as it was", "foreign_tenant"))
    if not is_name(event.tenant):
        raise Invalid(Violation("headers.ce_tenant", "must be a name", "bad_envelope"))
    known = letter.original.header("ce_id")
    if known and event.id != known:
        raise Invalid(Violation("headers.ce_id", "must stay as it was", "other_event"))
    key = event.key.encode()
    headers = tuple((name, key if name == "ce_subject" else value) for name, value in headers)
    return replace(before, key=key, body=body, headers=_plain(headers))


def _plain(headers: Headers) -> Headers:
    """Return each header once, as a reader takes it. :raises Invalid: one is no text, or all are too much."""
    plain = tuple(dict(headers).items())
    if sum(len(name) + len(value) for name, value in plain) > LARGEST_HEADERS:
        raise Invalid(Violation("headers", f"have more than {LARGEST_HEADERS} bytes", "too_large"))
    for name, value in plain:
        try:
            value.decode()
        except UnicodeDecodeError:
            raise Invalid(
                Violation(f"headers.{name[:64]}", "is no UTF-8: take it away", "bad_header")
            ) from None
    return plain


def _check_names(edit: Edit) -> None:
    for name in (*edit.headers, *edit.without_headers):
        if name.startswith(MARK) or name == REPLAY_OF or not is_name(name):
            raise Invalid(Violation(f"headers.{name[:64]}", "is none that can be set", "bad_header"))
    for name, value in edit.headers.items():
        if len(value.encode()) > LONGEST_HEADER or not value.isprintable():
            raise Invalid(Violation(f"headers.{name[:64]}", "is too long or not printable", "bad_header"))
