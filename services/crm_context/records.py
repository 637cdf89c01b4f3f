"""Change customers' records: the commands behind the gRPC methods."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from uuid import uuid4

from libs.apply import Apply
from libs.clock import Now
from libs.errors import AlreadyExists, Invalid, NotFound, Refused, Unavailable, Violation
from libs.events.base import AnyEvent, Event, Fact, Identity, follow_id
from libs.identities import name_of
from libs.rpc.crm_context.v1 import crm_context_pb2 as pb
from libs.rpc_caller import Caller
from libs.stored import Key, Stored
from services.crm_context.checking import command_of
from services.crm_context.domain.commands import Delete, MergeInto, Upsert
from services.crm_context.domain.customer import Customer
from services.crm_context.importing import Row, RowError, merged_profile, read
from services.crm_context.preparing import Preparing
from services.crm_context.store import Customers, Directory, Imports

CHUNK = 500
CLAIMS = 4  # how often a chunk is tried when others import the same people
ERRORS_KEPT = 5000


@dataclass(slots=True)
class Counts:
    """What became of the rows of a file."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


class Records:
    """Customers' records, as they are changed."""

    def __init__(
        self,
        store: Customers,
        apply: Apply[Customer],
        directory: Directory,
        preparing: Preparing,
        imports: Imports,
        now: Now,
    ) -> None:
        self._store = store
        self._imports = imports
        self._apply = apply
        self._directory = directory
        self._preparing = preparing
        self._now = now

    async def upsert(self, who: Caller, request: pb.UpsertRequest) -> tuple[Customer, bool]:
        """Create or change a customer; return the record, and whether this request created it."""
        cause = cause_of(who.tenant, request.request_id, "Upsert")
        customer_id = request.customer.customer_id or follow_id(cause, "customer")
        command = command_of(request, customer_id)
        key = Key(who.tenant, customer_id)
        stored = (await self._store.load([key])).get(key)
        is_there = command.only_existing or (stored and stored.state.exists)
        if not (is_there or command.name or command.identities):
            raise Invalid(Violation("customer", "takes a name or an identity", "required"))
        await self._refuse_taken(who.tenant, customer_id, command.identities or ())
        try:
            after = await self._do(who.tenant, key, cause, command)
        except Unavailable:
            await self._refuse_taken(who.tenant, customer_id, command.identities or ())
            raise
        await self._make_known(after)
        return after.state, after.state.created_by == cause

    async def merge(self, who: Caller, request: pb.MergeRequest) -> Customer:
        """Merge one customer into another, and return the one that stays."""
        source = Key(who.tenant, request.source_customer_id)
        target = await self._store.existing(Key(who.tenant, request.target_customer_id))
        gone = await self._store.get(source)
        if gone is None or gone.deleted:
            raise NotFound("customer", source.id)
        if target.customer_id == source.id:
            raise Refused("same_customer", "a customer cannot be merged into itself")
        if gone.merged_into and (await self._store.existing(source)).customer_id != target.customer_id:
            raise Refused("customer_merged", "it was merged into another", {"into": gone.merged_into})
        if not gone.merged_into:
            cause = cause_of(who.tenant, request.request_id, "Merge")
            command = MergeInto(customer_id=source.id, target_id=target.customer_id)
            await self._do(who.tenant, source, cause, command)
        return await self._store.existing(source)

    async def delete(self, who: Caller, request: pb.DeleteRequest) -> None:
        """Delete a customer; once more by the same request does nothing."""
        key = Key(who.tenant, request.customer_id)
        cause = cause_of(who.tenant, request.request_id, "Delete")
        expected = request.expected_version if request.HasField("expected_version") else None
        command = Delete(customer_id=key.id, expected_version=expected)
        await self._do(who.tenant, key, cause, command)

    async def import_file(
        self, who: Caller, request: pb.ImportCustomersRequest
    ) -> tuple[Counts, list[RowError]]:
        """Take the good rows of a file, chunk by chunk; an identity that is known changes that customer."""
        rows, errors = await asyncio.to_thread(read, request.csv, dict(request.columns))
        cause = cause_of(who.tenant, request.request_id, "ImportCustomers")
        if answer := await self._imports.get(Key(who.tenant, cause)):
            return Counts(**answer["counts"]), [RowError(**each) for each in answer["errors"]]
        counts, waiting = Counts(), iter(rows)
        seen: set[str] = set()
        while chunk := list(islice(waiting, CHUNK)):
            for part in apart(chunk):
                errors += await self._take(who.tenant, part, cause, counts, seen, dry=request.dry_run)
        errors.sort(key=lambda each: each.row)
        if not request.dry_run:
            answer = {"counts": asdict(counts), "errors": [asdict(each) for each in errors[:ERRORS_KEPT]]}
            await self._imports.keep(Key(who.tenant, cause), answer, self._now())
        return counts, errors

    async def _take(
        self, tenant: str, rows: Sequence[Row], cause: str, counts: Counts, seen: set[str], *, dry: bool
    ) -> list[RowError]:
        for _ in range(CLAIMS - 1):
            try:
                return await self._take_once(tenant, rows, cause, counts, seen, dry=dry)
            except Unavailable as error:
                if error.reason != "contended":
                    raise
                # Somebody else claims the same identities at this moment: look again whose they are.
        return await self._take_once(tenant, rows, cause, counts, seen, dry=dry)

    async def _take_once(
        self, tenant: str, rows: Sequence[Row], cause: str, counts: Counts, seen: set[str], *, dry: bool
    ) -> list[RowError]:
        known = await self._directory.customers_by(tenant, {one for row in rows for one in row.identities})
        errors: list[RowError] = []
        later: list[Row] = []
        commands: dict[Key, tuple[AnyEvent, Customer | None]] = {}
        unchanged = made_before = 0
        for row in rows:
            names = {name_of(one) for one in row.identities}
            owners = {known[name].customer_id: known[name] for name in names if name in known}
            if len(owners) == 1 and Key(tenant, next(iter(owners))) in commands:
                later.append(row)  # says more of a customer whom a row before it changes
                continue
            if len(owners) > 1:
                errors.append(RowError(row.number, "", "ambiguous"))
                continue
            there = next(iter(owners.values()), None)
            row_id = follow_id(cause, f"row/{row.number}")
            new_id = follow_id(row_id, "customer")
            command = change_of(row, there, new_id)
            if there is not None and there.customer_id == new_id:
                made_before += 1  # by this row, in a try that was given up
                continue
            if there is not None and says_nothing(command, there):
                unchanged += 1
                continue
            if dry:
                counts.created += there is None and not names & seen
                counts.updated += there is not None or bool(names & seen)
                seen |= names
                continue
            key = Key(tenant, command.customer_id)
            commands[key] = Event(row_id, tenant, self._now(), command, cause), there
        if commands:
            await self._apply([(key, event) for key, (event, _) in commands.items()], self._now())
            counts.created += sum(there is None for _, there in commands.values())
            counts.updated += sum(there is not None for _, there in commands.values())
        counts.created += made_before
        counts.unchanged += unchanged
        if later:
            errors += await self._take(tenant, later, cause, counts, seen, dry=dry)
        return errors

    async def _do(self, tenant: str, key: Key, cause: str, command: Fact) -> Stored[Customer]:
        now = self._now()
        return (await self._apply([(key, Event(cause, tenant, now, command, cause))], now))[key]

    async def _refuse_taken(self, tenant: str, customer_id: str, identities: Sequence[Identity]) -> None:
        """:raises AlreadyExists: one of the identities is another customer's."""
        known = await self._directory.customers_by(tenant, identities)
        others = [name for name, one in known.items() if one.customer_id != customer_id]
        asked = {name_of(each): each for each in identities}
        for name in others:
            if name in asked:
                facts = {"kind": asked[name].kind, "customer_id": known[name].customer_id}
                raise AlreadyExists("identity_taken", "an identity is another customer's", facts)

    async def _make_known(self, after: Stored[Customer]) -> None:
        if after.untold and after.state.identities:
            await self._preparing.customer(after.untold[-1], after.state.identities)


def cause_of(tenant: str, request_id: str, method: str) -> str:
    """Return the id that a command has: the same for a request told again."""
    if len(request_id) > 128:
        raise Invalid(Violation("request_id", "must have 128 characters at most"))
    return follow_id(f"{tenant}/{request_id or uuid4()}", method)


def apart(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows in parts without an identity twice, so that a row finds what one before it made."""
    parts: list[list[Row]] = [[]]
    here: set[str] = set()
    for row in rows:
        names = {name_of(one) for one in row.identities}
        if names & here:
            parts.append([])
            here = set()
        parts[-1].append(row)
        here |= names
    return parts


def change_of(row: Row, there: Customer | None, new_id: str) -> Upsert:
    """Return what a row changes: it adds identities, tags and profile entries, and replaces the rest."""
    old = there or Customer(new_id)
    return Upsert(
        customer_id=old.customer_id,
        name=row.name or None,
        identities=tuple(dict.fromkeys((*old.identities, *row.identities))),
        profile=merged_profile(old.profile, row.profile) if row.profile else None,
        tags=tuple(dict.fromkeys((*old.tags, *row.tags))) if row.tags else None,
        vip_level=row.vip_level,
        language=row.language or None,
    )


def says_nothing(command: Upsert, there: Customer) -> bool:
    said: Mapping[str, object] = {
        "name": command.name,
        "identities": command.identities,
        "profile": command.profile,
        "tags": command.tags,
        "vip_level": command.vip_level,
        "language": command.language,
    }
    return all(value is None or value == getattr(there, name) for name, value in said.items())
