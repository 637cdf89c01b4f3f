"""What a customer is found by, and what others may see of him."""

import re

from libs.events.base import Identity
from services.crm_context.domain.customer import Customer

WORDS = 100
LONGEST_WORD = 64
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def words_of(customer: Customer) -> list[str]:
    """Return what the beginning of a search word is compared with: names, identities and tags."""
    texts = [customer.name, *customer.tags, *(each.value for each in customer.identities)]
    words: dict[str, None] = {}
    for text in texts:
        for word in text.lower().split():
            words[word[:LONGEST_WORD]] = None
            if _HAN.search(word):  # Chinese is written without spaces: any character may begin a word
                words.update(
                    (word[place : place + LONGEST_WORD], None) for place in range(1, min(len(word), 16))
                )
    for each in customer.identities:
        words.update((form, None) for form in forms_of(each))
    return list(words)[:WORDS]


def forms_of(identity: Identity) -> list[str]:
    """Return the ways in which people write an identity down."""
    value = identity.value.lower()
    if identity.kind == "phone" and value.startswith("+86"):
        return [value[1:], value[3:]]
    if identity.kind == "phone":
        return [value.lstrip("+")]
    if identity.kind == "email":
        return [value.partition("@")[2]]
    return []


def asked_of(text: str) -> list[str]:
    """Return the words of a search, at most eight."""
    return [word[:LONGEST_WORD] for word in text.lower().split()][:8]


def masked(identity: Identity) -> Identity:
    """Return an identity as those see it who need not know it."""
    value = identity.value
    if identity.kind == "email":
        name, at, host = value.partition("@")
        return identity.model_copy(update={"value": f"{name[:1]}***{at}{host}"})
    keep = 4 if len(value) >= 8 else 1
    front = 6 if len(value) >= 12 else keep if len(value) > 2 * keep else 0
    stars = "*" * max(3, len(value) - front - keep)
    return identity.model_copy(update={"value": f"{value[:front]}{stars}{value[-keep:]}"})
