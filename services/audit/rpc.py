"""What the audit answers: how the contacts of a tenant stand, what breaks a rule, and one account."""

from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import quote

from libs import paging
from libs.clock import Now
from libs.errors import Invalid, NotFound, Violation
from libs.mongo import Document
from libs.rpc.audit.v1 import audit_pb2 as pb
from libs.rpc.audit.v1 import audit_pb2_grpc
from libs.rpc.common.v1 import common_pb2
from libs.rpc_server import Context, caller
from libs.stored import Key
from libs.structs import stamp
from services.audit.domain.account import read
from services.audit.domain.breach import RULES
from services.audit.domain.contact import Contact
from services.audit.domain.ledger import Found
from services.audit.domain.line import Line
from services.audit.domain.partition import PLATFORM, Partition
from services.audit.store import Stores

PLACE_KINDS = (datetime, str)
BREACHES_OF_ONE = 100


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Answers from what was folded; counting is done as facts arrive, so that asking is cheap."""

    def __init__(
        self,
        stores: Stores,
        judged_from: Callable[[], datetime | None],
        settled: Callable[[], bool],
        now: Now,
    ) -> None:
        self._stores = stores
        self._judged_from = judged_from
        self._settled = settled
        self._now = now

    async def GetAudit(self, request: pb.GetAuditRequest, context: Context) -> pb.GetAuditResponse:
        who = caller()
        ledger = await self._stores.ledger_of(who.tenant)
        platform = await self._stores.ledger_of(PLATFORM)
        oldest = await self._stores.oldest_open(who.tenant)
        open_now = {rule: ledger.breaches.get(rule, 0) + platform.breaches.get(rule, 0) for rule in RULES}
        contacts = pb.Contacts(
            opened=ledger.opened,
            closed=ledger.closed,
            open=ledger.open,
            overdue=ledger.overdue,
            oldest_open_id=oldest[0] if oldest else "",
            oldest_open_began_at=stamp(oldest[1]) if oldest else None,
        )
        reading = pb.Reading(
            settled=self._settled(),
            judged_from=stamp(self._judged_from()),
            partitions=[_partition(each) for each in await self._stores.all_partitions()],
        )
        return pb.GetAuditResponse(
            audit=pb.Audit(
                verdict="breached" if any(open_now.values()) else "clean",
                contacts=contacts,
                rules=[
                    pb.Rule(
                        id=rule,
                        title=title,
                        status="breached" if open_now[rule] else "ok",
                        breaches=open_now[rule],
                    )
                    for rule, title in RULES.items()
                ],
                reading=reading,
                as_of=stamp(self._now()),
                checked_at=stamp(ledger.checked_at),
            )
        )

    async def ListBreaches(
        self, request: pb.ListBreachesRequest, context: Context
    ) -> pb.ListBreachesResponse:
        who = caller()
        where: Document = {}
        if request.rule:
            where["ix.rule"] = request.rule
        if request.status:
            if request.status not in ("open", "mended"):
                raise Invalid(Violation("status", "must be open or mended"))
            where["ix.open"] = request.status == "open"
        if request.contact_id:
            where["ix.contact_id"] = request.contact_id
        size = paging.size_of(request.page.page_size)
        place = paging.places_of(request.page.page_token, PLACE_KINDS)
        rows = await self._stores.listed((who.tenant, PLATFORM), where, place, size + 1)
        token = ""
        if len(rows) > size:
            key, last = rows[size - 1]
            assert last.found_at is not None
            token = paging.token_of([last.found_at, str(key)])
        return pb.ListBreachesResponse(
            breaches=[_breach(each) for _, each in rows[:size]],
            page=common_pb2.PageResponse(next_page_token=token),
        )

    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.GetAccountResponse:
        who = caller()
        contact = await self._stores.contacts.get(Key(who.tenant, request.contact_id))
        if contact is None:
            raise NotFound("account", request.contact_id)
        where: Document = {"ix.contact_id": request.contact_id}
        found = await self._stores.listed((who.tenant,), where, (), BREACHES_OF_ONE)
        return pb.GetAccountResponse(account=_account(contact, [each for _, each in found]))


def _account(contact: Contact, breaches: Sequence[Found]) -> pb.Account:
    now = read(contact.tenant, contact.contact_id, contact.lines)
    return pb.Account(
        contact_id=contact.contact_id,
        session_id=contact.session_id,
        journey_id=contact.journey_id,
        channel=contact.channel,
        external=now.external,
        began_at=stamp(now.began_at),
        closed_at=stamp(now.closed_at),
        outcome=now.outcome,
        missing=now.missing,
        lines=[_line(each) for each in sorted(contact.lines, key=lambda line: line.at)],
        breaches=[_breach(each) for each in breaches],
    )


def _line(line: Line) -> pb.Line:
    return pb.Line(
        event_id=line.event_id,
        href=_href(line.event_id),
        what=line.what,
        topic=f"trunkline.{line.topic}",
        time=stamp(line.at),
        sequence=line.number,
        queue_id=line.queue_id,
        agent_id=line.agent_id,
        offer_id=line.offer_id,
        said=line.said,
    )


def _breach(found: Found) -> pb.Breach:
    return pb.Breach(
        breach_id=found.breach_id,
        rule=found.rule,
        subject=found.subject,
        contact_id=found.contact_id,
        what=found.what,
        status="open" if found.open else "mended",
        found_at=stamp(found.found_at),
        mended_at=stamp(found.mended_at),
        events=[pb.EventLink(event_id=each, href=_href(each)) for each in found.event_ids],
    )


def _partition(state: Partition) -> pb.Partition:
    return pb.Partition(
        topic=state.topic,
        partition=state.partition,
        next_offset=state.next,
        read=state.read,
        events=state.events,
        skipped=state.skipped,
        unreadable=state.unreadable,
        dead_lettered=state.letters,
        set_aside=state.set_aside,
    )


def _href(event_id: str) -> str:
    """Return where the gateway answers with the event."""
    return f"/v1/events/{quote(event_id, safe='')}"
