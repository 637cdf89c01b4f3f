"""Hides card numbers in what is kept."""

import re

SHORTEST, LONGEST = 12, 19  # digits of card numbers in use
CANDIDATE = re.compile(r"(?<![0-9])(?:[0-9][ .\-]?){11,}[0-9](?![0-9])")
WIDE = str.maketrans("０１２３４５６７８９－　", "0123456789- ")  # as keyboards for Chinese write them
MASK = "*"
SHOWN = 4


def masked(text: str) -> str:
    """Return the text with all but the last four digits hidden in what looks like a card number."""
    plain = text.translate(WIDE)  # of the same length
    if not CANDIDATE.search(plain):
        return text
    kept = list(text)
    for found in CANDIDATE.finditer(plain):
        digits = [place for place in range(*found.span()) if plain[place].isdigit()]
        for start, end in cards_in([int(plain[place]) for place in digits]):
            for place in digits[start : end - SHOWN]:
                kept[place] = MASK
    return "".join(kept)


def cards_in(digits: list[int]) -> list[tuple[int, int]]:
    """Return the spans of card numbers in a row of digits, the longest first from the left."""
    if len(digits) <= LONGEST:
        return [(0, len(digits))] if passes_luhn(digits) else []
    found: list[tuple[int, int]] = []
    start = 0
    while start + SHORTEST <= len(digits):
        ends = range(min(start + LONGEST, len(digits)), start + SHORTEST - 1, -1)
        end = next((end for end in ends if passes_luhn(digits[start:end])), None)
        if end is None:
            start += 1
        else:
            found.append((start, end))
            start = end
    return found


def passes_luhn(digits: list[int]) -> bool:
    """Return whether the check digit fits: of random numbers every tenth, of card numbers every one."""
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(digits) >= SHORTEST and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
