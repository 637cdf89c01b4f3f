"""What a request may say of a customer."""

import json
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from libs.errors import Invalid, Violation
from libs.events.base import Id, Identity, Language, OptionalId
from libs.identities import normal, phone
from libs.rpc.common.v1 import common_pb2
from libs.rpc.crm_context.v1 import crm_context_pb2 as pb
from libs.structs import plain_of
from services.crm_context.domain.commands import Upsert
from services.crm_context.importing import HIGHEST_VIP

FIELDS = ("name", "identities", "profile", "tags", "vip_level", "language", "preferred_agent_id")
LARGEST_PROFILE = 64 * 1024
_ID: TypeAdapter[str] = TypeAdapter(Id)
_OPTIONAL_ID: TypeAdapter[str] = TypeAdapter(OptionalId)
_LANGUAGE: TypeAdapter[str] = TypeAdapter(Language)
_IDENTITY: TypeAdapter[Identity] = TypeAdapter(Identity)


def command_of(request: pb.UpsertRequest, customer_id: str) -> Upsert:
    """Return the command that a request amounts to. :raises Invalid: naming every field that is wrong."""
    customer = request.customer
    wrong = [
        Violation("fields", f"{name!r} is no field that can be changed")
        for name in request.fields
        if name not in FIELDS
    ]
    if request.HasField("expected_version") and request.expected_version < 0:
        wrong.append(Violation("expected_version", "must not be negative"))
    named = set(request.fields)
    readers: dict[str, Callable[[], Any]] = {
        "name": lambda: _text(customer.name, 256),
        "identities": lambda: identities_of(customer),
        "profile": lambda: _profile(customer),
        "tags": lambda: _tags(customer),
        "vip_level": lambda: _vip(customer.vip_level),
        "language": lambda: _LANGUAGE.validate_python(customer.language),
        "preferred_agent_id": lambda: _OPTIONAL_ID.validate_python(customer.preferred_agent_id),
    }
    given: dict[str, Any] = {}
    for name, reader in readers.items():
        if name in named or (not named and _is_set(customer, name)):
            try:
                given[name] = reader()
            except ValidationError:
                wrong.append(Violation(f"customer.{name}", "has characters or a length that is not allowed"))
            except ValueError as error:
                wrong.append(Violation(f"customer.{name}", str(error)))
    try:
        _ID.validate_python(customer_id)
    except ValidationError:
        wrong.append(Violation("customer.customer_id", "is no id"))
    if wrong:
        raise Invalid(*wrong)
    expected = request.expected_version if request.HasField("expected_version") else None
    return Upsert(
        customer_id=customer_id, expected_version=expected, only_existing=request.only_existing, **given
    )


def _is_set(customer: pb.Customer, name: str) -> bool:
    return customer.HasField("profile") if name == "profile" else bool(getattr(customer, name))


def identities_of(customer: pb.Customer) -> tuple[Identity, ...]:
    if len(customer.identities) > 16:
        raise ValueError("must be 16 at most")
    return tuple(dict.fromkeys(identity_of(each) for each in customer.identities))


def identity_of(message: common_pb2.Identity) -> Identity:
    """Return an identity in its normal form. :raises ValueError: it is none."""
    value = message.value.strip()
    if message.kind == "phone" and not phone(value):
        raise ValueError("holds a phone number that is none")
    if message.kind == "email" and ("@" not in value.strip("@") or " " in value):
        raise ValueError("holds an e-mail address that is none")
    if not value.isprintable():
        raise ValueError("holds a control character")
    return normal(_IDENTITY.validate_python({"kind": message.kind, "value": value}))


def _text(text: str, longest: int) -> str:
    text = text.strip()
    if len(text) > longest or not text.isprintable():
        raise ValueError(f"must have {longest} printable characters at most")
    return text


def _profile(customer: pb.Customer) -> str:
    text = json.dumps(plain_of(customer.profile), ensure_ascii=False)
    if len(text.encode()) > LARGEST_PROFILE:
        raise ValueError(f"must have {LARGEST_PROFILE} bytes at most")
    return text


def _tags(customer: pb.Customer) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(_text(each, 64) for each in customer.tags))
    if len(tags) > 50 or "" in tags:
        raise ValueError("must be 50 at most, none of them empty")
    return tags


def _vip(level: int) -> int:
    if not 0 <= level <= HIGHEST_VIP:
        raise ValueError(f"must be from 0 to {HIGHEST_VIP}")
    return level
