"""The one normal form of each way to recognise a person, so that two services mean the same by it."""

from functools import lru_cache

import phonenumbers

from libs.events.base import Identity

REGION = "CN"  # where a phone number without a country code belongs


@lru_cache(maxsize=20_000)
def normal(identity: Identity, region: str = REGION) -> Identity:
    """
    Return the identity in its normal form: E.164 for phones, lower case for e-mail addresses.

    A phone number that is none keeps its digits, e.g. an extension of a private network: it still recognises.
    """
    value = identity.value.strip()
    if identity.kind == "phone":
        value = phone(value, region) or "".join(c for c in value if c.isdigit() or c == "+") or value
    elif identity.kind == "email":
        value = value.lower()
    return identity if value == identity.value or not value else identity.model_copy(update={"value": value})


def phone(text: str, region: str = REGION) -> str:
    """Return a phone number as E.164, "" where it cannot be one."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def name_of(identity: Identity) -> str:
    """Return the identity as one string, "<kind>:<value>"."""
    return f"{identity.kind}:{identity.value}"
