"""Words to and from the customer: texts filled in, and what was said matched with what could be chosen."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeVar

from libs.events.base import Scalar

LONGEST_TEXT = 16_000
LONGEST_VALUE = 500
_SLOT = re.compile(r"\{\{\s*([A-Za-z0-9_.]{1,128})\s*\}\}")
_PUNCTUATION = " \t\r\n.,!?;:。，！？；：、\"'“”‘’()（）"
T = TypeVar("T")


def filled_in(text: str, variables: Mapping[str, Scalar]) -> str:
    """
    Return the text with {{ variables }} put in; one never set leaves nothing.

    What is put in is not looked at again, so a customer's words cannot become part of the flow.
    """
    return _SLOT.sub(lambda slot: spoken(variables.get(slot.group(1))), text)[:LONGEST_TEXT]


def slots_of(text: str) -> set[str]:
    """Return the variables that a text has places for."""
    return set(_SLOT.findall(text))


def spoken(value: Scalar) -> str:
    """Return a value as a customer reads it: 12.50 for 12.5, 3 for 3.0."""
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.2f}"
    return str(value)[:LONGEST_VALUE]


def text_in(texts: Mapping[str, str], language: str, languages: Sequence[str]) -> str:
    """Return the text in the language, or in the first one there is of the flow's languages."""
    return next((texts[each] for each in (language, *languages) if each in texts), "")


def language_for(wanted: str, languages: Sequence[str]) -> str:
    """Return the flow's language nearest to the wanted one: zh-CN for zh, zh-cn or zh-TW; else the first."""
    wanted = wanted.lower()
    for each in languages:
        if each.lower() == wanted:
            return each
    stem = wanted.partition("-")[0]
    return next((each for each in languages if stem and each.lower().partition("-")[0] == stem), languages[0])


def normal(text: str) -> str:
    """Return what was said without case, width and outer punctuation."""
    return unicodedata.normalize("NFKC", text).casefold().strip(_PUNCTUATION)


def matched(said: str, words: Sequence[tuple[T, Sequence[str]]], *, within: bool) -> T | None:
    """
    Return what has a word equal to what was said; `within` also takes one that occurs in it, the longest.

    Words of an alphabet must occur as whole words, Chinese ones anywhere.
    """
    said = normal(said)
    if not said:
        return None
    best: tuple[int, T] | None = None
    for thing, some in words:
        for word in map(normal, some):
            if word == said:
                return thing
            if within and len(word) > 1 and occurs(word, said) and (best is None or len(word) > best[0]):
                best = len(word), thing
    return best[1] if best else None


def occurs(word: str, said: str) -> bool:
    start = said.find(word)
    while start >= 0:
        end = start + len(word)
        if not (_joined(said, start - 1, word[0]) or _joined(said, end, word[-1])):
            return True
        start = said.find(word, start + 1)
    return False


def _joined(said: str, place: int, neighbour: str) -> bool:
    return 0 <= place < len(said) and _is_spelt(said[place]) and _is_spelt(neighbour)


def _is_spelt(letter: str) -> bool:
    return letter.isalnum() and ord(letter) < 0x2E80  # before the CJK blocks


def is_of(charset: str, text: str) -> bool:
    """Return whether every character belongs to the set."""
    match charset:
        case "digits":
            return text.isascii() and text.isdigit()
        case "letters":
            return text.isalpha()
        case "alphanumeric":
            return text.isalnum()
        case _:
            return text.isprintable()
